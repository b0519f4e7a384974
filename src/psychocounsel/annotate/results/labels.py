"""People's labels as what the rest of the package trains on.

Rated responses become `labels.jsonl`, which `collect` reads with its responses and ratings (collect.source=file,
generate.pool=[source], rate.judge=source), and `rubric.yaml`. Compared pairs become `pairs.parquet` and TRL's format by
split, and `pairs.jsonl`, which `reward.general` mixes in: of the train split alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from psychocounsel.annotate.results.answers import Answers, answers_of
from psychocounsel.annotate.results.decided import CANNOT, UNFIT, Decision, decide
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Item, speech_of
from psychocounsel.artifacts import write_atomically, write_json, write_text
from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.records import (
    RISK_LEVELS,
    SIMULATED_RATERS,
    ClientSpeech,
    PreferencePair,
    Response,
    Split,
    content_id,
)  # fmt: skip
from psychocounsel.tables import write_records

SPLITS: tuple[Split, ...] = get_args(Split)
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_ROLES = {"client": "user", "counsellor": "assistant"}


@dataclass(frozen=True, slots=True)
class Labelled:
    """What was written."""

    kind: str
    simulated: bool
    items: int
    """Main items of the study."""
    labels: int
    """Items that people decided."""
    adjudicated: int
    """Of those, by a coordinator."""
    pairs: dict[str, int]
    """Split to preference pairs; empty of a study of single responses."""
    left_out: dict[str, int]
    """Main items that became neither a rated response nor a pair, by reason."""
    single: int
    """Labels that rest on one rater's vote."""
    capped: int
    """Rated responses whose safety was set down, because a rater marked something in them as harmful."""
    withheld: tuple[tuple[str, str, str], ...]
    """Speech and both responses of pairs that people found equal, harmful or not to be judged: `pair.people` takes
    them out of a run's own pairs too."""
    excluded: tuple[str, ...]
    """Raters left out because they failed an attention check."""
    withdrawn: tuple[str, ...]
    files: tuple[Path, ...]


SAFETY, CAP = "safety", 2
"""The principle that is a veto in `pair`, and what a response has on it at most in which a rater marked harm."""


def write_labels(
    store: Store, out: Path, without_failed_attention: bool = False, least_votes: int = 1
) -> Labelled:  # fmt: skip
    """Write people's labels into the folder `out`; files of the same names are replaced.

    `least_votes` is how many raters' judgements a label needs that no coordinator decided.

    Raises InputError where `out` is a file, and TooLittleDataError where no item has a label.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder to write labels into.")
    answers = answers_of(store, without_failed_attention)
    decisions = decide(answers, least_votes)
    if not decisions.found:
        raise TooLittleDataError(f"people have decided none of {len(answers.main)} main items; there is no label.")
    pairs, withheld, left_out, capped = list[PreferencePair](), list[Item](), dict[str, int](), 0
    if answers.plan.kind == "pairs":
        pairs, left_out, withheld = _pairs(answers, decisions.found)
        withheld += [*decisions.undecided.get(UNFIT, ()), *decisions.undecided.get(CANNOT, ())]
        files = _write_pairs(out, pairs, answers.plan.simulated)
    else:
        found, left_out, capped = _rated(answers, decisions.found)
        files = _write_ratings(out, answers, found)
    done = Labelled(
        kind=answers.plan.kind,
        simulated=answers.plan.simulated,
        items=len(answers.main),
        labels=len(decisions.found),
        adjudicated=sum(d.by == "adjudicated" for d in decisions.found),
        pairs={split: n for split in SPLITS if (n := sum(p.split == split for p in pairs))},
        left_out={why: len(items) for why, items in decisions.undecided.items()} | left_out,
        single=sum(d.by == "raters" and sum(d.votes.values()) == 1 for d in decisions.found),
        capped=capped,
        withheld=tuple(_ids(item) for item in withheld),
        excluded=answers.excluded,
        withdrawn=answers.withdrawn,
        files=(*files, out / "labels.json"),
    )
    told = asdict(done) | {"study": answers.plan.name, "files": [path.relative_to(out).as_posix() for path in files]}
    write_json(out / "labels.json", told)
    return done


def _write_ratings(out: Path, answers: Answers, decisions: Sequence[Decision]) -> tuple[Path, ...]:
    groups = dialogues([d.item for d in decisions])
    real = not answers.plan.simulated
    who = "raters" if real else SIMULATED_RATERS
    rows = []
    for each in decisions:
        item = each.item
        rows.append(
            {
                "id": speech_of(item), "text": item.conversation[-1].text,
                "earlier": [asdict(turn) for turn in item.conversation[:-1]], "topic": item.topic,
                "risk": item.risk if item.risk in RISK_LEVELS else "", "group": groups[item.id],
                "response": item.texts[0], "model": item.models[0] if item.models else "",
                "ratings": each.scores, "rater": "adjudicated" if each.by == "adjudicated" and real else who,
                "item": item.id,
            }
        )  # fmt: skip
    labels, rubric = out / "labels.jsonl", out / "rubric.yaml"
    write_text(labels, _lines(rows))
    write_text(rubric, yaml.safe_dump(answers.plan.rubric.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
    return labels, rubric


def dialogues(items: Sequence[Item]) -> dict[str, str]:
    """Return item to the dialogue it is of, so that `collect` puts no dialogue into two splits.

    Items of one dialogue begin alike: where one's turns are the first turns of another's, both are of one.
    """
    turns = {item.id: [[turn.role, turn.text] for turn in item.conversation] for item in items}
    whole = {content_id("turns", said) for said in turns.values()}
    found = {}
    for item, said in turns.items():
        begins = (content_id("turns", said[:n]) for n in range(1, len(said) + 1))
        found[item] = next(name for name in begins if name in whole)
    return found


def _harmful(answers: Answers) -> set[tuple[str, str]]:
    """Return item and side of what a rater marked as harmful, at the first showing or the second."""
    said = (a for repeat in (0, 1) for a in answers.of(repeat))
    return {(a.item, span[0]) for a in said for span in a.spans if span.endswith(" harmful")}


def _rated(
    answers: Answers, decisions: Sequence[Decision]
) -> tuple[list[Decision], dict[str, int], int]:  # fmt: skip
    """Return rated responses, why others are left out, and how many have their safety set down.

    Safety is a veto in `pair`: what a rater marked as harmful must not be chosen, unless a coordinator rated it.
    """
    harmful = {item for item, _ in _harmful(answers)}
    found, left_out, capped = [], 0, 0
    for each in decisions:
        if each.by == "adjudicated" or each.item.id not in harmful:
            found.append(each)
        elif SAFETY not in each.scores:
            left_out += 1
        else:
            found.append(replace(each, scores=each.scores | {SAFETY: min(each.scores[SAFETY], CAP)}))
            capped += each.scores[SAFETY] > CAP
    return found, {"a rater marked it as harmful": left_out} if left_out else {}, capped


def _pairs(
    answers: Answers, decisions: Sequence[Decision]
) -> tuple[list[PreferencePair], dict[str, int], list[Item]]:  # fmt: skip
    """Return the pairs that people prefer one side of, why the others are none, and those nobody should learn from.

    Safety is a veto here as in `pair`: what a rater marked as harmful is chosen only where a coordinator chose it.
    """
    found, left_out, withheld = [], Counter[str](), []
    harmful = _harmful(answers)
    for each in decisions:
        if each.verdict == "tie":
            left_out["a tie: neither is preferred"] += 1
            withheld.append(each.item)
        elif each.item.texts[0].strip() == each.item.texts[1].strip():
            left_out["equal texts"] += 1
        elif each.by == "raters" and (each.item.id, each.verdict) in harmful:
            left_out["a rater marked the chosen response as harmful"] += 1
            withheld.append(each.item)
        else:
            found.append(_pair(each))
    return found, dict(left_out), withheld


def _ids(item: Item) -> tuple[str, str, str]:
    """Return the ids of an item's speech and of its two responses, as a run has them."""
    speech_id = item.speech_id or ClientSpeech.make(item.conversation[-1].text, item.conversation[:-1]).id
    models = item.models or ("unnamed", "unnamed")
    first, second = item.response_ids or tuple(
        Response.make(speech_id, model, text).id for model, text in zip(models, item.texts, strict=True)
    )
    return speech_id, first, second


def _pair(decision: Decision) -> PreferencePair:
    item = decision.item
    speech_id, *ids = _ids(item)
    models = item.models or ("unnamed", "unnamed")
    chosen, rejected = (0, 1) if decision.verdict == "a" else (1, 0)
    return PreferencePair(
        id=content_id("pair", ids[chosen], ids[rejected]),
        speech_id=speech_id,
        chosen_id=ids[chosen],
        rejected_id=ids[rejected],
        conversation=item.conversation,
        chosen=item.texts[chosen],
        rejected=item.texts[rejected],
        chosen_model=models[chosen],
        rejected_model=models[rejected],
        # People compared and did not rate: there are no scores, and the gap is 0 as for any pair without ratings.
        chosen_scores={},
        rejected_scores={},
        gap=0.0,
        topic=item.topic,
        risk=item.risk,
        split=next((split for split in SPLITS if split == item.split), "train"),
    )


def _write_pairs(out: Path, pairs: Sequence[PreferencePair], simulated: bool) -> tuple[Path, ...]:
    records, lines = out / "pairs.parquet", out / "pairs.jsonl"
    write_records(records, PreferencePair, pairs)
    # Pairs of dev and test would be learnt and then measured on, were they among these.
    write_text(lines, _lines([_general(pair) | {"simulated": simulated} for pair in pairs if pair.split == "train"]))
    files = [records, lines]
    for split in SPLITS:
        rows = [_trl(pair) for pair in pairs if pair.split == split]
        path = out / "trl" / f"{split}.parquet"
        path.unlink(missing_ok=True)
        if rows:
            _write_trl(path, rows)
            files.append(path)
    return tuple(files)


def _general(pair: PreferencePair) -> dict[str, Any]:
    earlier = [asdict(turn) for turn in pair.conversation[:-1]]
    return {
        "earlier": earlier, "prompt": pair.conversation[-1].text, "chosen": pair.chosen, "rejected": pair.rejected,
        "id": pair.id,
    }  # fmt: skip


def _trl(pair: PreferencePair) -> dict[str, Any]:
    return {
        "prompt": [{"role": _ROLES[turn.role], "content": turn.text} for turn in pair.conversation],
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
    }


def _write_trl(path: Path, rows: list[dict[str, Any]]) -> None:
    schema = pa.schema([(name, _MESSAGES) for name in ("prompt", "chosen", "rejected")])
    table = pa.Table.from_pylist(rows, schema=schema)
    write_atomically(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def _lines(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
