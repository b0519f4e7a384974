"""Judges on trial. The texts are invented; what needs ../shared/data skips where it is absent."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from benchmarks.fault_server import serving
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sklearn.metrics import cohen_kappa_score

from psychocounsel.backends import PrincipleScore, open_judge
from psychocounsel.errors import BackendError, InputError, TooLittleDataError
from psychocounsel.evaluate.trials.hearings import hearings
from psychocounsel.evaluate.trials.measures import RANKING, matched_levels, two_raters
from psychocounsel.evaluate.trials.show import show
from psychocounsel.evaluate.trials.trial import ANNOMI, EPITOME, each_against_rest
from psychocounsel.principles import default_rubric
from psychocounsel.progress import silent
from psychocounsel.recipe import recipe_of
from psychocounsel.records import Turn

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
SEEKER = "My landlord raised the rent and I feel ashamed that I cannot pay it."
KEYS = default_rubric().keys
RESPONSES = {
    (0, 0, 0): "Rents rise everywhere.",
    (1, 0, 0): "I'm so sorry.",
    (0, 2, 0): "You feel ashamed about the rent that your landlord raised.",
    (0, 0, 2): "What makes you ashamed of the rent?",
    (2, 2, 2): "I'm so sad for you. You feel ashamed about the rent. What makes it shameful?",
    (1, 1, 0): "I'm sorry, and that makes sense.",
}


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def epitome(tmp_path):
    """Thirty responses to fifteen seekers: each text five times, a number at its end so that none is another's twin."""
    rows = []
    for n in range(30):
        labels, text = list(RESPONSES.items())[n % 6]
        keys = ("emotional_reactions", "interpretations", "explorations")
        rows.append(
            {"id": f"r{n}", "seeker_id": f"s{n // 2}", "seeker_post": SEEKER, "response_post": f"{text} {n}"}
            | dict(zip(keys, labels, strict=True))
        )
    return lines(tmp_path / "epitome.jsonl", rows)


def utterance(transcript, n, quality, said, behaviour):
    return {
        "transcript_id": transcript, "utterance_id": n, "quality": quality, "client_text": SEEKER,
        "therapist_text": said, "therapist_behaviour": behaviour, "client_talk_type": "neutral", "topic": "rent",
    }  # fmt: skip


@pytest.fixture
def annomi(tmp_path):
    """Six good and four bad transcripts of three utterances, one of them of a single word; raters beside."""
    rows = []
    for n in range(10):
        good = n < 6
        said = [
            ("You feel ashamed of the rent.", "reflection"),
            ("Hm.", "other"),
            ("What would you like to do about the rent?", "question"),
        ]
        bad = [
            ("You should pay your rent first.", "therapist_input"),
            ("Hm.", "other"),
            ("You must write to the landlord today.", "therapist_input"),
        ]
        quality = "high" if good else "low"
        rows += [utterance(f"t{n}", k, quality, *each) for k, each in enumerate(said if good else bad)]
    codes = [
        {
            "task": "main_therapist_behaviour",
            "item": n,
            "rater": rater,
            "label": "other" if (n + rater) % 5 else "question",
        }
        for n in range(12)
        for rater in range(10)
    ]
    lines(tmp_path / "annomi_raters.jsonl", codes)
    return lines(tmp_path / "annomi.jsonl", rows)


class Knows:
    """Rates by a table from response to ratings, as somebody would who has seen the labels."""

    spec, simulated = "test/knows", False

    def __init__(self, table, otherwise=3.0):
        self.table, self.otherwise = table, otherwise

    def rate(self, conversation, response):
        found = self.table(response)
        if found is None:
            raise BackendError("no readable rating came")
        return {key: PrincipleScore(found.get(key, self.otherwise), "seen") for key in KEYS}


def by_labels(response):
    labels = next(labels for labels, text in RESPONSES.items() if response.startswith(text))
    return {"empathy": 1 + labels[0] + labels[1], "exploration": 1 + labels[2]}


def figures(trial, measure, label):
    return {line.name: line.figure for line in trial.of(measure, label)}


def on_epitome(judge, path):
    return EPITOME.hold(judge, EPITOME.read(path), path, silent)


def on_annomi(judge, path):
    return ANNOMI.hold(judge, ANNOMI.read(path), path, silent)


def test_a_judge_that_knows_the_labels_orders_them_and_agrees_and_a_constant_one_does_not(epitome):
    knows = on_epitome(Knows(by_labels), epitome)
    assert figures(knows, RANKING, "explorations")["test/knows"].value == 1
    assert figures(knows, "weighted kappa", "explorations")["test/knows"].value == 1
    constant = on_epitome(Knows(lambda response: {}), epitome)
    order = figures(constant, RANKING, "sum of the three")
    assert order["test/knows"].value == order["first position"].value == 0.5
    assert figures(constant, "Cohen's kappa", "explorations")["test/knows"].value == pytest.approx(0)
    beaten = constant.beats(RANKING, "sum of the three")["test/knows"]
    assert not beaten["first position"]
    assert not beaten["longest"]


def test_every_figure_has_its_n_and_resamples_seekers(epitome):
    trial = on_epitome(Knows(by_labels), epitome)
    assert (trial.asked, trial.rated, trial.clusters) == (30, 30, 15)
    own = [line.figure for line in trial.lines if line.who != "people"]
    assert {(figure.n, figure.clusters) for figure in own} == {(30, 15)}
    people = {label: figures(trial, "accuracy", label)["people, twice"] for label in trial.labels("accuracy")}
    assert [round(60 * figure.value) for figure in people.values()] == [50, 50, 55]
    assert all(figure.n == 60 and figure.low < figure.value < figure.high for figure in people.values())


def test_a_baseline_is_beaten_only_by_an_interval_that_lies_above_its_own(epitome):
    trial = on_epitome(Knows(by_labels), epitome)
    order = figures(trial, RANKING, "explorations")
    for name, beaten in trial.beats(RANKING, "explorations")["test/knows"].items():
        assert beaten == (order["test/knows"].low > order[name].high)
    assert trial.beats(RANKING, "explorations")["test/knows"]["longest"]
    assert not trial.beats(RANKING, "explorations")["test/knows"]["most questions"]  # it knows them too, here
    longest, shortest = order["longest"], order["shortest"]
    assert longest.value == pytest.approx(1 - shortest.value)


def test_what_a_judge_loses_is_counted_with_its_reason(epitome):
    trial = on_epitome(Knows(lambda response: None if response.endswith("7") else by_labels(response)), epitome)
    assert (trial.asked, trial.rated, trial.lost) == (30, 27, {"no readable rating came": 3})
    assert figures(trial, RANKING, "explorations")["longest"].n == 27  # baselines on the same responses
    with pytest.raises(TooLittleDataError, match="rated nothing: no readable rating came"):
        on_epitome(Knows(lambda response: None), epitome)


def test_a_rubric_without_the_principles_that_labels_are_compared_with_is_refused(epitome):
    class Clear(Knows):
        def rate(self, conversation, response):
            return {"clarity": PrincipleScore(3, "seen")}

    with pytest.raises(BackendError, match="rates no empathy and no exploration"):
        on_epitome(Clear(by_labels), epitome)


def test_an_offline_judge_is_also_read_by_rounded_ratings_and_by_codes(epitome):
    trial = on_epitome(open_judge("offline/microskills"), epitome)
    order = figures(trial, RANKING, "sum of the three")
    own = ["offline/microskills", "offline/microskills, rounded", "offline/microskills, by codes"]
    assert [name for name in order if name.startswith("offline")] == own
    assert order[own[2]].value > 0.9  # these texts are its own textbook
    assert trial.simulated
    json.dumps(trial.as_dict(), allow_nan=False)


def test_a_transcript_has_the_mean_of_its_longer_utterances(annomi):
    table = {"You feel": 5.0, "What wou": 3.0, "You shou": 4.0, "You must": 4.5}  # means 4 and 4.25
    trial = on_annomi(Knows(lambda response: dict.fromkeys(KEYS, table[response[:8]])), annomi)
    assert trial.asked == 20  # a single word is not rated
    order = figures(trial, RANKING, "transcripts")
    assert (order["test/knows"].value, order["test/knows"].n) == (0, 10)
    assert figures(trial, RANKING, "utterances")["test/knows"].value == pytest.approx(0.5)
    assert not trial.labels("weighted kappa")
    assert any("does not say what a therapist does" in note for note in trial.notes)


def test_behaviours_are_named_and_the_ten_raters_stand_beside(annomi):
    trial = on_annomi(open_judge("offline/microskills"), annomi)
    assert figures(trial, RANKING, "transcripts")["offline/microskills"].value == 1
    named = figures(trial, "accuracy", "behaviour")
    assert named["offline/microskills"].value == 1
    assert named["commonest label"].n == 30
    assert figures(trial, "Fleiss' kappa", "behaviour")["ten raters"].n == 12
    assert named["one of ten"].value == pytest.approx(0.8)  # two of ten say what nobody's majority says
    annomi.with_name("annomi_raters.jsonl").unlink()
    trial = on_annomi(open_judge("offline/microskills"), annomi)
    assert "one of ten" not in figures(trial, "accuracy", "behaviour")
    assert any("no annomi_raters.jsonl" in note for note in trial.notes)


@pytest.mark.parametrize(
    ("said", "behaviour", "mechanism"),
    [
        ("You feel ashamed about the rent.", "reflection", "interpretations"),
        ("What makes the rent so hard to talk about?", "question", "explorations"),
        ("Have you tried a payment plan?", "therapist_input", ""),  # advice, whatever its mark
        ("You should write to your landlord today.", "therapist_input", ""),
        ("I'm so sorry you are going through this.", "other", "emotional_reactions"),
        ("Mm-hmm.", "other", ""),
        ("", "other", ""),
        ("Ça ne va pas du tout, mon ami, je le sais bien.", "other", ""),
    ],
)
def test_microskills_names_behaviour_and_mechanism(said, behaviour, mechanism):
    judge, talk = open_judge("offline/microskills"), (Turn("client", SEEKER),)
    assert judge.behaviour(talk, said) == behaviour
    assert [key for key, level in judge.mechanisms(talk, said).items() if level] == [mechanism] * bool(mechanism)


def test_the_main_behaviour_takes_most_words_and_a_mechanism_is_the_highest_level():
    judge, talk = open_judge("offline/microskills"), (Turn("client", SEEKER),)
    asks = "What would it be like to tell your landlord how ashamed of the rent you are?"
    assert judge.behaviour(talk, f"You feel ashamed. {asks}") == "question"
    assert judge.mechanisms(talk, f"What happened? {asks}")["explorations"] == 2
    assert judge.mechanisms(talk, "What happened?")["explorations"] == 1


@given(st.lists(st.integers(0, 2), min_size=3, max_size=40), st.randoms())
@settings(max_examples=60, deadline=None)
def test_cut_levels_keep_the_order_and_the_labels_shares(labels, random):
    scores = random.sample(range(1000), len(labels))
    levels = matched_levels(scores, labels, 3)
    assert Counter(levels.tolist()) == Counter(labels)
    assert (np.diff(levels[np.argsort(scores)]) >= 0).all()
    assert len(set(matched_levels([7] * len(labels), labels, 3).tolist())) == 1  # equal scores cannot be parted


def test_agreement_is_scikit_learns_and_unordered_labels_have_no_ordered_statistics():
    random = np.random.default_rng(3)
    a = random.integers(0, 4, 80)
    b = np.where(random.random(80) < 0.6, a, random.integers(0, 4, 80))
    found = two_raters(a, b, 4, ordered=True)
    assert found["Cohen's kappa"].value == pytest.approx(cohen_kappa_score(a, b))
    assert found["weighted kappa"].value == pytest.approx(cohen_kappa_score(a, b, weights="quadratic"))
    assert set(found) - set(two_raters(a, b, 4, ordered=False)) == {"weighted kappa", "alpha, ordinal", "ICC(2,1)"}


def test_each_rater_stands_against_the_commonest_of_the_others():
    assert each_against_rest([[0, 0, 1], [2, -1, 1]], 3) == ([0, 0, 1, 2, 1], [0, 0, 0, 1, 2])


@pytest.mark.parametrize(
    ("on", "says"),
    [
        ("epitome", "write NAME=PATH"),
        ("epitomy=x.jsonl", "did you mean epitome"),
        ("annomi=nowhere.jsonl", "nowhere.jsonl is not there"),
        ("annomi=.", "is a folder"),
    ],
)
def test_a_wrong_set_is_told(on, says):
    with pytest.raises(InputError, match=says):
        hearings([on], None, None)


def test_a_wrong_judge_is_told(epitome):
    with pytest.raises(BackendError, match="did you mean offline/microskills"):
        hearings([f"epitome={epitome}"], ["offline/microskill"], None)
    with pytest.raises(BackendError, match="--recipe RECIPE"):
        hearings([f"epitome={epitome}"], ["here/model"], None)


def test_a_limit_draws_the_same_responses_each_time_and_keeps_their_order(epitome):
    drawn = [item.id for item in hearings([f"epitome={epitome}"], ["offline/cues"], None, 7)[0].items]
    assert drawn == [item.id for item in hearings([f"epitome={epitome}"], ["offline/cues"], None, 7)[0].items]
    assert len(drawn) == 7
    assert drawn == sorted(drawn, key=lambda name: int(name[1:]))
    assert set(drawn) < {item.id for item in hearings([f"epitome={epitome}"], ["offline/cues"], None, 12)[0].items}


NAMED = "My brother Robert Miller called from 555-0142 about the rent."


@pytest.mark.parametrize("egress", ["local-only", "de-identified", "raw client text may leave this machine"])
def test_what_leaves_this_machine_is_what_the_recipe_lets_out(tmp_path, egress):
    row = {"id": 1, "seeker_id": 1, "seeker_post": NAMED, "response_post": "Robert Miller sounds kind."}
    labels = {"emotional_reactions": 0, "interpretations": 2, "explorations": 0}
    path = lines(tmp_path / "epitome.jsonl", [row | labels])
    far = json.dumps({"base_url": "https://far.example/v1"})
    # The recipe's own source is the invented corpus, which says nothing of this set.
    made = recipe_of([f"output={tmp_path}", f"endpoints.far={far}", "collect.source=example", f"egress={egress}"])
    if egress == "local-only":
        with pytest.raises(BackendError, match="egress is local-only"):
            hearings([f"epitome={path}"], ["far/model"], made)
        assert hearings([f"epitome={path}"], ["offline/cues"], made)[0].items[0].conversation[0].text == NAMED
        return
    [hearing] = hearings([f"epitome={path}"], ["far/model"], made)
    shown = hearing.items[0].conversation[0].text + hearing.items[0].response
    assert hearing.deidentified == (egress == "de-identified")
    assert ("Miller" in shown) == (egress != "de-identified")
    assert ("555-0142" in shown) == (egress != "de-identified")


def test_a_language_model_is_tried_like_any_judge(tmp_path, epitome):
    def content(request):
        told = request["messages"][1]["content"]
        score = 5 if "You feel ashamed" in told else 2
        return json.dumps({key: {"reason": "seen", "score": score} for key in KEYS})

    with serving(content=content) as server:
        here = json.dumps({"base_url": server.url})
        made = recipe_of([f"output={tmp_path}", f"endpoints.here={here}"])
        [hearing] = hearings([f"epitome={epitome}"], ["here/model"], made)
        trial = hearing.hold(silent)
        assert hearing.told().startswith("here ")
        assert sum(server.answered.values()) == 30
    assert (trial.judge, trial.simulated, trial.rated, hearing.deidentified) == ("here/model", False, 30, False)
    order = figures(trial, RANKING, "interpretations")
    assert order["here/model"].value == pytest.approx((150 + 50 + 75 / 2) / 275)  # 0 and 1 are not told apart
    assert "here/model, rounded" not in order  # it hands out all that it knows


def shown(trials):
    written = io.StringIO()
    show(Console(file=written, width=80, highlight=False), trials)
    return written.getvalue()


def test_a_terminal_of_80_columns_shows_all_of_it(epitome, annomi):
    asked = hearings([f"epitome={epitome}", f"annomi={annomi}"], None, None)
    told = shown([hearing.hold(silent) for hearing in asked])
    assert max(map(len, told.splitlines())) <= 80
    assert "…" not in told
    for wanted in (
        "rules of this package, and no people", "non-commercial", "EMNLP 2020", "Wu et al.", "people, twice (n 60)",
        "ten raters (n 12)", "most empathy words", "first position", "commonest label", "Order by transcripts",
        "accuracy", "weighted kappa", "ICC(2,1)", "alpha, ordinal", "Fleiss' kappa", "Gwet's AC1", "beats",
    ):  # fmt: skip
        assert wanted in told, wanted
    assert told.count("\nlongest") == 4 + 3 * 2 + 2  # once a table, not once a judge


def test_a_judge_that_lost_some_is_shown_by_itself_with_its_own_baselines(epitome):
    lossy = on_epitome(Knows(lambda response: None if response.endswith("7") else by_labels(response)), epitome)
    told = shown([on_epitome(open_judge("offline/cues"), epitome), lossy])
    assert "3 lost: no readable rating came" in told
    assert "test/knows: 27 of 30 judged" in told
    assert told.count("Order by explorations") == 2


@pytest.mark.parametrize(("name", "asked"), [("epitome", 120), ("annomi", 300)])
def test_the_published_sets_are_read_and_measured(name, asked):
    path = SHARED / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"no shared/data/{name}.jsonl beside the project")
    [hearing] = hearings([f"{name}={path}"], ["offline/microskills"], None, asked)
    trial = hearing.hold(silent)
    assert trial.asked == trial.rated <= asked
    assert all(trial.beats(RANKING, label) for label in trial.labels(RANKING))
    if name == "annomi":
        kappa = {label: figures(trial, "Fleiss' kappa", label)["ten raters"] for label in ("behaviour", "client talk")}
        assert [round(each.value, 3) for each in kappa.values()] == [0.737, 0.467]
        assert [each.n for each in kappa.values()] == [216, 212]
