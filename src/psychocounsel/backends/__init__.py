"""backends: whatever runs a model. A backend is named by a spec, and opened by one short table of late imports."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from psychocounsel.backends.protocols import Completion, Generator, Judge, PairVerdict, PrincipleScore, Scorer
from psychocounsel.errors import BackendError
from psychocounsel.principles import Rubric

__all__ = [
    "Completion",
    "Generator",
    "Judge",
    "PairVerdict",
    "PrincipleScore",
    "Scorer",
    "expand_pool",
    "open_generator",
    "open_judge",
]


def _simulated(name: str) -> Generator:
    from psychocounsel.backends.simulated import SimulatedCounsellor

    return SimulatedCounsellor(f"simulated/{name}")


def _transformers(name: str) -> Generator:
    from psychocounsel.backends.transformers_local import LocalPolicy

    return LocalPolicy(Path(name))


_GENERATORS: dict[str, Callable[[str], Generator]] = {"simulated": _simulated, "transformers": _transformers}


def open_generator(spec: str) -> Generator:
    """Open the generator that a spec such as `simulated/warm-novice` names. Raises BackendError for an unknown one."""
    kind, _, name = spec.partition("/")
    if kind not in _GENERATORS or not name:
        known = ", ".join(f"{k}/NAME" for k in _GENERATORS)
        raise BackendError(f"generator {spec!r}: unknown kind; known are {known}.")
    return _GENERATORS[kind](name)


def expand_pool(pool: list[str]) -> list[str]:
    """Replace `simulated/*` by the specs of all simulated counsellors; keep the order, refuse repeats."""
    from psychocounsel.backends.simulated import POOL

    specs = [spec for entry in pool for spec in (POOL if entry == "simulated/*" else (entry,))]
    repeated = sorted({s for s in specs if specs.count(s) > 1})
    if repeated:
        raise BackendError(f"generate.pool names {', '.join(repeated)} more than once.")
    return specs


def open_judge(spec: str, rubric: Rubric | None = None) -> Judge:
    """Open the judge that a spec such as `offline/microskills` names. Raises BackendError for an unknown one."""
    from psychocounsel.backends.judges import JUDGES

    if spec not in JUDGES:
        near = difflib.get_close_matches(spec, JUDGES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(JUDGES)}."
        raise BackendError(f"judge {spec!r} is unknown; {hint}")
    return JUDGES[spec](rubric)
