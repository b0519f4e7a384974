"""Causal models in this process: what they are asked, and that a row does not depend on those beside it."""

from __future__ import annotations

import pytest
import torch

from psychocounsel.backends import open_generator
from psychocounsel.backends.transformers_chat import SeededNoise, TransformersChat
from psychocounsel.base.made import make_model, make_tokenizer
from psychocounsel.endpoints import Sampling
from psychocounsel.errors import BackendError, MissingExtraError
from psychocounsel.hyperparameters import MadeModel
from psychocounsel.records import Turn

SHAPE = MadeModel(vocabulary=400, hidden=32, layers=2, heads=2, intermediate=64, positions=512)
TALKS = [
    (Turn("client", "I feel so tired of work."),),
    (Turn("client", "My sister left."), Turn("counsellor", "When?"), Turn("client", "In the spring, without a word.")),
    (Turn("client", "What now?"),),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("chat") / "model"
    tokenizer = make_tokenizer(["I feel so tired of work and my sister. What would you like to change?"] * 9, SHAPE)
    tokenizer.save_pretrained(path)
    make_model(tokenizer, SHAPE, 1).save_pretrained(path)
    return path


def raw(chat, talks, seeds):
    """The raw texts: a model with random weights ends no sentence, so its completions are all errors."""
    tokenizer, model = chat.load()
    return [
        text
        for text, _ in chat._answer(tokenizer, model, [chat._prompt(tokenizer, t, None) for t in talks], seeds, 512)
    ]


def test_an_answer_depends_on_its_conversation_and_seed_alone(folder):
    chat = TransformersChat(str(folder), Sampling(temperature=1.0, max_tokens=20))
    together = raw(chat, TALKS, [1, 2, 3])
    assert len(set(together)) == 3
    assert [raw(chat, [talk], [seed])[0] for talk, seed in zip(TALKS, [1, 2, 3], strict=True)] == together
    assert raw(chat, TALKS[::-1], [3, 2, 1])[::-1] == together
    assert raw(chat, TALKS, [4, 5, 6]) != together
    found = chat.generate(TALKS, [1, 2, 3])
    assert [bool(c.text) != bool(c.error) for c in found] == [True] * 3


def test_the_noise_samples_from_the_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]])).repeat(4000, 1)
    drawn = SeededNoise(range(4000))(None, logits).argmax(-1)
    shares = torch.bincount(drawn, minlength=3) / 4000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_a_stop_string_ends_an_answer(folder):
    [text] = raw(TransformersChat(str(folder), Sampling(temperature=1.0, max_tokens=30)), TALKS[:1], [1])
    stop = text[len(text) // 2 : len(text) // 2 + 2]
    assert stop
    stopping = TransformersChat(str(folder), Sampling(temperature=1.0, max_tokens=30, stop=[stop]))
    [cut] = raw(stopping, TALKS[:1], [1])
    assert stop not in cut
    assert text.startswith(cut)


def test_a_context_that_is_too_long_is_told_and_the_rest_is_answered(folder):
    long = (Turn("client", "I feel so tired of work. " * 400),)
    found = TransformersChat(str(folder), Sampling(max_tokens=8)).generate([long, TALKS[2]], [1, 2])
    assert found[0].error == "the context is too long for the model"
    assert "too long" not in found[1].error


def test_a_template_without_a_system_turn_gets_it_before_the_first_turn(folder):
    chat = TransformersChat(str(folder), Sampling(system="Be kind."))
    tokenizer, _ = chat.load()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    said = tokenizer.decode(chat._prompt(tokenizer, TALKS[0], None))
    assert said.startswith("Be kind.")
    assert said.endswith(TALKS[0][0].text)


def test_what_cannot_be_used_is_told_in_a_line(folder, tmp_path):
    with pytest.raises(BackendError, match="cannot be loaded"):
        open_generator(f"transformers/{tmp_path}").generate([TALKS[0]], [1])
    bare = tmp_path / "bare"
    chat = TransformersChat(str(folder), Sampling())
    tokenizer, model = chat.load()
    tokenizer.chat_template = None
    tokenizer.save_pretrained(bare)
    model.save_pretrained(bare)
    with pytest.raises(BackendError, match="has no chat template"):
        open_generator(f"transformers/{bare}").generate([TALKS[0]], [1])


def test_vllm_without_vllm_says_what_to_install():
    pytest.importorskip("openai")
    try:
        import vllm  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"pip install 'psychocounsel\[vllm\]'"):
            open_generator("vllm/some-model").generate([TALKS[0]], [1])
    else:
        pytest.skip("vLLM is installed here")
