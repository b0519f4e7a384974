// Saves each change as it is made, counts the time that the page is looked at, and takes the keys 1 to 5.
// Without it the page works all the same: its buttons send the form.
"use strict";

const form = document.getElementById("rate");
const state = document.getElementById("state");
const trouble = document.getElementById("trouble");
const seconds = form.elements.seconds;
const shows = document.getElementById("anchors");
const PAUSE = 1500; // milliseconds without a key, after which what was typed is saved
const PATIENCE = 15000; // milliseconds for an answer
const IDLE = 120000; // milliseconds without a sign of anybody, after which nobody is looking
let looked = Number(seconds.value) || 0;
let last = Date.now();
let active = Date.now();
let running = false;
let wanted = ""; // what is to be sent after what is under way: "save", or the button that was pressed
let unsaved = false;
let typing = 0;

function key() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function count() {
  const now = Date.now();
  // A gap of more than a minute is sleep or a stopped tab.
  const there = document.visibilityState === "visible" && now - last < 60000 && now - active < IDLE;
  if (there) looked += (now - last) / 1000;
  last = now;
  seconds.value = looked.toFixed(1);
}
for (const sign of ["pointermove", "pointerdown", "keydown", "scroll"]) {
  document.addEventListener(sign, () => { active = Date.now(); }, { passive: true, capture: true });
}

// Trouble stands in view wherever the page was scrolled to; the rest beside the buttons.
function tell(text, isTrouble) {
  state.textContent = isTrouble ? "" : text;
  trouble.textContent = isTrouble ? text : "";
}

// Sends one save until it is answered. Returns what the server said of it, or null where it was not kept.
async function sent(body) {
  for (let tries = 0; ; tries += 1) {
    try {
      // A button is called `action`, so the property of that name is not the address.
      const answer = await fetch(form.getAttribute("action"), {
        method: "POST", body, headers: { Accept: "application/json" }, redirect: "error", signal: AbortSignal.timeout(PATIENCE),
      });
      const told = await answer.json().catch(() => ({}));
      if (answer.ok && told.saves) return told;
      if (answer.status === 403) {
        tell("Not saved: your session has ended, or your link with it. Open your link again in another tab; then change something here, and it is saved.", true);
        return null;
      }
      if (answer.status < 500) {
        tell(told.error && told.error.startsWith("Not saved") ? told.error : `Not saved. ${told.error || "Load the page again."}`, true);
        return null;
      }
    } catch { /* no connection: the same save, with the same key, is tried again */ }
    if (tries >= 8) {
      tell("Not saved: the server cannot be reached. What you chose and wrote stays on this page. Try again later, and do not close it.", true);
      return null;
    }
    tell("Not saved yet: no connection. Trying again …", true);
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** Math.min(tries, 5)));
  }
}

// One at a time, so that an older one never comes last.
async function save(action) {
  if (running) {
    if (action !== "save" || !wanted) wanted = action;
    return;
  }
  running = true;
  unsaved = true;
  clearTimeout(typing);
  typing = 0;
  count();
  form.elements.key.value = key();
  const body = new URLSearchParams(new FormData(form));
  body.set("action", action);
  if (!trouble.textContent) tell("Saving …");
  const told = await sent(body);
  running = false;
  const next = wanted;
  wanted = "";
  if (!told) {
    // A button pressed meanwhile is not pressed again by itself: its page would be gone, and this one is not kept.
    if (next === "save") save("save");
    return;
  }
  form.elements.seen.value = told.saves;
  unsaved = next !== "" || typing !== 0;
  if (action !== "save") {
    unsaved = false;
    location.assign(told.next);
    return;
  }
  if (told.missing.length) tell(`Saved, but not finished: ${told.missing.join(", ")} not answered.`, true);
  else tell(`Saved at ${new Date().toLocaleTimeString()}.`);
  if (next) save(next);
}

form.addEventListener("change", (event) => { if (event.target !== shows) save("save"); });
// What is typed is saved when the writer pauses: a tab may be closed before the field is left.
form.addEventListener("input", (event) => {
  if (!event.target.matches("textarea")) return;
  unsaved = true;
  clearTimeout(typing);
  typing = setTimeout(() => { typing = 0; save("save"); }, PAUSE);
});
form.addEventListener("submit", (event) => {
  event.preventDefault(); // the page is left when the server has it, and not before
  save((event.submitter || form.querySelector("button[value=done]")).value);
});
// The browser asks whether to leave, where something is not saved yet or could not be.
window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
document.addEventListener("visibilitychange", count);
setInterval(count, 5000);

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit(form.querySelector("button[value=done]"));
    return;
  }
  // In a field Enter would finish the item, and of practice that is for good.
  if (event.key === "Enter" && event.target.matches("input, select")) event.preventDefault();
  // Only within a principle that has the focus, so that no key does anything by surprise.
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.type !== "radio") return;
  const field = event.target.closest("fieldset");
  const radio = field && field.querySelectorAll("input[type=radio]")[Number(event.key) - 1];
  if (!radio) return;
  event.preventDefault();
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  const all = [...form.querySelectorAll("fieldset.choice")];
  const next = all[all.indexOf(field) + 1];
  const to = next ? next.querySelector("input:checked") || next.querySelector("input") : form.querySelector("button[value=done]");
  to.focus();
});

// The descriptions are in view until a rater who knows them puts them away, on this device.
function showAnchors() {
  for (const each of document.querySelectorAll("details.anchors")) each.open = shows.checked;
}
try {
  shows.checked = localStorage.getItem("anchors") !== "away";
} catch { /* a browser that keeps nothing */ }
document.getElementById("toggle").hidden = false;
showAnchors();
shows.addEventListener("change", () => {
  showAnchors();
  try {
    localStorage.setItem("anchors", shows.checked ? "shown" : "away");
  } catch { /* as above */ }
});

const errors = document.getElementById("errors");
if (errors) errors.focus();
