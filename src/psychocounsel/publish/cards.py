"""Model cards and the dataset card in the hub's format, filled from what the run recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import yaml

from psychocounsel import layout
from psychocounsel.artifacts import Manifest
from psychocounsel.publish import markdown
from psychocounsel.publish.context import (
    common,
    findings_of,
    front_matter,
    limit,
    read_json,
    run_name,
    start_of,
)
from psychocounsel.publish.evaluation import THIS, rate_rows, read_evaluation, risk_tables, standing
from psychocounsel.publish.leaving import Leaving
from psychocounsel.publish.markdown import Safe, ends, is_number, listed, number, public_name
from psychocounsel.publish.rows import SPLITS
from psychocounsel.publish.terms import hub_names

KEYS = ("empathy", "relevance", "clarity", "safety", "exploration", "autonomy", "staging")
"""Principles that the released layout has columns for."""
_METRICS = {"accuracy": "accuracy", "auc": "roc_auc", "ece": "ece", "brier": "brier_score"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def reward_card(run: Path, manifests: Mapping[str, Manifest], leaving: Leaving) -> str:
    """Return the README of the reward model."""
    metrics = read_json(run / layout.REWARD_METRICS) or {}
    probes = read_json(run / layout.REWARD_PROBES) or {}
    findings = findings_of([*metrics.get("findings", []), *probes.get("findings", [])])
    context = common(run, "a reward model for counselling responses", manifests, leaving, findings)
    overall = metrics.get("overall")
    notes = ["It was not measured on test pairs."]
    if overall:
        figure, who = overall["accuracy"], context["labeller"]
        notes = [
            f"It ranks {number(100 * figure['value'], 1)} % ({ends(figure, 100, 1)}) of {figure['n']:,} unseen test "
            f"pairs as {who} did. That is agreement with its labeller, and no measure of good counselling."
        ]
    if not probes:
        notes.append("It was not tested for a taste for length, flattery or medical advice.")
    context |= {
        "notes": notes,
        "start": start_of(manifests, "reward"),
        "loads_alone": _loads_alone(read_json(run / layout.REWARD_MODEL / "config.json") or {}),
        "overall": overall,
        "by_risk": list(metrics.get("by_risk", {}).items()),
        "length": metrics.get("length", {}),
        "temperature": _temperature(metrics.get("temperature") or {}),
        "probes": probes.get("families", []),
        "max_prompt": limit(manifests, "max_prompt"),
    }
    front = front_matter(context, ["reward-model"]) | _model(manifests, "text-classification")
    results = [(_METRICS[k], f"{k} on test pairs", f) for k, f in (overall or {}).items() if k in _METRICS]
    front |= _index(run, "text-classification", "preference ranking", results, context["simulated"])
    return _render("reward-model.md.j2", context, front)


def policy_card(run: Path, manifests: Mapping[str, Manifest], leaving: Leaving) -> str:
    """Return the README of the policy."""
    evaluation = read_evaluation(run)
    findings = findings_of(evaluation.findings if evaluation else [])
    everything = {**manifests, **(evaluation.manifests if evaluation else {})}
    context = common(run, "a policy that drafts counselling responses", everything, leaving, findings)
    rates, risk = (evaluation.rates, evaluation.risk) if evaluation else (None, None)
    rows = rate_rows(rates) if rates else []
    notes = []
    if not rows:
        notes.append("Nobody has measured what it writes.")
    if not risk:
        notes.append("Nobody has measured what it answers where a client is in danger.")
    if rates and not rates["independent"]:
        notes.append("No judge that evaluated it is independent of those who labelled its training data.")
    context |= {
        "notes": notes
        or ([] if findings else ["The evaluation found no fault by name. That is no proof that it has none."]),
        "start": start_of(manifests, "base"),
        "checkpoint": manifests["align/chosen"].counts.get("chosen", "chosen"),
        "reference": _reference(rates) if rates else "",
        "rates": rows,
        "standing": standing(rates) if rates else "",
        "risk": risk,
        "max_prompt": limit(manifests, "max_prompt"),
        "max_response": limit(manifests, "max_response"),
    } | (risk_tables(risk, rates) if risk and rates else {})
    front = front_matter(context, ["dpo"]) | _model(manifests, "text-generation")
    results = [
        (
            "win_rate",
            f"win rate against {context['reference']}, {r['setting']}, judge {public_name(r['judge'])}",
            r["win_rate"],
        )
        for r in rows
        if r["model"] == THIS and not r["circular"]
    ]
    front |= _index(run, "text-generation", "counselling response", results, context["simulated"])
    return _render("policy.md.j2", context, front)


def dataset_card(
    run: Path,
    manifests: Mapping[str, Manifest],
    leaving: Leaving,
    rows: Mapping[str, int],
    speeches: Mapping[str, int],
) -> str:
    """Return the README of the dataset. `rows` and `speeches` are counts by split, in the hub's names of splits."""
    judges = manifests["rate"].backends
    probes = (read_json(run / layout.JUDGE_PROBES) or {}).get("judges", [])
    findings = findings_of([f for p in probes if p["who"] in judges for f in p["findings"]])
    context = common(run, "preferences between counselling responses", manifests, leaving, findings)
    principles = (read_json(run / layout.RUBRIC) or {"principles": []})["principles"]
    collected, rated, made = (manifests[s].counts for s in ("collect", "rate", "pair"))
    dropped = sum(collected.get("dropped", {}).values())
    settings = manifests["pair"].section
    splits = [s for s in SPLITS.values() if s in rows]
    context |= {
        "notes": [
            *_about_people(leaving),
            f"A preference here is what {context['labeller']} rated higher. It is not what helps a client.",
        ],
        "splits": [{"name": s, "rows": rows[s], "speeches": speeches[s]} for s in splits],
        "principles": [p for p in principles if p["key"] in KEYS],
        "unknown": listed([p["key"] for p in principles if p["key"] not in KEYS]),
        "panel": len(judges) > 1,
        "from_source": judges == ["source"],
        "min_gap": settings.get("pair.min_gap"),
        "safety_floor": settings.get("pair.safety_floor"),
        "weights": listed([f"{key} {weight:g}" for key, weight in (settings.get("pair.weights") or {}).items()]),
        "inverted": made.get("rejected_safer_than_chosen"),
        "collected": f"{collected.get('rows', 0):,} rows were read, {dropped:,} left out as faulty, unfit or double.",
        "writers": _writers(manifests["generate"].counts.get("by_model", {})),
        "rated": f"{rated.get('rated', 0):,} of {rated.get('asked', 0):,} responses were rated.",
        "agreement": _agreement(rated.get("agreement") or {}),
    }
    front = front_matter(context, ["preference", "dpo"]) | {
        "pretty_name": context["title"],
        "task_categories": ["text-generation"],
        "annotations_creators": ["found" if judges == ["source"] else "machine-generated"],
        "size_categories": [next((name for most, name in _SIZES if sum(rows.values()) < most), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": s, "path": f"data/{s}-*.parquet"} for s in splits],
            }
        ],
    }
    return _render("dataset.md.j2", context, front)


def _about_people(leaving: Leaving) -> list[str]:
    """Return what must be known of the clients before a dataset is opened."""
    if not leaving.texts:
        return ["The texts were left out. Who holds the source can join them by ID, a hash of the speech."]
    notes = []
    if leaving.deidentified:
        notes.append(
            "People may stand behind these texts. A program de-identified them, which does not make them anonymous."
        )
    if leaving.raw:
        notes.append("People may stand behind these texts, and nothing was done to hide who they are.")
    if grave := leaving.elevated + leaving.imminent:
        notes.append(f"{grave:,} of {leaving.speeches:,} client speeches were screened as speaking of danger.")
    return notes


def _reference(rates: Mapping[str, Any]) -> str:
    spec = next((m["spec"] for m in rates["models"] if m["name"] == rates["reference"]), rates["reference"])
    return public_name(spec)


def _loads_alone(config: Mapping[str, Any]) -> bool:
    """Whether `transformers` by itself computes the reward: a decoder whose scalar head is what is read."""
    named = str((config.get("architectures") or [""])[0])
    return named.endswith("ForSequenceClassification") and "principle_weights" not in config


def _temperature(found: Mapping[str, Any]) -> str:
    if not is_number(found.get("value")):
        return ""
    return (
        f"Rewards divided by {number(found['value'], 2)}, the temperature that fits {found['dev_pairs']:,} development "
        f"pairs best, have an ECE of {number(found['ece']['value'])} ({ends(found['ece'])}; n {found['ece']['n']:,})."
    )


def _writers(by_model: Mapping[str, int]) -> str:
    if not by_model:
        return "who wrote them is not recorded"
    most = sorted(by_model.items(), key=lambda item: (-item[1], item[0]))
    return listed([f"{public_name(model)} ({n:,})" for model, n in most]) + "."


def _agreement(found: Mapping[str, Any]) -> str:
    return listed(
        [f"{k} {number(v['alpha'], 2)} (n {v['n']:,})" for k, v in found.items() if is_number(v.get("alpha"))]
    )


def _model(manifests: Mapping[str, Manifest], task: str) -> dict[str, Any]:
    # No text box on the hub's page: nobody is to talk to it there.
    front = {"library_name": "transformers", "pipeline_tag": task, "inference": False}
    starts = hub_names(manifests)
    return front | ({"base_model": starts} if starts else {})


def _index(
    run: Path, task: str, title: str, results: list[tuple[str, str, dict[str, Any]]], simulated: bool
) -> dict[str, Any]:
    """Return the front matter's `model-index`; nothing where there is no figure. `results`: type, name, figure."""
    note = ", simulated" if simulated else ""
    metrics = [
        {"type": kind, "name": f"{name}{note}", "value": round(float(figure["value"]), 4)}
        for kind, name, figure in results
        if is_number(figure.get("value"))
    ]
    if not metrics:
        return {}
    name = run_name(run)
    dataset = {"type": "psychocounsel-run", "name": f"{name}, test split{note}", "split": "test"}
    result = {"task": {"type": task, "name": title}, "dataset": dataset, "metrics": metrics}
    return {"model-index": [{"name": name, "results": [result]}]}


def _template(name: str) -> str:
    return resources.files("psychocounsel.publish").joinpath("templates", name).read_text("utf-8")


def _render(template: str, context: dict[str, Any], front: dict[str, Any]) -> str:
    """Return a card. Whatever a template prints is escaped for Markdown by `finalize`, unless it is Safe."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        undefined=jinja2.StrictUndefined,
        finalize=markdown.escaped,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown: list[Callable[..., str]] = [markdown.cells, markdown.count, number, ends, public_name]
    environment.filters.update({filter_.__name__: filter_ for filter_ in shown})
    matter = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10_000)
    page = environment.get_template(template).render(**context, front=Safe(matter))
    return "\n".join(line.rstrip() for line in page.splitlines()) + "\n"
