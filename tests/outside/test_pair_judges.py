"""Judges on pairs and on best of several: planted ones whose figures are known, and the offline ones."""

from __future__ import annotations

import json

import pytest

from psychocounsel.backends import open_judge
from psychocounsel.backends.protocols import PairVerdict, PrincipleScore
from psychocounsel.errors import BackendError, TooLittleDataError
from psychocounsel.evaluate.trials.pairs import PAIR_SETS
from psychocounsel.outside import catalogue
from psychocounsel.principles import default_rubric


def silent(done, total, note=""):
    pass


class Planted:
    """A judge by a rule: what it says of two texts, and how it rates one."""

    simulated = True

    def __init__(self, spec, verdict):
        self.spec, self.verdict = spec, verdict

    def compare(self, conversation, first, second):
        return PairVerdict(self.verdict(first, second), {})

    def rate(self, conversation, response):
        level = min(5, 1 + len(response.split()))
        return {key: PrincipleScore(level, "by length") for key in default_rubric().keys}


def longer(first, second):
    if "fails" in first + second:
        raise BackendError("no answer came")
    a, b = len(first.split()), len(second.split())
    return "a" if a > b else "b" if b > a else "tie"


LONGER, FIRST = Planted("planted/longer", longer), Planted("planted/first", lambda first, second: "a")
PAIRS = [
    {"prompt": f"q{n // 2}", "chosen": "a b c" if n % 3 else "a", "rejected": "a b", "subset": f"session {n % 2}"}
    for n in range(12)
]


def tried(judge, tmp_path, rows=PAIRS, name="prmb"):
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    trial = PAIR_SETS[name].hold(judge, PAIR_SETS[name].read(path), path, silent)
    return trial, {(line.measure, line.label, line.name): line.figure for line in trial.lines}


def test_a_judge_that_loves_length_is_the_longest_baseline(tmp_path):
    trial, lines = tried(LONGER, tmp_path)
    own = lines["ranking", "all", LONGER.spec]
    assert (own.value, own.n, own.clusters) == (pytest.approx(8 / 12), 12, 6)
    assert own == lines["ranking", "all", "longest"]
    assert lines["ranking", "session 0", LONGER.spec].n == 6
    assert lines["flips", "all", LONGER.spec].value == 0
    assert lines["first shown", "all", LONGER.spec].value == 0.5
    assert lines["ranking", "all", "first position"].value == 0.5
    assert (trial.asked, trial.rated, trial.clusters, trial.lost) == (12, 12, 6, {})


def test_a_judge_that_takes_the_first_shown_is_seen_and_gets_one_half(tmp_path):
    _, lines = tried(FIRST, tmp_path)
    assert lines["ranking", "all", FIRST.spec].value == 0.5
    assert lines["flips", "all", FIRST.spec].value == 1
    assert lines["first shown", "all", FIRST.spec].value == 1


def test_ties_alone_leave_no_first_shown(tmp_path):
    _, lines = tried(Planted("planted/ties", lambda first, second: "tie"), tmp_path)
    assert lines["ties", "all", "planted/ties"].value == 1
    assert lines["ranking", "all", "planted/ties"].value == 0.5
    assert not [key for key in lines if key[0] == "first shown"]


def test_what_could_not_be_judged_is_counted_with_its_reason(tmp_path):
    trial, _ = tried(LONGER, tmp_path, [*PAIRS, {"prompt": "q", "chosen": "fails", "rejected": "b"}])
    assert (trial.asked, trial.rated, trial.lost) == (13, 12, {"no answer came": 1})
    with pytest.raises(TooLittleDataError, match="compared nothing: no answer came"):
        tried(LONGER, tmp_path, [{"prompt": "q", "chosen": "fails", "rejected": "b"}])


def test_votes_print_exposure_beside_the_judge(tmp_path):
    rows = [
        {
            "question_id": n,
            "question": "Why?",
            "chosen": "a",
            "rejected": "b c",
            "chosen_views": 9 - n,
            "rejected_views": 8,
        }
        for n in range(4)
    ]
    trial, lines = tried(LONGER, tmp_path, rows, "counsel-chat")
    assert lines["ranking", "all", "more views wins"].value == pytest.approx(1.5 / 4)
    assert any("«more views wins» is right in 37.5% of these 4 pairs" in note for note in trial.notes)


def test_the_best_of_several_is_the_one_rated_highest(tmp_path):
    rows = [{"prompt": f"q{n}", "chosen": "a b c", "rejected": ["a", "a b" if n else "a b c"]} for n in range(4)]
    trial, lines = tried(LONGER, tmp_path, rows, "prmb-best-of")
    assert lines["ranking", "all", LONGER.spec].value == pytest.approx(3.5 / 4)
    assert lines["ranking", "all", "random"].value == pytest.approx(1 / 3)
    assert lines["ranking", "all", "shortest"].value == 0
    assert trial.rated == 4


def test_every_set_of_pairs_or_several_is_on_offer_with_what_to_know_of_it(tmp_path):
    kinds = {card.name for card in catalogue().values() if card.kind in ("pairs", "best-of")}
    assert PAIR_SETS.keys() == kinds
    for each in PAIR_SETS.values():
        assert each.licence
        assert each.notes


def test_an_offline_judge_compares_real_texts(tmp_path):
    kind = "It sounds as if the evenings have become heavy for you. What are they like?"
    rude = "You are just lazy. Stop whining."
    rows = [{"prompt": "I cannot sleep since my sister left.", "chosen": kind, "rejected": rude}]
    for spec in ("offline/microskills", "offline/cues"):
        trial, lines = tried(open_judge(spec), tmp_path, rows)
        assert trial.simulated
        assert lines["ranking", "all", spec].value == 1
