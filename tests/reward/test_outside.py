"""Reward models on outside tests: ours and anybody's, tiny ones made here."""

from __future__ import annotations

import json

import pytest
import torch

from psychocounsel.errors import BackendError, InputError, TooLittleDataError
from psychocounsel.outside import load
from psychocounsel.records import Turn
from psychocounsel.reward.external import External, Own, made_here, open_reward_model
from psychocounsel.reward.outside import read_all, try_on


def silent(done, total, note=""):
    pass


@pytest.fixture(scope="module")
def made():
    """A tiny classifier and its tokenizer, as `transformers` has them."""
    from transformers import LlamaForSequenceClassification

    from psychocounsel.base.made import make_model, make_tokenizer
    from psychocounsel.hyperparameters import MadeModel

    shape = MadeModel(vocabulary=400, hidden=32, layers=2, heads=2, intermediate=48)
    tokenizer = make_tokenizer(["I feel so tired of work and my sister. What would you like?"] * 3, shape)
    config = make_model(tokenizer, shape, seed=1).config
    config.num_labels = 1
    torch.manual_seed(0)
    return LlamaForSequenceClassification(config), tokenizer


@pytest.fixture
def folder(made, tmp_path):
    model, tokenizer = made
    path = tmp_path / "model"
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def written(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


TEXTS = ["What would you like?", "so " * 40, "sister", "It is work.", "I feel so tired of my sister. " * 5]
ASKED = [(Turn("client", "tired " * n),) for n in (1, 30, 3, 7, 12)]


def test_anybodys_model_is_asked_in_its_own_template_and_scored_as_transformers_would(folder, made):
    model, tokenizer = made
    scorer = External(str(folder), 2048)
    together = scorer.score(ASKED, TEXTS)
    for asked, text, reward in zip(ASKED, TEXTS, together, strict=True):
        said = [{"role": "user", "content": asked[0].text}, {"role": "assistant", "content": text}]
        ids = tokenizer.apply_chat_template(said, return_tensors="pt", return_dict=True)["input_ids"]
        with torch.inference_mode():
            expected = float(model.eval()(ids).logits)
        assert reward == pytest.approx(expected, abs=1e-5)
        assert scorer.score([asked], [text])[0] == pytest.approx(reward, abs=1e-5)
    assert len({round(reward, 4) for reward in together}) > 1
    assert scorer.cut == 0


def test_padding_is_told_from_an_end_that_is_the_pad(made, tmp_path):
    model, tokenizer = made
    plain = External(str(_saved(model, tokenizer, tmp_path / "a")), 2048).score(ASKED, TEXTS)
    tokenizer = type(tokenizer).from_pretrained(tmp_path / "a")
    tokenizer.pad_token = tokenizer.eos_token
    ended = External(str(_saved(model, tokenizer, tmp_path / "b")), 2048)
    assert ended.tokenizer.pad_token_id == ended.tokenizer.eos_token_id
    assert ended.score(ASKED, TEXTS) == pytest.approx(plain, abs=1e-5)


def _saved(model, tokenizer, path):
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_ours_and_anybodys_way_of_asking_agree_on_a_model_of_this_package(folder):
    ours, anybodys = Own(folder, 2048).score(ASKED, TEXTS), External(str(folder), 2048).score(ASKED, TEXTS)
    assert ours == pytest.approx(anybodys, abs=0.02)  # bf16 against float32


def test_what_is_cut_is_counted(folder):
    for kind in (Own, External):
        scorer = kind(folder if kind is Own else str(folder), 90)
        scorer.score([(Turn("client", "tired " * 200),), (Turn("client", "so"),)], ["work", "work"])
        assert scorer.cut == 1
    with pytest.raises(InputError, match="leaves no room for a prompt in 90"):
        Own(folder, 90).score([(Turn("client", "so"),)], ["tired " * 200])


def test_a_model_of_ours_is_known_by_what_stands_beside_it(folder):
    assert not made_here(folder)
    assert isinstance(open_reward_model(str(folder), 256), External)
    (folder.parent / "manifest.json").write_text("{}")
    assert made_here(folder)
    assert isinstance(open_reward_model(str(folder), 256), Own)


@pytest.mark.parametrize(
    ("config", "ours"),
    [
        ({"model_type": "llama", "principles": ["empathy"]}, True),
        ({"model_type": "bert", "architectures": ["BertModel"]}, True),
        ({"model_type": "bert", "architectures": ["BertForSequenceClassification"]}, False),
        ({"model_type": "gemma2"}, False),
    ],
)
def test_heads_of_our_own_kind_are_known_without_a_manifest(tmp_path, config, ours):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert made_here(tmp_path) is ours


def test_what_is_no_reward_model_is_refused(made, tmp_path):
    from transformers import LlamaForCausalLM, LlamaForSequenceClassification

    model, tokenizer = made
    with pytest.raises(BackendError, match="no folder nowhere, and it is no OWNER/NAME"):
        open_reward_model("nowhere", 64)
    two = type(model.config)(**(model.config.to_dict() | {"num_labels": 2}))
    with pytest.raises(BackendError, match="has 2 labels"):
        External(str(_saved(LlamaForSequenceClassification(two), tokenizer, tmp_path / "two")), 64)
    with pytest.raises(BackendError, match=r"no weights for score\.weight, which would be random"):
        External(str(_saved(LlamaForCausalLM(model.config), tokenizer, tmp_path / "causal")), 64)
    mute = type(tokenizer).from_pretrained(tmp_path / "two")
    mute.chat_template = None
    path = _saved(model, mute, tmp_path / "mute")
    (path / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(BackendError, match="has no chat template"):
        External(str(path), 64)


class Longest:
    """In place of a model, so that its figures are known: it likes what is long. The real ones are tested above."""

    spec, cut = "longest", 0

    def score(self, conversations, responses):
        return [float(len(response.split())) for response in responses]


PAIRS = [
    {"prompt": f"q{n}", "chosen": "a b c" if n % 4 else "a", "rejected": "a b", "subset": subset}
    for subset in ("alpacaeval-easy", "mt-bench-hard", "donotanswer", "hep-go")
    for n in range(8)
]


def test_pairs_have_every_figure_with_baseline_and_published_ones(tmp_path):
    found = try_on(Longest(), load("reward-bench", written(tmp_path / "p.jsonl", PAIRS)), silent)
    own = {(line.measure, line.label): line.figure for line in found.lines if line.who == "model"}
    assert own["accuracy", "all"].value == 0.75
    assert own["accuracy", "all"].n == 32
    assert own["accuracy", "all"].clusters == 8  # the four subsets ask the same questions
    assert own["score", "mean of the sections"].value == pytest.approx(0.75)
    assert own["accuracy", "hep-go"].n == 8
    assert {measure for measure, _ in own} == {"accuracy", "section", "score", "AUC", "ECE", "Brier"}
    longest = next(line for line in found.lines if (line.who, line.label) == ("baseline", "all"))
    assert (longest.name, longest.figure) == ("longest", own["accuracy", "all"])
    assert [each["figure"] for each in found.published if each["metric"] == "score"] == [0.925, 0.941, 0.92]
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["on"] == "reward-bench"


def test_best_of_several_has_chance_beside_it(tmp_path):
    rows = [{"prompt": f"q{n}", "chosen": "a b", "rejected": ["a", "a b c" if n else "a", "a"]} for n in range(4)]
    found = try_on(Longest(), load("prmb-best-of", written(tmp_path / "b.jsonl", rows)), silent)
    lines = {line.name: line.figure for line in found.lines}
    assert lines["longest"].value == 0.25
    assert lines["chance"].value == 0.25
    assert lines["longest"].n == 4


def test_votes_have_exposure_beside_any_score(tmp_path):
    rows = [
        {
            "question_id": f"q{n}",
            "question": "Why?",
            "chosen": "a b",
            "rejected": "a",
            "chosen_views": 4 + n,
            "rejected_views": 5,
        }
        for n in range(3)
    ]
    found = try_on(Longest(), load("counsel-chat", written(tmp_path / "c.jsonl", rows)), silent)
    views = next(line for line in found.lines if line.name == "more views wins")
    assert views.figure.value == 0.5
    assert "«more views wins» is right in 50.0% of these 3 pairs" in found.notes[0]


def test_what_no_reward_model_can_answer_is_refused_before_one_is_loaded(tmp_path):
    path = written(tmp_path / "x.jsonl", [{"question": "B?", "a": "1", "b": "2", "answer": "a"}])
    with pytest.raises(InputError, match="holds no pairs and no best of several"):
        read_all([f"cbt-bench={path}"])


def test_rewards_that_are_no_numbers_are_refused(tmp_path):
    class Broken(Longest):
        def score(self, conversations, responses):
            return [float("nan")] * len(responses)

    with pytest.raises(TooLittleDataError, match="values are not numbers"):
        try_on(Broken(), load("reward-bench", written(tmp_path / "p.jsonl", PAIRS)), silent)


def test_the_command_prints_tables_and_json(folder, tmp_path):
    from typer.testing import CliRunner

    from psychocounsel.cli.main import app

    def run(*arguments):
        return CliRunner().invoke(app, ["reward", "test", str(folder), "--on", *arguments])

    on = f"reward-bench={written(tmp_path / 'p.jsonl', PAIRS)}"
    line = json.loads(run(on, "--json").stdout)
    assert (line["event"], line["on"], line["items"]) == ("tested", "reward-bench", 32)
    said = run(on).stdout
    for words in ("mean of the sections", "Published: Skywork", "Licence: ODC-BY", "Cite: Lambert"):
        assert words in said
    wrong = run("reward-bench=nowhere").exception
    assert isinstance(wrong, InputError)
    assert "is not there" in str(wrong)
