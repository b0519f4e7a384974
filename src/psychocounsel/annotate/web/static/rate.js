// Saves each change as it is made, counts the time that the page is looked at, and takes the keys 1 to 5.
// Without it the page works all the same: its buttons send the form.
"use strict";

const form = document.getElementById("rate");
const state = document.getElementById("state");
const seconds = form.elements.seconds;
const shows = document.getElementById("anchors");
let looked = Number(seconds.value) || 0;
let last = Date.now();
let running = false;
let waiting = false;
let unsaved = false;
let typing = 0;
const PAUSE = 1500; // milliseconds
let leaving = null; // the button that was pressed while a save was under way

function key() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function count() {
  const now = Date.now();
  // A gap of more than a minute is sleep or a stopped tab, and nobody was looking.
  if (document.visibilityState === "visible" && now - last < 60000) looked += (now - last) / 1000;
  last = now;
  seconds.value = looked.toFixed(1);
}

async function save() {
  if (running) { waiting = true; return; } // one at a time, so that an older one never comes last
  running = true;
  waiting = false;
  unsaved = true;
  clearTimeout(typing);
  typing = 0;
  count();
  form.elements.key.value = key();
  const body = new URLSearchParams(new FormData(form));
  body.set("action", "save");
  state.textContent = "Saving …";
  for (let tries = 0; ; tries += 1) {
    try {
      // A button is called `action`, so the property of that name is not the address.
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" } });
      if (answer.ok) {
        unsaved = waiting || typing !== 0;
        state.textContent = `Saved at ${new Date().toLocaleTimeString()}.`;
        break;
      }
      if (answer.status < 500) {
        const told = await answer.json().catch(() => ({}));
        state.textContent = `Not saved. ${told.error || "Load the page again."}`;
        break;
      }
    } catch { /* no connection: the same save, with the same key, is tried again */ }
    if (tries >= 8) {
      state.textContent = "Not saved: the server cannot be reached. Your choices stay on this page; change one to try again.";
      break;
    }
    state.textContent = "No connection. Trying again …";
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** Math.min(tries, 5)));
  }
  running = false;
  if (leaving) form.requestSubmit(leaving);
  else if (waiting) save();
}

form.addEventListener("change", (event) => { if (event.target !== shows) save(); });
// What is typed is saved when the writer pauses: a tab may be closed before the field is left.
form.addEventListener("input", (event) => {
  if (!event.target.matches("textarea")) return;
  unsaved = true;
  clearTimeout(typing);
  typing = setTimeout(save, PAUSE);
});
form.addEventListener("submit", (event) => {
  if (running) { // an older save must not come after the last one
    event.preventDefault();
    leaving = event.submitter || form.querySelector("button[value=done]");
    return;
  }
  clearTimeout(typing);
  unsaved = false; // the form itself takes it along
  count();
  form.elements.key.value = key();
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
