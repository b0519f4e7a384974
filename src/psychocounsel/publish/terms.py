"""Whose work went into what is published, and under what terms: no part's licence is ever dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from psychocounsel.artifacts import Manifest
from psychocounsel.publish.markdown import one_line, public_name

OWN = "Apache-2.0, as the package psychocounsel"
PERMISSIVE = frozenset({"apache-2.0", "mit"})
OTHER = "other"
_OF_THE_PUBLISHER = {
    "file": "a file of the publisher's own",
    "chat": "chats of the publisher's own",
    "hub": "a dataset that the publisher read with the datasets library",
}
"""Sources whose title in the catalogue speaks to whoever runs the program; a card's reader is somebody else."""
_RULES = ("simulated/", "offline/")
_HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of what is published, and its terms."""

    what: str
    """Such as `Client speeches`."""
    of: str
    """Whose: a source's title, a model's name."""
    licence: str
    """In words: the source's own, or that this package does not know."""
    hub: str = OTHER
    """The hub's id for the licence; `other` where it has none or the licence is not known."""
    share: bool = True
    """Whether its terms are known to let anybody pass the texts on. For models' outputs the question is left open."""
    citation: str = ""
    home: str = ""


@cache
def known_terms() -> dict[str, dict[str, Any]]:
    """Return the table of sources whose terms were read."""
    table: dict[str, dict[str, Any]] = yaml.safe_load(
        resources.files("psychocounsel.publish").joinpath("terms.yaml").read_text("utf-8")
    )
    return table


def source_part(collect: Manifest) -> Part:
    """Return the client speeches' part, from the source card that the manifest keeps."""
    card = collect.counts.get("source") or {}
    name = str(card.get("name") or "unknown source")
    title = _OF_THE_PUBLISHER.get(name) or one_line(card.get("title") or "") or name
    words = one_line(card.get("licence") or "") or "not stated"
    known = known_terms().get(name, {})
    if not words.startswith(known.get("begins", "\0")):
        known = {}
    return Part(
        "Client speeches, and what else the source carries",
        title,
        words,
        known.get("hub", OTHER),
        known.get("share", False),
        one_line(card.get("citation") or ""),
        one_line(card.get("home") or ""),
    )


def parts_of(manifests: Mapping[str, Manifest]) -> list[Part]:
    """Return every part of what was made by these steps, the source first."""
    parts = [source_part(manifests["collect"])]
    if "generate" in manifests:
        parts += _outputs("Responses", manifests["generate"].backends)
    if "rate" in manifests:
        parts += _outputs("Ratings", [b for b in manifests["rate"].backends if b != "source"])
    for step in ("base", "reward"):
        if step in manifests and (start := manifests[step].section.get(f"{step}.model")):
            whose = "the reward model" if step == "reward" else "the policy"
            parts.append(Part(f"Weights that {whose} starts from", public_name(start), _ask(public_name(start))))
    if "reward" in manifests and manifests["reward"].section.get("reward.general"):
        words = "not stated; whatever holds for that file"
        parts.append(Part("Pairs of a general kind that the reward model learned too", "a file", words))
    return parts


def _outputs(what: str, backends: list[str]) -> Iterator[Part]:
    ours = [b for b in backends if b.startswith(_RULES)]
    if ours:
        whose = f"{len(ours)} {'rule' if len(ours) == 1 else 'rules'} of this package"
        yield Part(what, whose, OWN, "apache-2.0")
    for backend in backends:
        if backend not in ours:
            yield Part(what, public_name(backend), _ask(public_name(backend)))


def _ask(name: str) -> str:
    return (
        f"not known to this package; look up what the makers of {name} allow, for its outputs and for training on them"
    )


def licence_of(parts: list[Part]) -> str:
    """Return the hub's id for the whole: the strictest part's, or `other` where no single id says it all."""
    ids = {part.hub for part in parts}
    strict = ids - PERMISSIVE
    if len(strict) > 1:
        return OTHER
    if strict:
        return strict.pop()
    return ids.pop() if len(ids) == 1 else OTHER


def hub_names(manifests: Mapping[str, Manifest]) -> list[str]:
    """Return the models of the hub that training started from, as far as they are named OWNER/NAME."""
    starts = [manifests[s].section.get(f"{s}.model") for s in ("base", "reward") if s in manifests]
    return [s for s in dict.fromkeys(starts) if s and _HUB_NAME.match(s) and not Path(s).exists()]
