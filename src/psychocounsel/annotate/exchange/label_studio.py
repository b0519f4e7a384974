"""Label Studio: a task for each assignment, sides as the rater sees them, and the labeling configuration for them.

Layout: the task format and tag pages of its documentation, and label-studio-sdk 2.1's own checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from psychocounsel.annotate.exchange.given import Given
from psychocounsel.annotate.exchange.json_files import dict_of, list_of, read_json, whole
from psychocounsel.annotate.exchange.sides import CANNOT, RISK, VERDICTS, shown_side, shown_texts, study_digest
from psychocounsel.annotate.exchange.told import told_of
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer, Assignment, Item, StudyPlan
from psychocounsel.artifacts import write_json, write_text
from psychocounsel.errors import InputError
from psychocounsel.principles import HIGHEST

_SHOWN = {words: name for name, words in VERDICTS.items()}
_LEFT = {"left": "first", "right": "second"}
_MARKS = "marks_"
_BESIDE = ("tie", "cannot")
"""Overall verdicts that Pairwise has no word for; a choice beside it has."""


def write(store: Store, out: Path, blind: bool, users: Mapping[str, str]) -> tuple[Path, ...]:
    """Write `tasks.json` and `config.xml`. `users` is a code's user id there; without it no `completed_by` is told.

    Label Studio refuses a whole file that names a user whom it does not know, and otherwise takes who imports.
    """
    tasks, settings = out / "tasks.json", out / "config.xml"
    write_json(tasks, list(_tasks(store, blind, users)))
    write_text(settings, configuration(store.plan))
    return tasks, settings


def configuration(plan: StudyPlan) -> str:
    """Return the labeling configuration that the tasks are made for."""
    pairs = plan.kind == "pairs"
    sides = ("first", "second") if pairs else ("first",)
    lines = ["<View>", _note(plan.instructions), _header("Conversation, the client last")]
    lines += ['<Paragraphs name="conversation" value="$conversation" layout="dialogue" nameKey="role" textKey="text"/>']
    lines += ["<Style>.htx-text{ white-space: pre-wrap; }</Style>"]
    for side in sides:
        lines += [_header(f"{side.capitalize()} response" if pairs else "Response")]
        lines += [
            f'<Labels name="{_MARKS}{side}" toName="{side}">',
            '<Label value="good"/>',
            '<Label value="harmful"/>',
        ]
        lines += ["</Labels>", f'<Text name="{side}" value="${side}"/>']
    for principle in plan.rubric.principles:
        lines += [_header(principle.name), _note(principle.definition)]
        lines += [_note(f"{level}: {text}") for level, text in sorted(principle.anchors.items())]
        lines += _choices(principle.key, VERDICTS.values()) if pairs else [_rating(principle.key)]
    lines += [_header("Overall")]
    if pairs:
        lines += ['<Pairwise name="overall" toName="first,second"/>', _note("Or, where neither is better:")]
        lines += _choices("neither", [VERDICTS[name] for name in _BESIDE])
    else:
        lines += [_rating("overall")]
    lines += _choices("flags", [RISK] if pairs else [RISK, CANNOT], several=True)
    lines += [
        '<TextArea name="comment" toName="first" placeholder="Comment (optional)" maxSubmissions="1"/>',
        "</View>",
    ]
    return "\n".join(lines) + "\n"


def _header(text: str, style: str = "") -> str:
    return f'<Header value={quoteattr(" ".join(text.split()))} size="4"{style}/>'


def _note(text: str) -> str:
    return _header(text, ' style="font-size: 14px; font-weight: normal; margin: 0"')


def _rating(name: str) -> str:
    return f'<Rating name="{name}" toName="first" maxRating="{HIGHEST}"/>'


def _choices(name: str, values: Any, several: bool = False) -> list[str]:
    choice = "multiple" if several else "single"
    inner = [f"<Choice value={quoteattr(value)}/>" for value in values]
    return [f'<Choices name="{name}" toName="first" choice="{choice}" showInLine="true">', *inner, "</Choices>"]


def _tasks(store: Store, blind: bool, users: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    digest, withdrawn, answers = study_digest(store), store.withdrawn(), store.events.answers()
    for number, each in store.assignments.items():
        if each.rater in withdrawn:
            continue
        item = store.items[each.item]
        data: dict[str, Any] = {"study": digest, "rater": each.rater, "position": each.position}
        data |= {"simulated": True} if store.plan.simulated else {}
        data["conversation"] = [{"role": turn.role.capitalize(), "text": turn.text} for turn in item.conversation]
        data |= dict(zip(("first", "second"), shown_texts(item, each), strict=False))
        task: dict[str, Any] = {"data": data if blind else data | told_of(item, each), "annotations": []}
        stored = answers.get(number)
        if stored and (stored.answer.done or stored.answer.skipped):
            task["annotations"] = [_annotation(stored.answer, each, item, store.plan, users.get(each.rater))]
        yield task


def _annotation(answer: Answer, each: Assignment, item: Item, plan: StudyPlan, user: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"was_cancelled": answer.skipped, "lead_time": answer.seconds}
    made["result"] = _result(answer, each, item, plan)
    if user is not None:
        made["completed_by"] = int(user) if user.isdigit() else {"email": user}
    return made


def _result(answer: Answer, each: Assignment, item: Item, plan: StudyPlan) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []

    def add(name: str, kind: str, value: dict[str, Any], to: str = "first") -> None:
        result.append({"id": f"{name}_{len(result)}", "from_name": name, "to_name": to, "type": kind, "value": value})

    shown = shown_side(answer.verdict or "", each.flipped)
    if shown in _BESIDE:
        add("neither", "choices", {"choices": [VERDICTS[shown]]})
    elif shown:
        add("overall", "pairwise", {"selected": {"first": "left", "second": "right"}[shown]})
    for key, verdict in answer.verdicts.items():
        add(key, "choices", {"choices": [VERDICTS[shown_side(verdict, each.flipped)]]})
    if answer.overall is not None:
        add("overall", "rating", {"rating": answer.overall})
    for key, score in answer.scores.items():
        add(key, "rating", {"rating": score})
    if flags := [words for words, on in ((RISK, answer.risk), (CANNOT, answer.cannot)) if on]:
        add("flags", "choices", {"choices": flags})
    for span in answer.spans:
        side, text = shown_side(span.side, each.flipped), item.texts["ab".index(span.side)][span.start : span.end]
        value = {"start": span.start, "end": span.end, "text": text, "labels": [span.kind]}
        add(f"{_MARKS}{side}", "labels", value, side)
    if answer.comment:
        add("comment", "textarea", {"text": [answer.comment]})
    return result


def read(store: Store, path: Path, raters: Mapping[str, str]) -> Iterator[Given]:
    """Read its JSON export (not JSON-MIN) of tasks that were made here.

    `raters` maps who completed an annotation, an id or an address, to a code. Raises InputError for another layout.
    """
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(task, dict) for task in content):
        raise InputError(f"{path.name} is no list of tasks. Export from Label Studio as JSON.")
    if content and not any("data" in task and "annotations" in task for task in content):
        raise InputError(f"{path.name} has no tasks with data and annotations. Export as JSON, not as JSON-MIN or CSV.")
    digest = study_digest(store)
    for number, task in enumerate(content, 1):
        data = dict_of(task.get("data"))
        for annotation in map(dict_of, list_of(task.get("annotations"))):
            try:
                yield _given(store, number, data, annotation, digest, raters)
            except InputError as error:
                yield Given(number, fault=str(error))


def _given(
    store: Store, number: int, data: dict[str, Any], annotation: dict[str, Any], digest: str, raters: Mapping[str, str]
) -> Given:
    position = whole(data.get("position"))
    if data.get("study") != digest or position is None:
        raise InputError("it is no task of this study")
    who = annotation.get("completed_by")
    users = [who.get("id"), who.get("email")] if isinstance(who, dict) else [who]
    code = next((raters[str(user)] for user in users if str(user) in raters), None)
    if code is None:
        shown = next((str(user) for user in users if whole(user) is not None), "")
        raise InputError(
            f"no rater is named for user {shown or 'of the annotation'}: add --rater {shown or 'ID'}=CODE; "
            f"the study has {len(store.numbers)} raters"
        )
    if code != data.get("rater"):
        raise InputError(f"the task was another rater's, and not {code}'s")
    answer = _answer(store, list_of(annotation.get("result")), data)
    seconds = annotation.get("lead_time")
    answer["seconds"] = min(float(seconds), 86_400.0) if isinstance(seconds, int | float) and seconds > 0 else 0.0
    if annotation.get("was_cancelled") is True:
        answer = {"skipped": True, "seconds": answer["seconds"], "comment": answer.get("comment", "")}
    at = str(annotation.get("updated_at") or "")
    return Given(number, code, position, answer=answer | {"done": True}, shown=True, at=at)


def _answer(store: Store, result: list[Any], data: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"verdicts": {}, "scores": {}, "spans": []}
    for each in map(dict_of, result):
        name, value = each.get("from_name"), dict_of(each.get("value"))
        choices = [str(choice) for choice in list_of(value.get("choices"))]
        selected = _LEFT.get(str(value.get("selected")))
        if name == "overall" and selected:
            _verdict(answer, selected)
        elif name == "overall" and "rating" in value:
            answer["overall"] = value["rating"]
        elif name == "neither" and choices:
            _verdict(answer, _shown(choices[0]))
        elif name == "flags":
            answer |= {"risk": RISK in choices} | ({"cannot": True} if CANNOT in choices else {})
        elif name == "comment":
            text = value.get("text")
            answer["comment"] = "\n".join(map(str, text)) if isinstance(text, list) else str(text or "")
        elif name in store.plan.rubric.keys and choices:
            answer["verdicts"][name] = _shown(choices[0])
        elif name in store.plan.rubric.keys and "rating" in value:
            answer["scores"][name] = value["rating"]
        elif isinstance(name, str) and name.startswith(_MARKS):
            answer["spans"].append(_span(name.removeprefix(_MARKS), value, data))
    return answer


def _verdict(answer: dict[str, Any], verdict: str) -> None:
    if answer.setdefault("verdict", verdict) != verdict:
        raise InputError("it prefers a response and says that neither is better")


def _shown(words: str) -> str:
    if words not in _SHOWN:
        raise InputError("it holds a choice that config.xml does not have")
    return _SHOWN[words]


def _span(side: str, value: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Offsets are believed where they give the text that was marked, counted as code points or as UTF-16."""
    text, marked = data.get(side), value.get("text")
    start, end = whole(value.get("start")), whole(value.get("end"))
    labels = list_of(value.get("labels"))
    if not isinstance(text, str) or start is None or end is None or not labels:
        raise InputError("a marked part lacks its side, start, end or label")
    if isinstance(marked, str) and text[start:end] != marked:
        units = text.encode("utf-16-le")
        before, inside = units[: 2 * start], units[2 * start : 2 * end]
        if inside.decode("utf-16-le", "replace") != marked:
            raise InputError("a marked part is not where its offsets say")
        start = len(before.decode("utf-16-le", "replace"))
        end = start + len(marked)
    return {"side": side, "start": start, "end": end, "kind": labels[0]}
