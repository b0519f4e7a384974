"""The form that is filled without a server: one HTML file to send by mail, and the file of answers that comes back."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from psychocounsel.annotate.exchange.given import Given
from psychocounsel.annotate.exchange.json_files import dict_of, list_of, read_json, whole
from psychocounsel.annotate.exchange.sides import CANNOT, RISK, SKIP, VERDICTS, plain, shown_texts, study_digest
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import COMMENT
from psychocounsel.errors import InputError

FAMILY = "psychocounsel-offline-"
FORMAT = f"{FAMILY}1"
"""What an answers file of this version says that it is."""
_FIELDS = ("verdict", "verdicts", "overall", "scores", "cannot", "comment", "risk", "skipped", "seconds", "done")
"""Of Answer, what an offline answer may say."""


def write_form(store: Store, code: str) -> str:
    """Return the form of one rater as HTML that needs nothing else: no server, no other file, no network.

    It tells nothing of models, labels, roles and ids; sides are as shown. Scripts and styles run by their hashes only.
    Raises InputError where the study has no such rater, or the rater has withdrawn.
    """
    if code not in store.numbers:
        raise InputError(f"this study has no rater of that code; its {len(store.numbers)} codes are on its page.")
    if code in store.withdrawn():
        raise InputError(f"{code} has withdrawn, and gets no form.")
    style, script = _text("offline.css"), _text("offline.js")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    template = _environment().from_string(_text("offline.html.j2"))
    texts = {"policy": policy, "style": style, "script": script, "data": safe_json(_data(store, code))}
    return template.render({name: Markup(text) for name, text in texts.items()})


def safe_json(value: Any) -> str:
    """Return JSON in ASCII that no HTML parser reads as markup, whatever the texts in it hold."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for letter in "<>&'":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


@cache
def _text(name: str) -> str:
    return resources.files("psychocounsel.annotate.exchange").joinpath("templates", name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data(store: Store, code: str) -> dict[str, Any]:
    plan, items = store.plan, []
    for number in store.numbers[code]:
        each = store.assignments[number]
        item = store.items[each.item]
        turns = [{"role": turn.role, "text": turn.text} for turn in item.conversation]
        items.append({"turns": turns, "responses": list(shown_texts(item, each))})
    return {
        "format": FORMAT, "study": study_digest(store), "rater": code, "file": f"answers-{plain(code)}.json",
        "name": plan.name, "kind": plan.kind, "consent": plan.consent, "instructions": plan.instructions,
        "breakAfter": plan.break_after, "commentLimit": COMMENT, "items": items,
        "simulated": plan.simulated,
        "helpLines": [line.model_dump() for line in plan.help_lines],
        "principles": [
            p.model_dump(include={"key", "name", "definition"}) | {"anchors": [p.anchors[n] for n in sorted(p.anchors)]}
            for p in plan.rubric.principles
        ],
        "verdicts": [[value, words] for value, words in VERDICTS.items()],
        "words": {"risk": RISK, "skip": SKIP, "cannot": CANNOT},
    }  # fmt: skip


def read(store: Store, path: Path, raters: Mapping[str, str]) -> Iterator[Given]:
    """Read an answers file that the form made; its rater's consent is kept beside the answers.

    Raises InputError where it is damaged, of another version or study, of an unknown rater, or without consent.
    """
    content = dict_of(read_json(path))
    form = str(content.get("format", ""))
    if not form.startswith(FAMILY) or not isinstance(content.get("answers"), list):
        raise InputError(f"{path.name} is no answers file of an offline form.")
    if form != FORMAT:
        raise InputError(
            f"{path.name} is of another version of the form; this package reads {FORMAT}. Send a new form."
        )
    if content.get("study") != study_digest(store):
        raise InputError(f"{path.name} belongs to another study, or to this one before it was made anew.")
    code = content.get("rater")
    if not isinstance(code, str) or code not in store.numbers:
        raise InputError(f"{path.name} is of a rater whom the study does not have; it has {len(store.numbers)}.")
    consent = content.get("consent")
    if not isinstance(consent, str) or not consent:
        raise InputError(f"{path.name}: {code} has not agreed to take part; nothing was taken.")
    said = store.said().get(code)
    if said is not None and said.kind == "declined":
        raise InputError(f"{code} has declined to take part, on the page; nothing was taken. Ask before you import.")
    store.agreed_elsewhere(code, f"offline-{consent[:40]}", {"offline": True, "said": consent[:40]})
    seen: set[Any] = set()
    for number, raw in enumerate(list_of(content["answers"]), 1):
        answer = dict_of(raw)
        position = whole(answer.get("position"))
        if position is None or position in seen:
            yield Given(number, fault="it has no position, or one that the file has had before")
            continue
        seen.add(position)
        values = {name: answer[name] for name in _FIELDS if answer.get(name) is not None}
        at = str(answer.get("at") or content.get("saved") or "")
        yield Given(number, code, position, answer=values, shown=True, at=at)
