"""What a recipe's training will take on a named GPU: tokens, FLOPs, memory and hours, without weights or network.

Counted is what a step trains on, samples and scores. Left out, as small beside it: measuring on dev and test pairs and
speeches, loading and saving. `compute` has the arithmetic; here the recipe's sections are turned into loads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from psychocounsel import compute
from psychocounsel.compute import GIB, Gpu, Load, Shape
from psychocounsel.errors import BackendError
from psychocounsel.hyperparameters import Dpo, Lora, Training
from psychocounsel.recipe import STAGES, Recipe
from psychocounsel.workload import TOKENS_A_WORD, Workload, workload

BRANCHES = 4
"""Responses to a prompt that learn together in `base` and in the warm start; further ones repeat the prompt."""
AS_IS = "as is"
"""Remark on a model that is taken and not trained."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step takes; None where what it depends on is not known."""

    step: str
    model: str
    tokens: float | None = None
    """That go forward, over all epochs, or are sampled or scored."""
    flops: float | None = None
    memory: float | None = None
    """Bytes on each GPU, at most."""
    seconds: float | None = None
    times: int = 1
    """How often the step is taken; the figures are of once."""
    remark: str = ""
    """Why there are no figures."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The steps of a recipe that need a GPU, in order."""

    name: str
    gpu: Gpu
    gpus: int
    mfu: float
    workload: Workload
    steps: list[Taken]
    notes: list[str]
    """What does not fit or is not known, and how to mend it."""

    def as_dict(self) -> dict[str, Any]:
        steps = []
        for taken in self.steps:
            row: dict[str, Any] = {
                n: getattr(taken, n) for n in ("step", "model", "tokens", "flops", "times", "remark")
            }
            row["memory_gib"] = None if taken.memory is None else round(taken.memory / GIB, 2)
            row["fits"] = None if taken.memory is None else taken.memory <= compute.FITS * self.gpu.gib * GIB
            row["hours"] = None if taken.seconds is None else taken.seconds / 3600
            steps.append(row)
        machine = {"gpu": self.name, "gpus": self.gpus, "mfu": self.mfu, "memory_gib": self.gpu.gib}
        return {"machine": machine, "counted": self.workload.as_dict(), "steps": steps, "notes": self.notes}


def forecast(recipe: Recipe) -> Forecast:
    """Return what each training step takes on the recipe's machine. Raises BackendError for an unknown GPU.

    A model whose shape is unknown has no figures, and a note; so has a step whose number of examples is unknown.
    """
    gpu = compute.gpu_named(recipe.machine.gpu)
    planner = _Planner(recipe, gpu, workload(recipe))
    wanted = STAGES[: STAGES.index(recipe.until) + 1]
    steps = [taken for stage, of in planner.stages.items() if stage in wanted for taken in of()]
    machine = recipe.machine
    notes = list(dict.fromkeys(planner.notes))
    return Forecast(machine.gpu, gpu, machine.gpus, machine.mfu, planner.work, steps, notes)


@dataclass
class _Planner:
    recipe: Recipe
    gpu: Gpu
    work: Workload
    notes: list[str] = field(default_factory=list)

    @property
    def stages(self) -> dict[str, Any]:
        return {"base": self.base, "reward": self.reward, "align": self.align}

    def policy(self) -> tuple[str, Shape | None]:
        """Return name and shape of the model that everything starts from."""
        base = self.recipe.base
        if base.model is None:
            return "made here", compute.made_shape(base.make)
        return base.model.rstrip("/").rsplit("/", 1)[-1], self.known("base.model", base.model)

    def judge(self) -> tuple[str, Shape | None]:
        """Return name and shape of what the reward model starts from, its head a scalar."""
        start = self.recipe.reward.model
        name, shape = self.policy() if start is None else (start.rstrip("/").rsplit("/", 1)[-1], None)
        if start is not None:
            shape = self.known("reward.model", start)
        return name, shape and compute.without_head(shape)

    def known(self, key: str, model: str) -> Shape | None:
        try:
            return compute.shape_of(model)
        except BackendError as error:
            self.notes.append(f"{key}={error}")
            return None

    def base(self) -> Iterator[Taken]:
        section, work = self.recipe.base, self.work
        name, shape = self.policy()
        if not section.epochs:
            yield Taken("base", name, remark=AS_IS)
            return
        groups = self.answers(shape, further=True) if shape else Load()
        count = None if work.train is None or work.responses is None else work.train
        yield self.trained("base", name, shape, section, count, groups, longest=BRANCHES)

    def answers(self, shape: Shape, *, further: bool, head: bool = True) -> Load:
        """Return the load of all answers to one train speech."""
        generate, work = self.recipe.generate, self.work
        freely = (work.responses or 0) + (generate.further if further and work.asks else 0)
        briefly = generate.limited if further and work.asks else 0
        short = min(work.response, self.recipe.max_words * TOKENS_A_WORD)
        return _in_parts(shape, work.prompt, work.response, freely, head) + _in_parts(
            shape, work.prompt, short, briefly, head
        )

    def reward(self) -> Iterator[Taken]:
        section, work = self.recipe.reward, self.work
        name, shape = self.judge()
        if section.learn == "ratings":
            everything = None if work.speeches is None or work.responses is None else work.speeches * work.responses
            # Every fold learns all but its own part, of all splits; the model itself learns the train split.
            folds = (section.folds - 1 if section.folds else 0) + self.work.train_share
            count = None if everything is None else everything * folds
            load = compute.group(shape, work.prompt, work.response, 1, head=False) if shape else Load()
            yield self.trained("reward", name, shape, section, count, load, longest=1)
            return
        warm = section.warm_start
        if warm.epochs:
            groups = self.answers(shape, further=self.recipe.rate.further, head=warm.language > 0) if shape else Load()
            count = None if work.train is None or work.responses is None else work.train
            yield self.trained("reward, warm start", name, shape, warm, count, groups, longest=BRANCHES)
        load = compute.group(shape, work.prompt, work.response, 2, head=False) if shape else Load()
        yield self.trained("reward", name, shape, section, self.work.mixed_pairs, load, longest=2)

    def align(self) -> Iterator[Taken]:
        section, work = self.recipe.align, self.work
        yield self.dpo("align/dpo", section.dpo, work.pairs, 1, "align.dpo")
        rounds = section.iterate.rounds
        if not rounds:
            return
        drawn = section.iterate.speeches if work.train is None else min(section.iterate.speeches, round(work.train))
        yield self.generated("round: generate", drawn, rounds)
        yield self.scored("round: score", drawn, rounds)
        yield self.dpo("round: dpo", section.iterate, drawn, rounds, "align.iterate")

    def dpo(self, step: str, section: Dpo, pairs: float | None, times: int, key: str) -> Taken:
        """Return DPO on pairs; the reference's pass, once a pair whatever the epochs, is in its FLOPs."""
        name, shape = self.policy()
        pair = compute.group(shape, self.work.prompt, self.work.response, 2) if shape else Load()
        return self.trained(step, name, shape, section, pairs, pair, longest=2, times=times, key=key, reference=True)

    def trained(
        self,
        step: str,
        name: str,
        shape: Shape | None,
        section: Training,
        count: float | None,
        each: Load,
        *,
        longest: int,
        times: int = 1,
        key: str = "",
        reference: bool = False,
    ) -> Taken:
        """Return what training on `count` examples of mean load `each` takes. `longest`: the most branches of one."""
        if shape is None:
            return Taken(step, name, times=times, remark="unknown shape")
        if count is None:
            missing = "expected.pairs" if longest == 2 else "expected.speeches"
            self.notes.append(f"{step}: its number of examples is not known yet; say {missing}=N.")
        row = self.row(shape, section, each, longest)
        memory = self.memory(shape, section, row, self.recipe.machine.gpus, reference=reference)
        self.fit(key or step.replace(", warm start", ".warm_start"), step, shape, section, each, longest, memory)
        if count is None:
            return Taken(step, name, memory=memory, times=times, remark="?")
        flops = section.epochs * count * compute.training_flops(shape, each, section, row)
        if reference:
            flops += count * compute.forward_flops(shape, each)
        machine = self.recipe.machine
        seconds = flops / (self.gpu.rate(section.precision) * machine.mfu * machine.gpus)
        return Taken(step, name, section.epochs * count * each.tokens, flops, memory, seconds, times)

    def row(self, shape: Shape, section: Training, each: Load, longest: int) -> Load:
        """Return the load of the fullest row: `row_tokens`, or a group that is longer by itself."""
        base = self.recipe.base
        group = compute.group(shape, base.max_prompt, base.max_response, longest).tokens
        tokens = max(section.row_tokens, group)
        return each * (tokens / each.tokens) if each.tokens else Load(tokens)

    def memory(self, shape: Shape, section: Training, row: Load, gpus: int, *, reference: bool) -> float:
        """Return bytes on each GPU: those of training, or of the reference's pass before it, which is not sharded."""
        before = compute.scoring_bytes(shape, row.tokens) if reference else 0
        return max(before, compute.training_bytes(shape, section, row, gpus))

    def fit(
        self, key: str, step: str, shape: Shape, section: Training, each: Load, longest: int, memory: float
    ) -> None:
        """Note what would make a step fit that does not."""
        limit = compute.FITS * self.gpu.gib * GIB
        if memory <= limit:
            return
        reference = isinstance(section, Dpo)
        helping: list[tuple[str, float]] = []
        for words, changed, gpus in self.changes(key, shape, section, longest):
            need = self.memory(shape, changed, self.row(shape, changed, each, longest), gpus, reference=reference)
            if need <= limit and not any(set(known.split(" ")) < set(words.split(" ")) for known, _ in helping):
                helping.append((words, need))
                if gpus > self.recipe.machine.gpus and changed is section:
                    break  # still more of them would fit as well
        said = "; ".join(f"{words} ({need / GIB:.0f} GiB)" for words, need in helping[:3])
        mend = f"Would fit: {said}." if said else "No setting here mends that: take a GPU with more memory."
        self.notes.append(f"{step} does not fit: {memory / GIB:.0f} GiB of {limit / GIB:.0f} usable. {mend}")

    def changes(self, key: str, shape: Shape, section: Training, longest: int) -> Iterator[tuple[str, Training, int]]:
        """Yield settings that take less memory, as overrides: each alone, then together."""
        gpus = self.recipe.machine.gpus
        base = self.recipe.base
        least = int(compute.group(shape, base.max_prompt, base.max_response, longest).tokens)
        again: dict[str, dict[str, Any]] = (
            {} if section.checkpointing else {f"{key}.checkpointing=true": {"checkpointing": True}}
        )
        small: dict[str, dict[str, Any]] = (
            {f"{key}.row_tokens={least}": {"row_tokens": least}} if least < section.row_tokens else {}
        )
        lora: dict[str, dict[str, Any]] = {} if section.lora else {f"{key}.lora.rank=16": {"lora": Lora()}}
        for words, update in (again | small).items():
            yield words, section.model_copy(update=update), gpus
        if again and small:
            both = {k: v for u in chain(again.values(), small.values()) for k, v in u.items()}
            yield " ".join([*again, *small]), section.model_copy(update=both), gpus
        for words, update in lora.items():
            yield words, section.model_copy(update=update), gpus
        for more in (gpus * 2**n for n in range(1, 6)):
            yield f"machine.gpus={more}", section, more
            for words, update in again.items():
                yield f"machine.gpus={more} {words}", section.model_copy(update=update), more
        for words, update in (lora if again else {}).items():
            yield f"{words} {next(iter(again))}", section.model_copy(update=update | {"checkpointing": True}), gpus

    def generated(self, step: str, prompts: int, times: int) -> Taken:
        name, shape = self.policy()
        if shape is None:
            return Taken(step, name, times=times, remark="unknown shape")
        work, machine, branches = self.work, self.recipe.machine, self.recipe.align.iterate.candidates
        found = compute.sampling(
            shape, self.gpu, work.prompt, work.response, branches, prompts, machine.mfu, machine.gpus
        )
        self.room(step, found.memory)
        tokens = prompts * compute.group(shape, work.prompt, work.response, branches).tokens
        return Taken(step, name, tokens, found.flops, found.memory, found.seconds, times)

    def scored(self, step: str, prompts: int, times: int) -> Taken:
        name, shape = self.judge()
        if shape is None:
            return Taken(step, name, times=times, remark="unknown shape")
        work, machine = self.work, self.recipe.machine
        each = compute.group(shape, work.prompt, work.response, self.recipe.align.iterate.candidates, head=False)
        flops = prompts * compute.forward_flops(shape, each)
        memory = compute.scoring_bytes(shape, max(self.recipe.reward.row_tokens, each.tokens))
        self.room(step, memory)
        seconds = flops / (self.gpu.rate("bf16") * machine.mfu * machine.gpus)
        return Taken(step, name, prompts * each.tokens, flops, memory, seconds, times)

    def room(self, step: str, memory: float) -> None:
        if memory > compute.FITS * self.gpu.gib * GIB:
            self.notes.append(
                f"{step} does not fit: {memory / GIB:.0f} GiB of {compute.FITS * self.gpu.gib:.0f} usable. Each GPU "
                "holds the whole model here: take one with more memory, or a smaller model."
            )


def _in_parts(shape: Shape, prompt: float, response: float, branches: float, head: bool) -> Load:
    """Return the load of a prompt with many branches, BRANCHES at a time."""
    whole, rest = divmod(branches, BRANCHES)
    load = compute.group(shape, prompt, response, BRANCHES, head=head) * whole
    return load + compute.group(shape, prompt, response, rest, head=head) if rest else load
