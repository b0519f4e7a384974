"""backends: whatever runs a model. A backend is named by a spec, and opened by one short table of late imports."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from psychocounsel.backends.calls.connection import Connections, check_egress
from psychocounsel.backends.protocols import (
    Completion,
    Generator,
    Judge,
    PairVerdict,
    Policy,
    PrincipleScore,
    Scorer,
    compare_all,
    rate_all,
)
from psychocounsel.endpoints import PoolMember, Sampling, server_of
from psychocounsel.errors import BackendError
from psychocounsel.principles import Rubric
from psychocounsel.recipe import Judging

__all__ = [
    "Completion",
    "Connections",
    "Generator",
    "Judge",
    "PairVerdict",
    "Policy",
    "PrincipleScore",
    "Scorer",
    "check_egress",
    "compare_all",
    "expand_pool",
    "open_generator",
    "open_judge",
    "open_policy",
    "rate_all",
]


def open_generator(spec: str, connections: Connections | None = None, sampling: Sampling | None = None) -> Generator:
    """Open the generator that a spec such as `simulated/warm-novice` or `local/llama-3` names.

    Raises BackendError for an unknown one.
    """
    kind, _, name = spec.partition("/")
    if server_of(spec) and connections is not None:
        from psychocounsel.backends.chat import ChatGenerator

        return ChatGenerator(spec, connections.to(kind), sampling or Sampling())
    if kind == "simulated" and name:
        from psychocounsel.backends.simulated import SimulatedCounsellor

        return SimulatedCounsellor(spec)
    if kind == "transformers" and name:
        from psychocounsel.backends.transformers_chat import TransformersChat

        return TransformersChat(name, sampling or Sampling())
    if kind == "vllm" and name:
        from psychocounsel.backends.vllm_local import VllmChat

        return VllmChat(name, sampling or Sampling())
    raise BackendError(
        f"generator {spec!r}: unknown kind; known are simulated/NAME, transformers/PATH-OR-NAME, vllm/PATH-OR-NAME, "
        "openai/MODEL and ENDPOINT/MODEL with an endpoint of the recipe."
    )


def expand_pool(pool: Sequence[PoolMember]) -> list[PoolMember]:
    """Replace `simulated/*` by all simulated counsellors; keep the order, refuse repeats."""
    from psychocounsel.backends.simulated import POOL

    members = []
    for member in pool:
        whole = POOL if member.spec == "simulated/*" else (member.spec,)
        members += [member.model_copy(update={"spec": spec}) for spec in whole]
    specs = [member.spec for member in members]
    repeated = sorted({s for s in specs if specs.count(s) > 1})
    if repeated:
        raise BackendError(f"generate.pool names {', '.join(repeated)} more than once.")
    return members


def open_policy(folder: Path, engine: str, *, temperature: float, max_prompt: int, max_tokens: int) -> Policy:
    """Open the model in a folder for sampling. `engine`: transformers, vllm, or auto, vLLM where it and a GPU are."""
    if engine == "auto":
        import torch

        engine = "vllm" if torch.cuda.is_available() and find_spec("vllm") else "transformers"
    if engine == "vllm":
        from psychocounsel.backends.vllm_local import VllmPolicy

        return VllmPolicy(folder, temperature=temperature, max_prompt=max_prompt, max_tokens=max_tokens)
    from psychocounsel.backends.transformers_local import LocalPolicy

    return LocalPolicy(folder, temperature=temperature, max_prompt=max_prompt, max_tokens=max_tokens)


def open_judge(
    spec: str,
    rubric: Rubric | None = None,
    connections: Connections | None = None,
    judging: Judging | None = None,
) -> Judge:
    """Open the judge that a spec such as `offline/microskills` or `local/llama-3` names.

    Raises BackendError for an unknown one.
    """
    if server_of(spec) and connections is not None:
        from psychocounsel.backends.llm_judge import LanguageModelJudge

        return LanguageModelJudge(spec, connections.to(spec.partition("/")[0]), rubric, judging)
    from psychocounsel.backends.judges import JUDGES

    if spec not in JUDGES:
        near = difflib.get_close_matches(spec, JUDGES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(JUDGES)}, and ENDPOINT/MODEL."
        raise BackendError(f"judge {spec!r} is unknown; {hint}")
    return JUDGES[spec](rubric)
