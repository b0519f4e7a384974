"""The stage: held-out speeches are answered by every policy and the reference, and judged pairwise."""

from __future__ import annotations

from pathlib import Path

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json
from psychocounsel.backends import Connections, Generator, check_egress, open_generator, open_judge
from psychocounsel.errors import TooLittleDataError
from psychocounsel.evaluate.winrate import Answer, compare_everything, win_rates
from psychocounsel.models import runtime
from psychocounsel.principles import load_rubric
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, Comparison, content_seed
from psychocounsel.tables import read_records, write_records

POLICIES = {"base": layout.BASE_MODEL, "dpo": layout.DPO_MODEL, "dpo-iter": layout.CHOSEN_MODEL}
REFERENCE = "reference"


def answer_all(
    name: str, generator: Generator, speeches: list[ClientSpeech], setting: str, max_words: int | None, seed: int
) -> list[Answer]:
    """Let one model answer every speech. The seed is the same for every policy: they differ by their weights alone."""
    seeds = [content_seed("evaluate", seed, setting, speech.id) for speech in speeches]
    completions = generator.generate([speech.conversation for speech in speeches], seeds, max_words)
    return [
        Answer(speech.id, setting, name, completion.text, completion.error)
        for speech, completion in zip(speeches, completions, strict=True)
    ]


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `answers.parquet`, `comparisons.parquet` and `win_rates.json`."""
    runtime.prepare()
    from psychocounsel.backends.transformers_local import LocalPolicy

    section = recipe.evaluate
    speeches = [s for s in read_records(run / layout.SPEECHES, ClientSpeech) if s.split == "test"]
    if not speeches:
        raise TooLittleDataError("evaluate: there is no test speech.")
    check_egress(recipe, (section.judge, section.reference), speeches)
    connections = Connections.of(recipe)
    judge = open_judge(section.judge, load_rubric(recipe.rate.rubric), connections, section.judging)
    reference = open_generator(section.reference, connections, recipe.generate.sampling)

    def opened(name: str) -> Generator:
        return LocalPolicy(
            run / POLICIES[name],
            temperature=section.temperature,
            max_prompt=recipe.base.max_prompt,
            max_tokens=recipe.base.max_response,
        )

    answers: list[Answer] = []
    for name in (*POLICIES, REFERENCE):  # a policy at a time is in memory
        generator = reference if name == REFERENCE else opened(name)
        for setting, max_words in (("free", None), ("length-constrained", recipe.max_words)):
            answers += answer_all(name, generator, speeches, setting, max_words, recipe.seed)
        del generator
        runtime.give_back_memory()
    write_records(run / layout.ANSWERS, Answer, answers)
    comparisons = compare_everything(speeches, answers, judge, REFERENCE, tick, connections.told)
    write_records(run / layout.COMPARISONS, Comparison, comparisons)
    seed = content_seed("evaluate bootstrap", recipe.seed)
    rates = win_rates(comparisons, resamples=recipe.bootstrap, seed=seed, risk_of={s.id: s.screened for s in speeches})
    step.simulated = judge.simulated or reference.simulated
    step.backends = [judge.spec, section.reference]
    found = {"judge": judge.spec, "labeller": recipe.rate.judge, "reference": section.reference}
    write_json(run / layout.WIN_RATES, found | {"max_words": recipe.max_words, "rates": [r.as_dict() for r in rates]})
    step.counts = {
        "speeches": len(speeches),
        "comparisons": len(comparisons),
        "lost": sum(1 for c in comparisons if c.error),
        "win_rate": {f"{r.model} {r.setting}": r.win_rate.as_dict() for r in rates},
    } | ({"calls": spent} if (spent := connections.spent()) else {})
