"""What every card says, read from the manifests: findings, training, digests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from psychocounsel import __version__
from psychocounsel.artifacts import Manifest, read_manifest
from psychocounsel.errors import ArtifactError
from psychocounsel.publish.leaving import Leaving
from psychocounsel.publish.markdown import (
    ABSENT,
    Safe,
    duration,
    ends,
    escaped,
    is_number,
    listed,
    number,
    one_line,
    public_name,
)
from psychocounsel.publish.terms import Part, licence_of, parts_of

RULES = ("simulated/", "offline/")
_DID = {"generate": "responses", "rate": "ratings", "evaluate": "verdicts of the evaluation"}
_SETTINGS = (
    *("learn", "epochs", "learning_rate", "batch", "schedule", "warmup", "precision", "lora", "beta", "loss"),
    *("label_smoothing", "sft", "margin", "centring", "principles", "warm_start", "speeches", "candidates"),
    *("temperature", "limited", "repeat", "length_penalty", "reference"),
)
"""Recipe keys that a card shows. A list of what may be shown: paths and servers of this machine may not."""


def _hardware(manifests: Mapping[str, Manifest]) -> str:
    machines = list(dict.fromkeys(m.machine for m in manifests.values() if m.machine))
    return f"Made on {'; '.join(machines)}." if machines else "The records do not say on what hardware."


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a stage's file, None where there is none. Raises ArtifactError where it is no JSON."""
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ArtifactError(f"{path} is not valid JSON. Run its recipe again to make it anew.") from None
    return content


def run_name(run: Path) -> str:
    """Return the name that the recipe gave the run, or its folder's."""
    report = read_manifest(run / "report")
    return one_line((report.section.get("name") if report else None) or run.resolve().name)


def common(
    run: Path, kind: str, manifests: Mapping[str, Manifest], leaving: Leaving, findings: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what all templates need."""
    parts = parts_of(manifests)
    simulated = any(m.simulated for m in manifests.values())
    stood_in = [
        what
        for step, what in _DID.items()
        if step in manifests and any(b.startswith(RULES) for b in manifests[step].backends)
    ]
    languages = manifests["collect"].section.get("collect.languages") or []
    return {
        "title": f"{run_name(run)}: {kind}",
        "version": __version__,
        "simulated": simulated,
        "simulated_note": Safe(" (simulated)" if simulated else ""),
        "stood_in": listed(stood_in) if stood_in else "data",
        "findings": findings,
        "notes": [],
        "leaving": leaving,
        "source": parts[0],
        "parts": parts,
        "licence": licence_of(parts),
        "cited": [part for part in parts if part.citation],
        "language": ", ".join(languages) or "not recorded",
        "labeller": labeller(manifests),
        "steps": [row for name, m in manifests.items() if (row := _trained(name, m))],
        "wall": duration(sum(m.wall_seconds for m in manifests.values())),
        "seed": manifests["collect"].seed,
        "hardware": _hardware(manifests),
        "digests": [
            {"step": name, "digest": m.digest, "created": m.created, "version": m.package_version}
            for name, m in manifests.items()
        ],
    }


def front_matter(context: Mapping[str, Any], tags: list[str]) -> dict[str, Any]:
    """Return the metadata that all cards have."""
    languages = [] if context["language"] == "not recorded" else context["language"].split(", ")
    licence = context["licence"]
    named = {"license_name": "terms-of-the-parts", "license_link": "LICENSE.md"} if licence == "other" else {}
    simulated = ["simulated"] if context["simulated"] else []
    found = {"language": languages} if languages else {}
    return found | {"license": licence} | named | {"tags": ["psychocounsel", "counselling", *tags, *simulated]}


def licence_text(parts: list[Part]) -> str:
    """Return `LICENSE.md`: every part's licence in its own words."""
    lines = [
        "# Licences",
        "",
        "Every line holds for its part. Where terms are not known, ask before you use or share it.",
        "",
    ]
    for part in parts:
        home = f" ({escaped(part.home)})" if part.home else ""
        lines += [f"- {escaped(part.what)}, {escaped(part.of)}{home}: {escaped(part.licence)}"]
    return "\n".join(lines) + "\n"


def origin(manifests: Mapping[str, Manifest]) -> dict[str, Any]:
    """Return who wrote and who labelled what this was made from, with versions and digests."""
    by_step = {
        step: [public_name(b) for b in manifests[step].backends] for step in ("generate", "rate") if step in manifests
    }
    return {
        "package_version": __version__,
        "simulated": any(m.simulated for m in manifests.values()),
        "generators": by_step.get("generate", []),
        "labellers": by_step.get("rate", []),
        "steps": {name: {"digest": m.digest, "version": m.package_version} for name, m in manifests.items()},
    }


def labeller(manifests: Mapping[str, Manifest]) -> str:
    """Return in words who rated the responses."""
    judges = manifests["rate"].backends if "rate" in manifests else []
    if judges == ["source"]:
        return "the raters of the source"
    names = [public_name(judge) for judge in judges]
    if not names:
        return "a labeller that is not recorded"
    kind = "rule-based judge" if all(j.startswith("offline/") for j in judges) else "judge"
    return f"the {kind} {names[0]}" if len(names) == 1 else f"a panel of {len(names)} judges ({', '.join(names)})"


def findings_of(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return findings as lines of a card, each once."""
    lines: dict[tuple[str, str, str], dict[str, Any]] = {}
    for finding in found:
        who = str(finding["who"])
        says = str(finding["says"]).replace(who, public_name(who))
        figure = finding.get("figure")
        shown = ""
        if figure and is_number(figure.get("value")) and not any(c.isdigit() for c in says.replace(who, "")):
            shown = f" (Figure: {number(figure['value'])}, 95 % interval {ends(figure)}, n {figure['n']:,}.)"
        lines[finding["name"], who, says] = {
            "name": finding["name"], "who": public_name(who), "says": says, "figure": Safe(shown)
        }  # fmt: skip
    return list(lines.values())


def start_of(manifests: Mapping[str, Manifest], step: str) -> str:
    """Return in words what weights a model began as."""
    given = manifests[step].section.get(f"{step}.model") if step in manifests else None
    if given:
        return public_name(given)
    if "base" not in manifests:
        return "a model that is not recorded"
    base = manifests["base"]
    size = f"{base.counts['parameters']:,} parameters" if "parameters" in base.counts else "size not recorded"
    if base.section.get("base.model"):
        return f"{public_name(base.section['base.model'])} ({size})"
    return f"a small Llama with random weights, made for this run ({size})"


def limit(manifests: Mapping[str, Manifest], name: str) -> int:
    """Return `base.max_prompt` or `base.max_response`, in tokens."""
    for manifest in manifests.values():
        if f"base.{name}" in manifest.section:
            return int(manifest.section[f"base.{name}"])
    raise ArtifactError(f"no manifest of the run says what base.{name} was. Run its recipe again.")


def _trained(step: str, manifest: Manifest) -> dict[str, Any] | None:
    """Return a row of the training table, None for a step that trains nothing."""
    counts = manifest.counts
    if not counts.get("steps"):
        return None
    shown = []
    for key, value in manifest.section.items():
        name = key.rpartition(".")[2]
        prefix = "align.iterate." if step.startswith("align/round") else f"{step.replace('/', '.')}."
        if key == f"{prefix}{name}" and name in _SETTINGS and (text := _setting(value)):
            shown.append(f"{name.replace('_', ' ')} {text}")
    examples = [f"{counts[k]:,} {k}" for k in ("responses", "pairs", "rated") if isinstance(counts.get(k), int)]
    return {
        "step": step,
        "settings": ", ".join(shown) or ABSENT,
        "examples": ", ".join(examples[:1]) or ABSENT,
        "steps": counts["steps"],
        "wall": duration(manifest.wall_seconds),
        "memory": Safe(f"{manifest.peak_rss_bytes / 2**30:.1f} GiB"),
    }


def _setting(value: Any) -> str:
    """Return a setting as text; empty for one that is off."""
    if isinstance(value, dict):  # of a warm start or an adapter, what matters most
        epochs, rank = value.get("epochs"), value.get("rank")
        return f"of rank {rank}" if rank else f"of {epochs:g} epochs" if epochs else ""
    if value is None or value is False or value == 0:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
