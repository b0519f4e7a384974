"""Sets in which one of several responses is best, and sets of questions and candidates that nobody labelled."""

from __future__ import annotations

from pathlib import Path

from psychocounsel.errors import InputError
from psychocounsel.outside.pairs import PROMPT, LeftOut
from psychocounsel.outside.records import BestOf, Candidate
from psychocounsel.outside.rows import answer, answers, cluster_of, conversation, pick, rows, text
from psychocounsel.records import Turn

FAILURES = ("apathetic", "assumptions", "symptoms", "judgmental", "medication", "therapy")
"""CounselBench-Adv's columns: the failure that a question was written to provoke."""
COPIES = {"vicuna-7b-v1.3": "answers of vicuna-7b-v1.3 (those of its unlimited twin, cut off)"}
OFF_TOPIC = "vicuna_bench"


def best_of(path: Path, left_out: LeftOut) -> list[BestOf]:
    """Read prompt, chosen (one or several), rejected (several), as RewardBench 2, PRMB and RMB write them.

    RMB's names are known too: `conversation_input`, `bon_best` and `loser_list`, objects with `answer`. Ids of the form
    `ref:N` and `tied:N`, RewardBench 2's, name one cluster.
    """
    found = []
    for n, (where, row) in enumerate(rows(path, (PROMPT, "chosen|bon_best", "rejected|loser_list")), 1):
        turns = conversation(pick(row, PROMPT), where, "prompt")
        good = answers(pick(row, "chosen|bon_best"), where, "chosen")
        bad = answers(pick(row, "rejected|loser_list"), where, "rejected")
        if not good or not bad:
            raise InputError(f"{where}: chosen and rejected need at least one response each.")
        name, case = str(pick(row, "id|bon_uid", n)), pick(row, "case_id")
        pair = name.partition(":")[2] if name.startswith(("ref:", "tied:")) else ""
        cluster = str(case) if case is not None else f"ties-{pair}" if pair else cluster_of(turns)
        subset = str(pick(row, "subset|category_path|session", ""))
        found.append(BestOf(name, cluster, turns, (*good, *bad), frozenset(range(len(good))), subset))
    return found


def counselling_bench(path: Path, left_out: LeftOut) -> list[Candidate]:
    """Read ChatCounselor's bench: models' answers to client speeches, English and Chinese. General questions go."""
    found = []
    fields = ("question_id", "source", "language", "question", "model", "response")
    for where, row in rows(path, fields):
        model = str(row["model"])
        said = answer(row["response"], where, "response").strip("\u200b \n\t")
        if row["source"] == OFF_TOPIC:
            left_out["answers to general questions, not counselling"] += 1
        elif model in COPIES:
            left_out[COPIES[model]] += 1
        elif not said:
            left_out["answers that hold no text"] += 1
        else:
            name = f"{row['source']}-{row['question_id']}"
            turns = (Turn("client", text(row["question"], where, "question")),)
            found.append(Candidate(f"{name}-{model}", name, turns, said, model, str(row["language"])))
    return found


def counselbench_adv(path: Path, left_out: LeftOut) -> list[Candidate]:
    """Read CounselBench-Adv: a column a failure mode, a question a cell. It has no responses."""
    found = []
    for n, (_, row) in enumerate(rows(path, FAILURES), 1):
        for failure in FAILURES:
            if isinstance(row[failure], str) and row[failure].strip():
                turns = (Turn("client", row[failure].strip()),)
                found.append(Candidate(f"{failure}-{n}", f"{failure}-{n}", turns, subset=failure))
            else:
                left_out["empty cells"] += 1
    return found
