(function () {
'use strict';
// Texts come from the data block and reach the page as text nodes only; nothing here writes markup.
var data = JSON.parse(document.getElementById('data').textContent);
var KEY = data.format + ':' + data.study + ':' + data.rater;
var pairs = data.kind === 'pairs';
var IDLE = 120000; // after two minutes without a key or a pointer nobody is taken to be reading
var state = { consent: '', answers: {} };
var place = 0, keeps = true, unsaved = false, worked = 0, active = Date.now(), ticks = 0;
var main = document.getElementById('main'), said = document.getElementById('said');

function el(name, attributes) {
  var made = document.createElement(name);
  Object.keys(attributes || {}).forEach(function (key) {
    var value = attributes[key];
    if (value === true) { made.setAttribute(key, ''); } else if (value !== false && value !== null) { made.setAttribute(key, value); }
  });
  for (var n = 2; n < arguments.length; n++) {
    var child = arguments[n];
    if (Array.isArray(child)) { child.forEach(function (one) { made.appendChild(one); }); }
    else if (child !== null && child !== undefined) { made.appendChild(child.nodeType ? child : document.createTextNode(String(child))); }
  }
  return made;
}
function on(node, kind, what) { node.addEventListener(kind, what); return node; }
function button(words, what, main_) { return on(el('button', { type: 'button', 'class': main_ ? 'main' : null }, words), 'click', what); }
function paragraphs(text) { return text.split(/\n\s*\n/).map(function (part) { return el('p', { 'class': 'said', dir: 'auto' }, part); }); }
function now() { return new Date().toISOString(); }

// Keeping: the browser's own storage, where there is one, and a file.
function cleaned(raw) {
  var made = { verdicts: {}, scores: {}, comment: '', risk: false, cannot: false, skipped: false, seconds: 0, done: false, at: '' };
  if (!raw || typeof raw !== 'object') { return made; }
  var choices = data.verdicts.map(function (each) { return each[0]; });
  function level(value) { return Number.isInteger(value) && value >= 1 && value <= 5; }
  if (choices.indexOf(raw.verdict) >= 0) { made.verdict = raw.verdict; }
  if (level(raw.overall)) { made.overall = raw.overall; }
  data.principles.forEach(function (each) {
    var verdict = (raw.verdicts || {})[each.key], score = (raw.scores || {})[each.key];
    if (choices.indexOf(verdict) >= 0) { made.verdicts[each.key] = verdict; }
    if (level(score)) { made.scores[each.key] = score; }
  });
  ['risk', 'cannot', 'skipped', 'done'].forEach(function (name) { made[name] = raw[name] === true; });
  if (typeof raw.comment === 'string') { made.comment = raw.comment.slice(0, data.commentLimit); }
  if (typeof raw.seconds === 'number' && raw.seconds >= 0) { made.seconds = Math.min(raw.seconds, 86400); }
  if (typeof raw.at === 'string') { made.at = raw.at; }
  if (made.done && missing(made).length) { made.done = false; }
  return made;
}
function take(consent, answers) {
  // Of two answers to an item the one that was changed later stays.
  var taken = 0;
  if (!state.consent && typeof consent === 'string') { state.consent = consent; }
  answers.forEach(function (raw) {
    var position = raw && raw.position;
    if (!Number.isInteger(position) || position < 0 || position >= data.items.length) { return; }
    var mine = state.answers[position], theirs = cleaned(raw);
    if (!mine || theirs.at > mine.at) { state.answers[position] = theirs; taken += 1; }
  });
  return taken;
}
function listed() {
  return Object.keys(state.answers).map(Number).sort(function (a, b) { return a - b; }).map(function (position) {
    return Object.assign({ position: position }, state.answers[position]);
  });
}
function file(all) {
  // An item that was only looked at is no answer; the browser keeps its time all the same.
  var answers = listed().filter(function (each) { return all || each.at; });
  return { format: data.format, study: data.study, rater: data.rater, consent: state.consent, saved: now(), answers: answers };
}
function restore() {
  try {
    var text = window.localStorage.getItem(KEY);
    window.localStorage.setItem(KEY + ':try', '1');
    window.localStorage.removeItem(KEY + ':try');
    if (text) { var kept = JSON.parse(text); take(kept.consent, Array.isArray(kept.answers) ? kept.answers : []); }
  } catch (error) { keeps = !(error instanceof DOMException); }
  tellKept();
}
function persist() {
  unsaved = true;
  try { window.localStorage.setItem(KEY, JSON.stringify(file(true))); keeps = true; } catch (error) { keeps = false; }
  tellKept();
}
function tellKept() {
  document.getElementById('kept').textContent = keeps
    ? 'Each answer is kept in this browser as you give it. When you have finished, save the answers to a file and send it to your coordinator.'
    : 'This browser does not keep answers from one visit to the next. Save them to a file before you close this page.';
}
function change(position, values) {
  var answer = state.answers[position] || cleaned(null);
  Object.assign(answer, values, { at: now() });
  if (answer.done && missing(answer).length) { answer.done = false; }
  state.answers[position] = answer;
  persist();
  tellProgress();
}
function missing(answer) {
  if (answer.skipped || answer.cannot || answer.verdict === 'cannot') { return []; }
  var given = pairs ? answer.verdicts : answer.scores;
  var rest = data.principles.filter(function (each) { return !(each.key in given); }).map(function (each) { return [each.key, each.name]; });
  if ((pairs ? answer.verdict : answer.overall) === undefined) { rest.push(['overall', 'Overall']); }
  return rest;
}
function finished(position) { var a = state.answers[position]; return Boolean(a && (a.done || a.skipped)); }
function count() { return data.items.filter(function (_, n) { return finished(n); }).length; }
function firstOpen() { for (var n = 0; n < data.items.length; n++) { if (!finished(n)) { return n; } } return -1; }
function tellProgress() {
  document.getElementById('progress').hidden = !state.consent;
  document.getElementById('bar').max = data.items.length;
  document.getElementById('bar').value = count();
  document.getElementById('count').textContent = count() + ' of ' + data.items.length + ' items finished';
}

// Views: each fills <main> anew and puts the focus on its heading.
function show(title, nodes, narrow) {
  var heading = el('h1', { tabindex: '-1' }, title);
  main.replaceChildren(el('div', { 'class': narrow ? 'narrow' : null }, heading, nodes));
  document.title = title + ' – ' + data.name;
  tellProgress();
  heading.focus();
  window.scrollTo(0, 0);
}
function begin() {
  var box = el('input', { type: 'checkbox', id: 'agree', checked: Boolean(state.consent) });
  var fault = el('p', { 'class': 'fault', id: 'agree-fault', role: 'alert' });
  fault.hidden = true;
  var start = button(state.consent ? 'Go on' : 'Begin', function () {
    if (!box.checked) {
      fault.textContent = 'Please tick the box if you agree. If you do not, close this page: nothing was sent or kept.';
      fault.hidden = false;
      box.setAttribute('aria-describedby', 'agree-fault');
      box.setAttribute('aria-invalid', 'true');
      box.focus();
      return;
    }
    if (!state.consent) { state.consent = now(); persist(); }
    var open = firstOpen();
    if (open < 0) { finish(); } else { item(open); }
  }, true);
  show(data.name, [el('h2', {}, 'Before you start')].concat(paragraphs(data.consent), [
    el('h2', {}, 'What to do')], paragraphs(data.instructions), [
    el('p', { 'class': 'quiet' }, 'There are ' + data.items.length + ' items. This page works without the internet and sends nothing. Your code is ' + data.rater + '.'),
    el('label', { 'class': 'tick' }, box, el('span', {}, 'I have read this and agree to take part')), fault,
    el('p', { 'class': 'buttons' }, start)]), true);
}
function choice(id, legend, options, given, about, chosen) {
  var set = el('fieldset', { 'class': 'choice', id: 'f-' + id }, el('legend', {}, legend));
  if (about) { set.appendChild(el('p', { 'class': 'quiet' }, about.definition)); }
  var column = !pairs && Boolean(about);
  var box = el('div', { 'class': column ? 'options column' : 'options' });
  options.forEach(function (option, n) {
    var words = column ? option[1] + ' – ' + about.anchors[n] : option[1];
    var input = el('input', { type: 'radio', name: id, id: id + '-' + n, value: option[0], checked: option[0] === given });
    on(input, 'change', function () { chosen(option[0]); clearFault(set); });
    box.appendChild(el('label', {}, input, el('span', {}, words)));
  });
  set.appendChild(box);
  if (about && pairs) {
    var list = el('dl', { 'class': 'anchors' });
    about.anchors.forEach(function (text, n) { list.appendChild(el('dt', {}, n + 1)); list.appendChild(el('dd', {}, text)); });
    set.appendChild(list);
  }
  return set;
}
function clearFault(set) {
  var fault = set.querySelector('.fault');
  if (fault) { fault.remove(); set.classList.remove('missing'); set.removeAttribute('aria-describedby'); }
}
function item(position) {
  place = position;
  var known = data.items[position], answer = state.answers[position] || cleaned(null);
  var last = known.turns[known.turns.length - 1], earlier = known.turns.slice(0, -1);
  var texts = el('div', { 'class': 'texts', tabindex: '0', role: 'region', 'aria-label': 'Conversation and responses' });
  texts.appendChild(el('h2', {}, 'Client'));
  if (earlier.length) {
    texts.appendChild(el('h3', {}, 'Earlier in this conversation'));
    earlier.forEach(function (turn) {
      texts.appendChild(el('p', { 'class': 'turn' }, el('strong', {}, turn.role === 'client' ? 'Client: ' : 'Counsellor: '), el('span', { 'class': 'said', dir: 'auto' }, turn.text)));
    });
    texts.appendChild(el('h3', {}, 'What the client says now'));
  }
  texts.appendChild(el('p', { 'class': 'said speech', dir: 'auto' }, last.text));
  var responses = el('div', { 'class': 'responses' });
  known.responses.forEach(function (text, n) {
    var title = known.responses.length < 2 ? 'Response' : n ? 'Second response' : 'First response';
    responses.appendChild(el('section', { 'class': 'response' }, el('h2', {}, title), el('p', { 'class': 'said', dir: 'auto' }, text)));
  });
  texts.appendChild(responses);

  var options = pairs ? data.verdicts : [1, 2, 3, 4, 5].map(function (n) { return [n, String(n)]; });
  var form = el('form', { novalidate: true });
  var errors = el('div', { 'class': 'errors', tabindex: '-1', role: 'alert' });
  errors.hidden = true;
  form.appendChild(errors);
  if (answer.skipped) { form.appendChild(el('p', {}, 'You have skipped this item. It stays skipped unless you judge it.')); }
  form.appendChild(el('h2', {}, pairs ? 'Which response is better?' : 'How good is the response?'));
  data.principles.forEach(function (each) {
    var name = pairs ? 'verdicts' : 'scores';
    form.appendChild(choice('p-' + each.key, each.name, options, answer[name][each.key], each, function (value) {
      var given = Object.assign({}, (state.answers[position] || answer)[name]);
      given[each.key] = value;
      var values = { skipped: false };
      values[name] = given;
      change(position, values);
    }));
  });
  form.appendChild(choice('overall', 'Overall', options, pairs ? answer.verdict : answer.overall, null, function (value) {
    change(position, pairs ? { verdict: value, skipped: false } : { overall: value, skipped: false });
  }));
  function tick(name, words) {
    var box = el('input', { type: 'checkbox', checked: answer[name] });
    on(box, 'change', function () { var values = name === 'cannot' ? { skipped: false } : {}; values[name] = box.checked; change(position, values); });
    form.appendChild(el('label', { 'class': 'tick' }, box, el('span', {}, words)));
  }
  if (!pairs) { tick('cannot', data.words.cannot); }
  tick('risk', data.words.risk);
  var comment = el('textarea', { id: 'comment', rows: '3', maxlength: data.commentLimit });
  comment.value = answer.comment;
  on(comment, 'input', function () { change(position, { comment: comment.value }); });
  form.appendChild(el('p', {}, el('label', { 'for': 'comment' }, 'Comment (optional)'), comment));
  form.appendChild(el('p', { 'class': 'buttons' },
    el('button', { 'class': 'main' }, position + 1 < data.items.length ? 'Done, next item' : 'Done'),
    button(data.words.skip, function () { skip(position); }),
    position ? button('Back', function () { item(position - 1); }) : null));
  on(form, 'submit', function (event) {
    event.preventDefault();
    change(position, { done: true });
    var rest = missing(state.answers[position]);
    if (rest.length) { tell(errors, form, rest); return; }
    if (position + 1 < data.items.length) { item(position + 1); } else { finish(); }
  });

  var jump = el('select', { id: 'jump' }, data.items.map(function (_, n) {
    var a = state.answers[n];
    return el('option', { value: n, selected: n === position }, (n + 1) + ' – ' + (a && a.skipped ? 'skipped' : finished(n) ? 'finished' : 'open'));
  }));
  var go = el('div', { 'class': 'go' }, el('label', { 'for': 'jump' }, 'Go to item'), jump, button('Go', function () { item(Number(jump.value)); }));
  var guide = el('details', {}, el('summary', {}, 'Instructions'), paragraphs(data.instructions));
  show('Item ' + (position + 1) + ' of ' + data.items.length, [guide, el('div', { 'class': 'two' }, texts, form), go]);
}
function tell(errors, form, rest) {
  Array.prototype.forEach.call(form.querySelectorAll('fieldset'), clearFault);
  var list = el('ul', {});
  rest.forEach(function (each) {
    var id = each[0] === 'overall' ? 'overall' : 'p-' + each[0], set = document.getElementById('f-' + id);
    var fault = el('p', { 'class': 'fault', id: id + '-fault' }, 'Not answered yet.');
    set.insertBefore(fault, set.children[1]);
    set.classList.add('missing');
    set.setAttribute('aria-describedby', id + '-fault');
    var link = el('a', { href: '#' + id + '-0' }, each[1]);
    on(link, 'click', function (event) { event.preventDefault(); document.getElementById(id + '-0').focus(); });
    list.appendChild(el('li', {}, link));
  });
  errors.replaceChildren(el('h2', {}, 'Kept, but not finished'), el('p', {}, 'Please answer these, or say overall that you cannot judge:'), list);
  errors.hidden = false;
  errors.focus();
}
function helpList() {
  return data.helpLines.map(function (line) {
    return el('li', {}, el('strong', {}, line.name), ': ' + line.how + (line.where ? ' (' + line.where + ')' : ''));
  });
}
function skip(position) {
  var answer = state.answers[position] || cleaned(null);
  delete answer.verdict;
  delete answer.overall;
  state.answers[position] = answer;
  change(position, { verdicts: {}, scores: {}, cannot: false, skipped: true, done: false });
  show('Item ' + (position + 1) + ' is skipped', [
    el('p', {}, 'You will not be asked for it again. If what you read stays with you, please talk to somebody:'),
    el('ul', {}, helpList()),
    el('p', { 'class': 'buttons' }, button('Go on', function () {
      if (position + 1 < data.items.length) { item(position + 1); } else { finish(); }
    }, true), button('Look at it again', function () { change(position, { skipped: false }); item(position); }))], true);
}
function finish() {
  var open = data.items.map(function (_, n) { return n; }).filter(function (n) { return !finished(n); });
  var nodes = [];
  if (open.length) {
    nodes.push(el('p', {}, 'Open still: ' + open.length + (open.length === 1 ? ' item.' : ' items.')));
    nodes.push(el('p', { 'class': 'buttons' }, open.slice(0, 50).map(function (n) { return button('Item ' + (n + 1), function () { item(n); }); })));
  }
  nodes.push(el('p', {}, 'Please save your answers to a file and send it to your coordinator. You may still go back and change them, and save again.'));
  nodes.push(el('p', { 'class': 'buttons' }, button('Save answers to a file', save, true), button('Look through them again', function () { item(0); })));
  show(open.length ? 'The end, with items left open' : 'All items are finished. Thank you', nodes, true);
}

// The file.
function save() {
  if (!state.consent) { said.textContent = 'There is nothing to save yet: begin first.'; return; }
  var url = URL.createObjectURL(new Blob([JSON.stringify(file(false), null, 1)], { type: 'application/json' }));
  var link = el('a', { href: url, download: data.file });
  link.hidden = true;
  document.body.appendChild(link);
  link.click();
  link.remove();
  window.setTimeout(function () { URL.revokeObjectURL(url); }, 60000);
  unsaved = false;
  said.textContent = 'Saved as ' + data.file + ', with ' + count() + ' of ' + data.items.length + ' items finished. Send this file to your coordinator.';
}
function open(event) {
  var chosen = event.target.files[0];
  if (!chosen) { return; }
  chosen.text().then(function (text) {
    var read;
    try { read = JSON.parse(text); } catch (error) { throw new Error('it is damaged, or no answers file.'); }
    if (!read || typeof read !== 'object' || !Array.isArray(read.answers)) { throw new Error('it is no answers file.'); }
    if (read.format !== data.format) { throw new Error('it is of another version of this form.'); }
    if (read.study !== data.study || read.rater !== data.rater) { throw new Error('it belongs to another study or another rater.'); }
    var taken = take(read.consent, read.answers);
    persist();
    begin();
    said.textContent = taken + ' answers were taken from the file. Where this browser had a later answer, it stayed.';
  }).catch(function (error) {
    said.textContent = 'That file was not opened: ' + error.message;
  }).then(function () { event.target.value = ''; });
}
function forget() {
  if (!window.confirm('Remove all answers from this browser? What is not in a file is lost.')) { return; }
  state = { consent: '', answers: {} };
  unsaved = false;
  try { window.localStorage.removeItem(KEY); } catch (error) { keeps = false; }
  said.textContent = 'The answers were removed from this browser.';
  begin();
}

// Time: counted while the page is in view and somebody moves.
['keydown', 'pointerdown', 'pointermove', 'scroll', 'touchstart'].forEach(function (kind) {
  document.addEventListener(kind, function () { active = Date.now(); }, { passive: true, capture: true });
});
window.setInterval(function () {
  if (document.visibilityState !== 'visible' || Date.now() - active > IDLE || !document.getElementById('comment')) { return; }
  var answer = state.answers[place] || (state.answers[place] = cleaned(null));
  answer.seconds = Math.min(answer.seconds + 1, 86400);
  worked += 1;
  ticks += 1;
  if (ticks % 10 === 0) { persist(); }
  if (data.breakAfter && worked >= data.breakAfter * 60) {
    worked = 0;
    document.getElementById('banner').textContent = 'You have worked for ' + data.breakAfter + ' minutes. A break would do good; your answers stay here.';
  }
}, 1000);
document.addEventListener('visibilitychange', function () { if (document.visibilityState === 'hidden' && state.consent) { persist(); } });
window.addEventListener('storage', function (event) {
  // Another window of the same form: what it changed later is taken, so that neither writes over the other.
  if (event.key !== KEY || !event.newValue) { return; }
  try { var kept = JSON.parse(event.newValue); take(kept.consent, kept.answers); tellProgress(); } catch (error) { /* not ours */ }
});
window.addEventListener('beforeunload', function (event) { if (!keeps && unsaved) { event.preventDefault(); } });

document.getElementById('study').textContent = data.name
  + (data.simulated ? '. Simulated: some of these texts, labels or answers were made by rules of a program.' : '');
document.getElementById('help').replaceChildren.apply(document.getElementById('help'), helpList());
on(document.getElementById('save'), 'click', save);
on(document.getElementById('forget'), 'click', forget);
on(document.getElementById('open'), 'change', open);
restore();
tellProgress();
begin();
})();
