"""The stage: a base policy that counsels like the average of the pool, in a folder that `transformers` loads.

Fine-tuned (or, for a model made here, trained from nothing) on every response of the pool to the train speeches.
Nothing of the dev and test splits is seen, by the tokenizer neither.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.artifacts import Step
from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.models import runtime
from psychocounsel.models.branches import Group, check_architecture
from psychocounsel.models.encoding import BRIEFLY, Limits, encode_prompt, encode_response
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, Response, content_seed
from psychocounsel.tables import read_records

BRANCHES = 4
"""Responses to a prompt that learn together."""

Asked = tuple[str, int | None]
"""Speech id, and the words its responses were asked to keep within."""


def encode_groups(
    tokenizer: Any, speeches: Sequence[ClientSpeech], texts: Mapping[Asked, Sequence[str]], limits: Limits
) -> tuple[list[Group], int, int]:
    """Return rows of a prompt and responses to it, as tokens; how many responses were dropped, how many prompts cut."""
    speech_of = {s.id: s for s in speeches}
    groups = []
    dropped = truncated = 0
    for (speech_id, max_words), group in texts.items():
        responses = [encode_response(tokenizer, text) for text in group]
        prompt, cut = encode_prompt(tokenizer, speech_of[speech_id].conversation, limits.prompt, max_words)
        fitting = [r for r in responses if len(r) <= limits.response and not (cut and limits.too_long == "drop")]
        dropped += len(responses) - len(fitting)
        if limits.too_long == "error" and (cut or len(fitting) < len(responses)):
            raise InputError(
                f"speech {speech_id}: its prompt or a response is over base.max_prompt or "
                "base.max_response, and base.too_long is error. Raise the limit, or let it drop."
            )
        if fitting:
            truncated += cut
            groups += [Group(prompt, fitting[at : at + BRANCHES]) for at in range(0, len(fitting), BRANCHES)]
    return groups, dropped, truncated


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `model/`."""
    runtime.prepare()
    from psychocounsel.backends.transformers_local import load_causal, load_tokenizer
    from psychocounsel.base.made import make_model, make_tokenizer
    from psychocounsel.models.preference import Example, SharedSftTrainer
    from psychocounsel.models.training import Job, fit

    section = recipe.base
    if not section.epochs and section.model is not None:
        tokenizer, model = load_tokenizer(Path(section.model)), load_causal(Path(section.model))
        check_architecture(model.config)
        model.save_pretrained(run / layout.BASE_MODEL)
        tokenizer.save_pretrained(run / layout.BASE_MODEL)
        step.counts = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "vocabulary": len(tokenizer),
            "steps": 0,
        }
        return
    speeches = [s for s in read_records(run / layout.SPEECHES, ClientSpeech) if s.split == "train"]
    learnt = {s.id for s in speeches}
    texts: dict[Asked, list[str]] = defaultdict(list)
    for response in read_records(run / layout.RESPONSES, Response) + read_records(run / layout.FURTHER, Response):
        if response.speech_id in learnt and not response.error:
            texts[response.speech_id, response.max_words].append(response.text)
    count = sum(map(len, texts.values()))
    if not count:
        raise TooLittleDataError("base: the pool gave no response to a train speech; there is nothing to learn from.")
    seed = content_seed("base", recipe.seed)
    if section.model is None:
        said = sorted({t.text for s in speeches for t in s.conversation})
        said += [BRIEFLY.format(words) for _, words in texts if words is not None]
        tokenizer = make_tokenizer(said + [text for group in texts.values() for text in group], section.make)
        model = make_model(tokenizer, section.make, seed)
    else:
        tokenizer, model = load_tokenizer(Path(section.model)), load_causal(Path(section.model)).train()
    check_architecture(model.config)
    groups, dropped, truncated = encode_groups(tokenizer, speeches, texts, Limits.of(section))
    if not groups:
        raise TooLittleDataError(
            f"base: all {count} responses are longer than base.max_response={section.max_response}."
        )
    examples = [Example(g) for g in groups]
    fitted = fit(Job(SharedSftTrainer, model, tokenizer, section, examples, step.scratch, seed), tick)
    fitted.save(run / layout.BASE_MODEL)
    step.counts = {
        "responses": count,
        "dropped_too_long": dropped,
        "prompts_truncated": truncated,
        "parameters": sum(p.numel() for p in fitted.model.parameters()),
        "vocabulary": len(tokenizer),
        "steps": fitted.steps,
        "loss": fitted.curve("loss"),
    }
