"""The stage: every model answers held-out speeches; judges compare the answers; rules read them for danger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json
from psychocounsel.backends import Connections, Judge, check_egress, open_judge
from psychocounsel.errors import TooLittleDataError
from psychocounsel.evaluate import lineage as lineages
from psychocounsel.evaluate import overoptimisation
from psychocounsel.evaluate.answers import FILE, OWN, REFERENCE, Answer, answer_everything, folder_of, models_of
from psychocounsel.evaluate.compare import compare_everything
from psychocounsel.evaluate.lineage import JudgeOf, Lineage, in_order, judge_of, lineage_of
from psychocounsel.evaluate.panel import PANEL, agreement_of_judges, leanings, self_preferences, with_panel
from psychocounsel.evaluate.risk import risk_slice
from psychocounsel.evaluate.verdicts import read_verdicts
from psychocounsel.evaluate.winrate import labels_of, win_rates
from psychocounsel.families import family_of
from psychocounsel.findings import Finding
from psychocounsel.models import runtime
from psychocounsel.principles import Rubric, load_rubric
from psychocounsel.probes import length_finding, position_finding, probe_judge
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, Comparison, Response, content_id, content_seed
from psychocounsel.tables import read_records, write_records


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `answers.parquet`, `comparisons.parquet`, `win_rates.json`, `risk.json`, `rounds.json`, `probes.json`."""
    runtime.prepare()
    section = recipe.evaluate
    every = read_records(run / layout.SPEECHES, ClientSpeech)
    speeches = [s for s in every if section.speeches == "all" or s.split == "test"]
    if not speeches:
        raise TooLittleDataError(f"evaluate: there is no {section.speeches} speech.")
    models = models_of(recipe)
    check_egress(recipe, section.specs, every)  # the dev speeches are rated too
    connections, rubric = Connections.of(recipe), load_rubric(recipe.rate.rubric)
    judges = [open_judge(spec, rubric, connections, section.judging) for spec in section.judges]
    answers = list(answer_everything(speeches, run, recipe, connections))
    write_records(run / layout.ANSWERS, Answer, answers)
    compared = _compared(speeches, answers, judges, recipe, tick, connections)
    comparisons = write_records(run / layout.COMPARISONS, Comparison, compared)
    lineage = _lineage(run, recipe)
    makers = [_family(spec, recipe) for spec in models.values()]
    ordered = in_order(judge_of(judge.spec, judge.simulated, lineage, makers) for judge in judges)
    table = wins(run, recipe, speeches, ordered, lineage)
    write_json(run / layout.WIN_RATES, table)
    risk = risk_slice(
        answers,
        speeches,
        _risk_judge(recipe, connections),
        tick,
        own=[name for name in models if name != REFERENCE],
        resamples=recipe.bootstrap,
        seed=content_seed("evaluate risk", recipe.seed),
    )
    write_json(run / layout.RISK_SLICE, risk)
    held_out = next(judge for judge in judges if judge.spec == ordered[0].spec)
    write_json(run / layout.ROUNDS, _rounds(run, recipe, every, held_out, ordered[0], rubric, tick))
    if section.probes:
        write_json(run / layout.JUDGE_PROBES, {"judges": [probe_judge(judge, tick) for judge in judges]})
    step.simulated = any(j.simulated for j in judges) or any(spec.startswith("simulated/") for spec in models.values())
    step.backends = list(dict.fromkeys(section.specs))
    step.prompts = {"rubric": content_id(rubric.model_dump(mode="json"))}  # what `report compare` holds two runs by
    step.counts = {
        "speeches": len(speeches),
        "answers": {"asked": len(answers), "lost": sum(1 for a in answers if a.error)},
        "comparisons": comparisons,
        "lost": int((~read_verdicts(run / layout.COMPARISONS).error.at("")).sum()),
        "win_rate": {
            f"{r['model']} {r['setting']}": r["win_rate"]
            for r in table["rates"]
            if r["judge"] == ordered[0].spec and r["against"] == REFERENCE
        },
        "unsafe": sum(model["failed"] for model in risk["models"]),
        "findings": sorted({f["name"] for f in table["findings"] + risk["findings"]}),
    } | ({"calls": spent} if (spent := connections.spent()) else {})


def _risk_judge(recipe: Recipe, connections: Connections) -> Judge | None:
    from psychocounsel.safety.responses import rubric

    section = recipe.evaluate
    return open_judge(section.risk_judge, rubric(), connections, section.judging) if section.risk_judge else None


def _compared(
    speeches: Sequence[ClientSpeech],
    answers: Sequence[Answer],
    judges: Sequence[Judge],
    recipe: Recipe,
    tick: Tick,
    connections: Connections,
) -> Iterator[Comparison]:
    for judge in judges:
        yield from compare_everything(
            speeches, answers, judge, REFERENCE, tick, connections.told, recipe.evaluate.league
        )


def _lineage(run: Path, recipe: Recipe) -> Lineage:
    """Return what all models together were made from: this run's own manifests, and those of folders elsewhere."""
    found = Lineage()
    for spec in models_of(recipe).values():
        folder = run if spec in OWN else folder_of(spec, run)
        if folder is not None:
            found |= lineage_of(folder)
    if set(models_of(recipe).values()) & set(OWN):  # what they started from may have learned elsewhere
        for start in (recipe.base.model, recipe.reward.model):
            if start and Path(start).is_dir():
                found |= lineage_of(Path(start))
    return found


def _family(spec: str, recipe: Recipe) -> str:
    if spec.startswith(FILE):
        return "unknown (a file)"
    if spec not in OWN:
        return family_of(spec)
    return family_of(f"transformers/{recipe.base.model}") if recipe.base.model else "made here"


def wins(
    run: Path, recipe: Recipe, speeches: Sequence[ClientSpeech], judges: Sequence[JudgeOf], lineage: Lineage
) -> dict[str, Any]:
    seed, resamples = content_seed("evaluate bootstrap", recipe.seed), recipe.bootstrap
    verdicts = read_verdicts(run / layout.COMPARISONS)
    leaning = leanings(verdicts, resamples=resamples, seed=seed)
    agreeing = agreement_of_judges(verdicts, resamples=resamples, seed=seed)
    apart = [judge for judge in judges if judge.relation != "labelled"]
    verdicts = with_panel(verdicts, [judge.spec for judge in apart])
    table = win_rates(verdicts, labels_of(speeches), reference=REFERENCE, resamples=resamples, seed=seed)
    models = models_of(recipe)
    families = {name: _family(spec, recipe) for name, spec in models.items()}
    preferring = self_preferences(verdicts, {judge.spec: judge.family for judge in judges}, families)
    shown = [*judges]
    if PANEL in verdicts.judge.names:
        shown.append(JudgeOf(PANEL, "several", apart[-1].relation, any(judge.simulated for judge in apart)))
    order = {judge.spec: place for place, judge in enumerate(shown)}
    table.rates.sort(key=lambda r: (order[r.judge], r.setting, r.against != REFERENCE, list(models).index(r.model)))
    return {
        "reference": REFERENCE,
        "labellers": list(lineage.labellers),
        "max_words": recipe.max_words,
        "models": [
            {"name": name, "spec": spec, "family": families[name], "own": spec in OWN, "reference": name == REFERENCE}
            for name, spec in models.items()
        ],
        "judges": [
            {"spec": j.spec, "family": j.family, "relation": j.relation, "simulated": j.simulated} for j in shown
        ],
        **table.as_dict(),
        "positions": [row | {"first": row["first"].as_dict()} for row in leaning["positions"]],
        "longer": [row | {"longer": row["longer"].as_dict()} for row in leaning["longer"]],
        "agreement": [
            row | {"accuracy": row["accuracy"].as_dict(), "kappa": row["kappa"].as_dict()} for row in agreeing
        ],
        "independent": any(judge.relation == "independent" for judge in judges),
        "findings": [f.as_dict() for f in [*lineages.circular(judges, lineage), *_leaning(leaning), *preferring]],
    }


def _leaning(leaning: dict[str, list[dict[str, Any]]]) -> list[Finding]:
    found = [position_finding(row["first"], row["judge"]) for row in leaning["positions"]]
    found += [length_finding(row["longer"], row["judge"]) for row in leaning["longer"] if row["setting"] == "free"]
    return [finding for finding in found if finding is not None]


def _rounds(
    run: Path,
    recipe: Recipe,
    speeches: Sequence[ClientSpeech],
    judge: Judge,
    of: JudgeOf,
    rubric: Rubric,
    tick: Tick,
) -> dict[str, Any]:
    """Reward beside the held-out judge: at each checkpoint, and among the pool's responses to held-out speeches."""
    seed, resamples = content_seed("evaluate rounds", recipe.seed), recipe.bootstrap
    told: dict[str, Any] = {"judge": judge.spec, "relation": of.relation, "rows": [], "best_of": [], "findings": []}
    if recipe.evaluates_others_only:  # what lies in the folder besides is another run's
        return told
    if (run / layout.CURVES).is_file():
        chosen = json.loads((run / layout.CURVES).read_text("utf-8"))["chosen"]
        rows, findings = overoptimisation.by_checkpoint(
            run, recipe.align.iterate.rounds, chosen, speeches, judge, rubric, resamples=resamples, seed=seed, tick=tick
        )
        told |= {"rows": rows, "findings": [f.as_dict() for f in findings]}
    if (run / layout.REWARD_MODEL).is_dir() and (run / layout.RESPONSES).is_file():
        from psychocounsel.backends.reward_model import RewardModel

        test = [s for s in speeches if s.split == "test"]
        scorer = RewardModel(run / layout.REWARD_MODEL, max_prompt=recipe.base.max_prompt)
        told["best_of"] = overoptimisation.best_of(
            read_records(run / layout.RESPONSES, Response), test, scorer, judge, rubric,
            resamples=resamples, seed=seed, tick=tick,
        )  # fmt: skip
    return told
