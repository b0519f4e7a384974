"""Pairs of responses, one of which people (or a benchmark's authors) prefer."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from psychocounsel.errors import InputError
from psychocounsel.files import read_rows
from psychocounsel.outside.records import LabelledPair
from psychocounsel.outside.rows import answer, cluster_of, conversation, number, pick, rows, text
from psychocounsel.records import Conversation, Turn, content_id

LeftOut = Counter[str]
"""Why rows of a file made no item, and how many."""
PROMPT = "prompt|question|input|conversation_input|conversation"
SAME, TIE = "both responses are the same", "people prefer neither"
VOTES_APART = 2
"""Counsel-chat: a pair is kept when the chosen answer has at least so many upvotes more, ..."""
VIEWS_APART = 2
"""... was seen at most so many times as often, and has more upvotes a view."""
EXPERTS_APART = 1.0
"""CounselBench-Eval: points (of 1 to 5) between the experts' mean overall ratings from which two answers are a pair."""
HELPFULNESS = "helpfulness"
COUNSEL_CHAT_CSV = "counsel_chat.csv"


def plain_pairs(path: Path, left_out: LeftOut) -> list[LabelledPair]:
    """Read prompt, chosen, rejected, as RewardBench, PRMB, RMB and this package's own dataset write them.

    The prompt is a text or a list of {role, content}; chosen and rejected are texts, objects with `answer`, or whole
    conversations that differ in their last turn. Optional: `id` (or `pair_uid`), `subset` (or `category_path`), and
    `case_id`, which groups the pairs of one case for the intervals.
    """
    found = []
    for number_, (where, row) in enumerate(rows(path, ("chosen", "rejected|reject")), 1):
        turns, chosen, rejected = _parts(row, where)
        if chosen == rejected:
            left_out[SAME] += 1
            continue
        case = pick(row, "case_id")
        found.append(
            LabelledPair(
                id=str(pick(row, "id|pair_uid|ID", number_)),
                cluster=str(case) if case is not None else cluster_of(turns),
                conversation=turns,
                chosen=chosen,
                rejected=rejected,
                subset=str(pick(row, "subset|category_path|session", "")),
            )
        )
    return found


def _parts(row: dict[str, Any], where: str) -> tuple[Conversation, str, str]:
    chosen, rejected = row["chosen"], pick(row, "rejected|reject")
    prompt = pick(row, PROMPT)
    if isinstance(chosen, list) and isinstance(rejected, list) and chosen and rejected:
        if chosen[:-1] != rejected[:-1]:
            raise InputError(
                f"{where}: chosen and rejected answer different prompts; they may differ in the last turn."
            )
        prompt, chosen, rejected = chosen[:-1], chosen[-1], rejected[-1]
    return (
        conversation(prompt, where, "prompt"),
        answer(chosen, where, "chosen"),
        answer(rejected, where, "rejected"),
    )


def counsel_chat(path: Path, left_out: LeftOut) -> list[LabelledPair]:
    """Read votes of counselchat.com: pairs by ../shared/data's rule, or the published CSV, from which it makes them."""
    if path.suffix.lower() == ".csv":
        answered = _answers(path)
        return [
            _voted(question, better, worse, n)
            for question, found in answered.items()
            for n, (better, worse) in enumerate(_apart(found))
            if better.views <= VIEWS_APART * worse.views and better.upvotes * worse.views > worse.upvotes * better.views
        ]
    fields = ("question_id", "question", "chosen", "rejected", "chosen_views", "rejected_views")
    return [
        LabelledPair(
            id=f"{row['question_id']}-{n}",
            cluster=str(row["question_id"]),
            conversation=(Turn("client", text(row["question"], where, "question")),),
            chosen=text(row["chosen"], where, "chosen"),
            rejected=text(row["rejected"], where, "rejected"),
            views=(int(number(row["chosen_views"], where, "chosen_views")),
                   int(number(row["rejected_views"], where, "rejected_views"))),
        )
        for n, (where, row) in enumerate(rows(path, fields))
    ]  # fmt: skip


class _Answer(NamedTuple):
    question: str
    text: str
    upvotes: int
    views: int


def _answers(path: Path) -> dict[str, list[_Answer]]:
    """Return the distinct answers to each question by its link: `questionID` names two questions 11 times."""
    found: dict[str, dict[str, _Answer]] = defaultdict(dict)
    fields = ("questionLink", "questionTitle", "questionText", "answerText", "upvotes", "views")
    for where, row in rows(path, fields):
        said = str(row["answerText"]).replace("\xa0", " ")
        link = str(row["questionLink"]).rstrip("/").rsplit("/", 1)[-1]
        asked = "\n\n".join(part for part in (row["questionTitle"], row["questionText"]) if part).replace("\xa0", " ")
        votes, views = (int(number(row[field], where, field)) for field in ("upvotes", "views"))
        found[link].setdefault(said, _Answer(asked, said, votes, views))
    return {link: list(answers.values()) for link, answers in found.items()}


def _apart(answers: Sequence[_Answer]) -> Iterator[tuple[_Answer, _Answer]]:
    for better in answers:
        for worse in answers:
            if better.upvotes >= worse.upvotes + VOTES_APART:
                yield better, worse


def _voted(link: str, better: _Answer, worse: _Answer, n: int) -> LabelledPair:
    turns = (Turn("client", better.question),)
    return LabelledPair(f"{link}-{n}", link, turns, better.text, worse.text, views=(better.views, worse.views))


def seen_more(pair: LabelledPair) -> float:
    """Whether the chosen response was seen more often: 1, one half for equally often, 0."""
    assert pair.views is not None
    return (pair.views[0] > pair.views[1]) + 0.5 * (pair.views[0] == pair.views[1])


def exposure(pairs: Sequence[LabelledPair], path: Path) -> list[str]:
    """Say how far votes follow views: in these pairs, and with no limit on views where the whole CSV is at hand."""
    if not pairs or pairs[0].views is None:
        return []
    right = sum(map(seen_more, pairs)) / len(pairs)
    said = f"Votes follow exposure: «more views wins» is right in {right:.1%} of these {len(pairs)} pairs"
    whole = path.with_name(COUNSEL_CHAT_CSV)
    if not whole.is_file():
        return [f"{said}. With no limit on views it is not known: there is no {COUNSEL_CHAT_CSV} beside the file."]
    free = [_voted(link, b, w, 0) for link, found in _answers(whole).items() for b, w in _apart(found)]
    if not free:
        return [f"{said}. {COUNSEL_CHAT_CSV} beside it has no two answers {VOTES_APART} votes apart."]
    share = sum(map(seen_more, free)) / len(free)
    return [f"{said}, and in {share:.1%} of the {len(free)} at least {VOTES_APART} votes apart with no limit on views."]


def counselbench_eval(path: Path, left_out: LeftOut) -> list[LabelledPair]:
    """Pair the answers to one question that the experts rate at least a point apart overall; cluster: the question."""
    found = []
    answered: dict[tuple[str, str], list[tuple[str, str, float]]] = defaultdict(list)
    for (asked, said, responder), ratings in _rated(path, left_out).items():
        answered[asked, content_id("question", asked)].append((said, responder, sum(ratings) / len(ratings)))
    for (asked, cluster), given in answered.items():
        for better in given:
            for worse in given:
                gap = better[2] - worse[2]
                if gap >= EXPERTS_APART:
                    turns = (Turn("client", asked),)
                    name = f"{cluster}-{better[1]}-{worse[1]}"
                    found.append(LabelledPair(name, cluster, turns, better[0], worse[0]))
                elif gap >= 0 and better is not worse and (gap > 0 or better[1] < worse[1]):
                    left_out[f"pairs of answers less than {EXPERTS_APART:g} apart"] += 1
    return found


def experts(path: Path) -> tuple[list[list[float]], list[str]]:
    """Return CounselBench-Eval's overall ratings, (answers, raters) from 0, NaN where missing, and their questions."""
    rated = _rated(path, Counter())
    width = max(map(len, rated.values()), default=0)
    table = [[r - 1 for r in ratings] + [float("nan")] * (width - len(ratings)) for ratings in rated.values()]
    return table, [content_id("question", asked) for asked, _, _ in rated]


def _rated(path: Path, left_out: LeftOut) -> dict[tuple[str, str, str], list[float]]:
    """Return (question, answer, responder) to the experts' overall ratings of it, 1 to 5."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for where, row in rows(path, ("questionTitle", "questionText", "response", "responder", "overall_score")):
        try:
            score = number(row["overall_score"], where, "overall_score")
        except InputError:
            left_out["evaluations without an overall rating"] += 1
            continue
        if score not in (1, 2, 3, 4, 5):
            raise InputError(f"{where}: overall_score must be from 1 to 5.")
        asked = "\n\n".join(
            part for part in (row["questionTitle"], row["questionText"]) if isinstance(part, str) and part
        )
        said = text(row["response"], where, "response")
        found[text(asked, where, "questionText"), said, str(row["responder"])].append(score)
    return found


_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")


def helpsteer2(path: Path, left_out: LeftOut) -> list[LabelledPair]:
    """Read HelpSteer2: its preferences (`preference_strength`, above 0 where response_2 is preferred), or its ratings.

    Of the ratings, the two rows that follow each other with one prompt are a pair, and the more helpful is chosen.
    """
    first = next(read_rows(path), None)
    if first is not None and first.values is not None and "preference_strength" in first.values:
        return list(_preferred(path, left_out))
    return list(_more_helpful(path, left_out))


def _preferred(path: Path, left_out: LeftOut) -> Iterator[LabelledPair]:
    for n, (where, row) in enumerate(rows(path, ("prompt", "response_1", "response_2", "preference_strength")), 1):
        both = [answer(row[f"response_{k}"], where, f"response_{k}") for k in (1, 2)]
        yield from _steered(
            n, where, row["prompt"], both, number(row["preference_strength"], where, "preference_strength"), left_out
        )


def _more_helpful(path: Path, left_out: LeftOut) -> Iterator[LabelledPair]:
    everything = list(rows(path, ("prompt", "response", HELPFULNESS)))
    taken = False
    for n, ((where, row), (_, after)) in enumerate(pairwise(everything), 1):
        taken = not taken and row["prompt"] == after["prompt"]
        if taken:
            both = [answer(each["response"], where, "response") for each in (row, after)]
            gap = number(after[HELPFULNESS], where, HELPFULNESS) - number(row[HELPFULNESS], where, HELPFULNESS)
            yield from _steered(n, where, row["prompt"], both, gap, left_out)


def _steered(
    n: int, where: str, prompt: Any, both: list[str], second_better: float, left_out: LeftOut
) -> Iterator[LabelledPair]:
    if second_better == 0 or both[0] == both[1]:
        left_out[TIE if second_better == 0 else SAME] += 1
        return
    turns = _multi_turn(text(prompt, where, "prompt"), where)
    chosen, rejected = (both[1], both[0]) if second_better > 0 else (both[0], both[1])
    yield LabelledPair(str(n), cluster_of(turns), turns, chosen, rejected)


def _multi_turn(prompt: str, where: str) -> Conversation:
    """Split a prompt in which earlier turns are marked, as Nemotron's template marks them."""
    first, *rest = _TURN.split(prompt)
    messages = [{"role": "user", "content": first}] if first.strip() else []
    messages += [{"role": who.lower(), "content": said} for who, said in zip(rest[::2], rest[1::2], strict=True)]
    return conversation(messages, where, "prompt")
