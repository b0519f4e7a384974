"""Argilla 2: the folder that `rg.Dataset.from_disk` reads, a record for each assignment, sides as the rater sees them.

Layout: what argilla 2.8's own `Settings.to_json`, `Record.to_dict` and `Dataset.to_disk` write.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from psychocounsel.annotate.exchange.given import Given
from psychocounsel.annotate.exchange.json_files import dict_of, list_of, read_json, whole
from psychocounsel.annotate.exchange.sides import (
    CANNOT,
    RISK,
    SKIP,
    VERDICTS,
    plain,
    shown_side,
    shown_texts,
    study_digest,
)
from psychocounsel.annotate.exchange.told import told_of
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer, Assignment, StudyPlan
from psychocounsel.artifacts import write_json
from psychocounsel.errors import InputError
from psychocounsel.principles import HIGHEST, LOWEST

RECORDS = "records.json"
_FLAGS = {"danger": RISK, "distressing": SKIP}
_MARKS = "marks_"


def write(store: Store, out: Path, blind: bool, users: Mapping[str, str]) -> tuple[Path, ...]:
    """Write `records.json` and, in `.argilla`, settings and dataset. `users` is a code's user id (a UUID) there."""
    try:
        ids = {code: str(uuid.UUID(user)) for code, user in users.items()}
    except ValueError:
        raise InputError("--rater: a user's id in Argilla is a UUID.") from None
    paths = (out / RECORDS, out / ".argilla" / "settings.json", out / ".argilla" / "dataset.json")
    dataset = {
        "id": None, "inserted_at": None, "updated_at": None, "name": plain(store.plan.name)[:120], "status": "draft",
        "guidelines": store.plan.instructions, "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1}, "workspace_id": None, "last_activity_at": None,
    }  # fmt: skip
    for path, content in zip(paths, (list(_records(store, blind, ids)), settings(store.plan), dataset), strict=True):
        write_json(path, content)
    return paths


def user_id(digest: str, code: str) -> str:
    """Return the UUID that stands for a rater where no user of Argilla's is named; the same in each export."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"psychocounsel {digest} {code}"))


def settings(plan: StudyPlan) -> dict[str, Any]:
    """Return the dataset's settings: fields, questions, guidelines."""
    pairs = plan.kind == "pairs"
    sides = ("first", "second") if pairs else ("first",)
    fields = [_field("conversation", "Conversation, the client last", {"type": "chat", "use_markdown": False})]
    for side in sides:
        title = f"{side.capitalize()} response" if pairs else "Response"
        fields.append(_field(side, title, {"type": "text", "use_markdown": False}))
    levels = range(LOWEST, HIGHEST + 1)
    whole_choices = VERDICTS if pairs else {str(n): str(n) for n in levels} | {"cannot": CANNOT}
    overall = _labels("label_selection", whole_choices)
    judged = overall if pairs else {"type": "rating", "options": [{"value": n} for n in levels]}
    questions = []
    for principle in plan.rubric.principles:
        anchors = " ".join(f"{level}: {text}" for level, text in sorted(principle.anchors.items()))
        questions.append(_question(principle.key, principle.name, judged, f"{principle.definition} {anchors}"))
    questions.append(_question("overall", "Overall", overall, required=True))
    natural = {"options_order": "natural"}
    questions.append(_question("flags", "Flags", _labels("multi_label_selection", _FLAGS) | natural))
    questions.append(_question("comment", "Comment", {"type": "text", "use_markdown": False}))
    for side in sides:
        spans = _labels("span", {"good": "Good", "harmful": "Harmful"}) | {"field": side, "allow_overlapping": True}
        questions.append(_question(f"{_MARKS}{side}", f"Marks in the {side} response", spans))
    return {
        "guidelines": plan.instructions, "questions": questions, "fields": fields, "vectors": [], "metadata": [],
        "allow_extra_metadata": True, "distribution": {"strategy": "overlap", "min_submitted": 1}, "mapping": None,
    }  # fmt: skip


def _labels(kind: str, options: Mapping[str, str]) -> dict[str, Any]:
    visible = len(options) if len(options) >= 3 else None  # Argilla's least
    return {
        "type": kind, "options": [{"text": text, "value": value} for value, text in options.items()],
        "visible_options": visible,
    }  # fmt: skip


def _property(name: str, title: str, of: dict[str, Any], about: str | None, required: bool) -> dict[str, Any]:
    made = {"id": None, "inserted_at": None, "updated_at": None, "dataset_id": None, "type": of["type"]}
    return made | {"name": name, "title": title, "description": about, "settings": of, "required": required}


def _field(name: str, title: str, of: dict[str, Any]) -> dict[str, Any]:
    return _property(name, title, of, None, required=True)


def _question(
    name: str, title: str, of: dict[str, Any], about: str | None = None, required: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Only the whole is required: "I cannot judge" and skipping leave the rest open, and the import looks again."""
    return _property(name, title, of, about, required)


def _records(store: Store, blind: bool, users: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    digest, withdrawn, answers = study_digest(store), store.withdrawn(), store.events.answers()
    for number, each in store.assignments.items():
        if each.rater in withdrawn:
            continue
        item = store.items[each.item]
        chat = [{"role": "user" if t.role == "client" else "assistant", "content": t.text} for t in item.conversation]
        metadata: dict[str, Any] = {"study": digest, "rater": each.rater, "position": each.position}
        stored = answers.get(number)
        finished = stored is not None and (stored.answer.done or stored.answer.skipped)
        if stored and finished:
            metadata["seconds"] = stored.answer.seconds
        yield {
            "id": f"{plain(each.rater)}-{each.position:04d}",
            "fields": {"conversation": chat, **dict(zip(("first", "second"), shown_texts(item, each), strict=False))},
            "metadata": metadata if blind else metadata | told_of(item, each),
            "suggestions": {},
            "responses": _responses(stored.answer, each, users.get(each.rater) or user_id(digest, each.rater))
            if stored and finished
            else {},
            "vectors": {},
            "status": "completed" if finished else "pending",
            "_server_id": None,
        }


def _responses(answer: Answer, each: Assignment, user: str) -> dict[str, list[dict[str, Any]]]:
    said: dict[str, Any] = {key: shown_side(verdict, each.flipped) for key, verdict in answer.verdicts.items()}
    said |= answer.scores
    whole_ = "cannot" if answer.cannot or answer.skipped else answer.verdict or answer.overall
    if whole_ is not None:
        said["overall"] = shown_side(str(whole_), each.flipped)
    flags = {"danger": answer.risk, "distressing": answer.skipped}
    if any(flags.values()):
        said["flags"] = [name for name, on in flags.items() if on]
    if answer.comment:
        said["comment"] = answer.comment
    for span in answer.spans:
        marks = said.setdefault(f"{_MARKS}{shown_side(span.side, each.flipped)}", [])
        marks.append({"start": span.start, "end": span.end, "label": span.kind})
    return {name: [{"value": value, "user_id": user}] for name, value in said.items()}


def read(store: Store, path: Path, raters: Mapping[str, str]) -> Iterator[Given]:
    """Read `records.json` as `dataset.records.to_json` or `to_disk` writes it, of records that were made here.

    `raters` maps users' ids to codes. Raises InputError where it is another layout.
    """
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(r, dict) and "responses" in r for r in content):
        raise InputError(f"{path.name} is no list of records. Write it with dataset.records.to_json(PATH).")
    digest = study_digest(store)
    codes = {user_id(digest, code): code for code in store.numbers} | {u.lower(): code for u, code in raters.items()}
    for number, record in enumerate(content, 1):
        metadata, said = dict_of(record.get("metadata")), _by_user(dict_of(record["responses"]))
        for user, given in said.items():
            try:
                yield _given(store, number, metadata, codes.get(user.lower()), given, digest)
            except InputError as error:
                yield Given(number, fault=str(error))


def _by_user(responses: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, several in responses.items():
        for response in map(dict_of, list_of(several)):
            found.setdefault(str(response.get("user_id")), {})[name] = response.get("value")
    return found


def _given(
    store: Store, number: int, metadata: dict[str, Any], code: str | None, said: dict[str, Any], digest: str
) -> Given:
    position = whole(metadata.get("position"))
    if metadata.get("study") != digest or position is None:
        raise InputError("it is no record of this study")
    if code is None:
        raise InputError(
            f"no rater is named for its user: add --rater ID=CODE; the study has {len(store.numbers)} raters"
        )
    if code != metadata.get("rater"):
        raise InputError(f"the record was another rater's, and not {code}'s")
    pairs, seconds = store.plan.kind == "pairs", metadata.get("seconds")
    flags, keys = list_of(said.get("flags")), store.plan.rubric.keys
    overall = said.get("overall")
    answer: dict[str, Any] = {
        "verdicts" if pairs else "scores": {key: said[key] for key in keys if said.get(key) is not None},
        "verdict" if pairs else "overall": overall if pairs or overall != "cannot" else None,
        "cannot": overall == "cannot" and not pairs, "comment": said.get("comment") or "",
        "risk": "danger" in flags, "skipped": "distressing" in flags, "done": True,
        "seconds": seconds if isinstance(seconds, int | float) else 0.0, "spans": [],
    }  # fmt: skip
    for side in ("first", "second"):
        for mark in map(dict_of, list_of(said.get(f"{_MARKS}{side}"))):
            span = {"side": side, "start": mark.get("start"), "end": mark.get("end"), "kind": mark.get("label")}
            answer["spans"].append(span)
    if answer["skipped"]:
        answer = {key: answer[key] for key in ("skipped", "done", "seconds", "comment", "risk")}
    return Given(number, code, position, answer=answer, shown=True)
