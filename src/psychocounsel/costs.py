"""What a recipe will ask of servers: calls, tokens, price and time, before a call is made; and whether they answer."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from psychocounsel import layout
from psychocounsel.backends import check_egress, expand_pool
from psychocounsel.backends.calls.connection import is_loopback
from psychocounsel.backends.calls.openai_sdk import key_from, models_of
from psychocounsel.backends.chat import ChatGenerator, about_tokens
from psychocounsel.backends.llm_judge import prompts
from psychocounsel.collect import read_source
from psychocounsel.endpoints import Sampling, server_of
from psychocounsel.errors import BackendError, TooLittleDataError
from psychocounsel.evaluate.lineage import Lineage, in_order, judge_of
from psychocounsel.generate.stage import further_asks, rated_asks
from psychocounsel.principles import Rubric, load_rubric
from psychocounsel.probes.items import probe_pairs
from psychocounsel.recipe import OWN_POLICIES, SOURCE, STAGES, Judging, Recipe
from psychocounsel.records import AT_RISK, ClientSpeech
from psychocounsel.tables import read_records

Add = Callable[[str, str, int, int, int], None]
WORDS = 120
"""Words of a response that is not there yet."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one stage asks of one model."""

    stage: str
    spec: str
    calls: int
    tokens_in: int
    """About."""
    tokens_out: int
    """At most."""
    price: float | None
    """At most, in the recipe's currency; None where the recipe has no price for the model."""
    seconds: float | None
    """At the rate that the recipe states; None where it states none."""


def costs(recipe: Recipe) -> list[Cost]:
    """Return what every stage asks of every model behind a server; nothing is called.

    Before `collect` is done the rows of the source stand for its speeches, all of them as train speeches.
    """
    speeches = _speeches(recipe)
    asked: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])

    def add(stage: str, spec: str, calls: int, tokens_in: int, tokens_out: int) -> None:
        if server_of(spec):
            for place, amount in enumerate((calls, calls * tokens_in, calls * tokens_out)):
                asked[stage, spec][place] += amount

    rubric = load_rubric(recipe.rate.rubric)
    blank = " ".join(["word"] * WORDS)
    if not recipe.evaluates_others_only:
        _labelling(recipe, speeches, rubric, blank, add)
    known = [s for s in speeches if s.split == "test" or recipe.evaluate.speeches == "all"]
    # Before the split is known, its share: every k-th speech stands for the test speeches.
    share = max(1, round(1 / recipe.collect.split.test)) if recipe.collect.split.test else 1
    tests = known or list(islice(speeches, 0, None, share))
    _evaluation(recipe, tests, rubric, blank, add)
    return [_cost(recipe, stage, spec, *amounts) for (stage, spec), amounts in asked.items()]


def _labelling(recipe: Recipe, speeches: list[ClientSpeech], rubric: Rubric, blank: str, add: Add) -> None:
    """What is generated, and every rating of it."""
    section = recipe.generate
    members = expand_pool([m for m in section.pool if m.spec != SOURCE])
    sampling = {m.spec: m.sampling or section.sampling for m in members}
    rated = rated_asks(speeches, members, section.per_speech, recipe.seed) if members else []
    further = further_asks(speeches, members, section, recipe.max_words, recipe.seed) if members else []
    for ask in (*rated, *further):
        if server_of(ask.spec):
            out = sampling[ask.spec].max_tokens or 256
            add("generate", ask.spec, 1, _prompt_tokens(ask.spec, sampling[ask.spec], ask.speech), out)
    for judge in recipe.labellers:
        for ask in (*rated, *(further if recipe.rate.further else [])):
            if server_of(judge):
                messages = prompts.rating(rubric, ask.speech.conversation, blank)
                add("rate", judge, recipe.rate.judging.samples, *_judging(messages, recipe.rate.judging))


def _evaluation(recipe: Recipe, tests: list[ClientSpeech], rubric: Rubric, blank: str, add: Add) -> None:
    """Each two that meet are judged twice in two orders; models behind servers answer twice."""
    section, sampling = recipe.evaluate, recipe.generate.sampling
    models = section.models or dict.fromkeys(OWN_POLICIES, "")
    count = len(models)
    meetings = count + (count * (count - 1) // 2 if section.league else 0)
    for speech in tests:
        messages = prompts.comparing(rubric, speech.conversation, blank, blank, at_once=False)
        for judge in section.judges:
            add("evaluate", judge, 4 * meetings, *_judging(messages, section.judging))
        for spec in (*models.values(), section.reference):
            if server_of(spec):
                add("evaluate", spec, 2, _prompt_tokens(spec, sampling, speech), sampling.max_tokens or 256)
    if section.risk_judge:
        for speech in tests:
            if speech.risk_level in AT_RISK:
                messages = prompts.rating(rubric, speech.conversation, blank)
                add("evaluate", section.risk_judge, 2 * (count + 1), *_judging(messages, section.judging))
    if section.probes:
        for judge in section.judges if any(map(server_of, section.judges)) else []:
            for pair in probe_pairs():
                messages = prompts.comparing(rubric, pair.conversation, pair.sound, pair.tempting, at_once=False)
                add("evaluate", judge, 2, *_judging(messages, section.judging))
    if recipe.evaluates_others_only:
        return
    # Beside the verdicts the judge that stands furthest from the labels rates what the reward model is held against.
    lineage = Lineage((), tuple(recipe.labellers))
    held_out = in_order(judge_of(spec, False, lineage) for spec in section.judges)[0].spec
    for speech in tests:
        messages = prompts.rating(rubric, speech.conversation, blank)
        add("evaluate", held_out, recipe.generate.per_speech, *_judging(messages, section.judging))
    for speech in tests[:1]:
        messages = prompts.rating(rubric, speech.conversation, blank)
        kept = recipe.align.dev_speeches * (2 + recipe.align.iterate.rounds)
        add("evaluate", held_out, kept, *_judging(messages, section.judging))


def _speeches(recipe: Recipe) -> list[ClientSpeech]:
    try:
        return read_records(recipe.output / layout.SPEECHES, ClientSpeech)
    except Exception:  # not collected yet, or made by another version: the source itself is asked
        rows = (row for row in read_source(recipe.collect) if not row.fault and row.text)
        found = [ClientSpeech.make(row.text, row.earlier) for row in islice(rows, recipe.collect.limit)]
        if not found:
            raise TooLittleDataError("plan: the source has no client speech.") from None
        return found


def _prompt_tokens(spec: str, sampling: Sampling, speech: ClientSpeech) -> int:
    request = ChatGenerator(spec, None, sampling).request(speech.conversation, 0)  # type: ignore[arg-type]
    return about_tokens(request | {"max_tokens": 0})


def _judging(messages: list[dict[str, str]], judging: Judging) -> tuple[int, int]:
    return about_tokens({"messages": messages, "max_tokens": 0}), judging.max_tokens or 256


def _cost(recipe: Recipe, stage: str, spec: str, calls: int, tokens_in: int, tokens_out: int) -> Cost:
    name, _, model = spec.partition("/")
    endpoint = recipe.endpoint(name)
    price = endpoint.price(model)
    half = 0.5 if endpoint.batch else 1.0
    total = None if price is None else half * (price.input * tokens_in + price.output * tokens_out) / 1e6
    times = [calls / endpoint.requests_per_second] if endpoint.requests_per_second else []
    times += [(tokens_in + tokens_out) * 60 / endpoint.tokens_per_minute] if endpoint.tokens_per_minute else []
    return Cost(stage, spec, calls, tokens_in, tokens_out, total, max(times) if times else None)


def used_specs(recipe: Recipe) -> list[str]:
    """Return every backend that a recipe's stages ask, as far as its `until`, and that stands behind a server."""
    last = STAGES.index(recipe.until)
    judged = recipe.evaluate.specs if last >= STAGES.index("evaluate") else ()
    trained = () if recipe.evaluates_others_only else (*recipe.generate.specs, *recipe.labellers)
    named: Iterable[str] = (*trained, *judged)
    return sorted({spec for spec in named if server_of(spec)})


def check_offline(recipe: Recipe) -> None:
    """Refuse what can be known to fail before anything is sent: egress, keys, prices. Raises BackendError."""
    specs = used_specs(recipe)
    check_egress(recipe, specs, [])
    for spec in specs:
        name, _, model = spec.partition("/")
        endpoint = recipe.endpoint(name)
        key_from(endpoint.key_variable)
        if endpoint.max_cost is not None and endpoint.price(model) is None:
            raise BackendError(
                f"endpoints.{name} has a max_cost and no price for {model}. Add prices: {{{model}: {{input: .., "
                "output: ..}} or a default, for a million tokens."
            )


def check_servers(recipe: Recipe) -> None:
    """Ask each server which models it has: no client text, no cost. Raises BackendError for what would fail later."""
    for spec in used_specs(recipe):
        name, _, model = spec.partition("/")
        endpoint = recipe.endpoint(name)
        listed = models_of(endpoint.url, key_from(endpoint.key_variable), local=is_loopback(endpoint.url))
        if listed and model not in listed:
            near = difflib.get_close_matches(model, listed, n=1) or sorted(listed)[:5]
            raise BackendError(f"{endpoint.url} has no model {model}; it has {', '.join(near)} ({len(listed)} in all).")
