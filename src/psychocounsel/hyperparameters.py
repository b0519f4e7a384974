"""The parts of a recipe that say how models are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from psychocounsel.endpoints import Positive, Section

Share = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[int, Field(ge=0)]
Weight = Annotated[float, Field(ge=0)]
LearningRate = Annotated[float, Field(gt=0, lt=1)]


class MadeModel(Section):
    """A small Llama made here. Costs grow with width squared times depth."""

    vocabulary: Annotated[int, Field(ge=300, le=65_536)] = 3072
    hidden: Positive = 192
    layers: Positive = 4
    heads: Positive = 3
    intermediate: Positive = 512
    positions: Positive = 1024

    @model_validator(mode="after")
    def _divides(self) -> MadeModel:
        if self.hidden % self.heads or (self.hidden // self.heads) % 2:
            raise ValueError(f"hidden {self.hidden} must be heads {self.heads} times an even number")
        return self


class Lora(Section):
    """Low-rank adapters on every linear layer but the head; the model's own weights stay as they are."""

    rank: Positive = 16
    alpha: Positive = 32
    dropout: Share = 0.0
    quantised: bool = False
    """QLoRA: the model's own weights in four bits. Needs a GPU and bitsandbytes."""


class Training(Section):
    """What every training step has."""

    epochs: Annotated[float, Field(gt=0)] = 1.0
    learning_rate: LearningRate = 5e-5
    batch: Positive = 32
    """Examples (or pairs) a step, over all processes."""
    row_tokens: Positive = 4096
    """Tokens of a packed row, which is what is in memory at once; changes nothing but memory and speed."""
    warmup: Share = 0.05
    """Share of the steps in which the learning rate rises."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """What the learning rate does after that."""
    save_every: Positive = 40
    """Steps between checkpoints: what a kill can cost."""
    best_by_dev: bool = False
    """Whether the dev pairs are measured at every checkpoint, and the best is taken instead of the last."""
    precision: Literal["bf16", "float32"] = "bf16"
    """Of the products; weights and the optimizer's state are in float32."""
    lora: Lora | None = None
    """Train adapters instead of all weights."""
    checkpointing: bool = False
    """Compute activations twice instead of keeping them: about a third slower, and much less memory."""
    launch: Path | None = None
    """An `accelerate` configuration: training runs under `accelerate launch` with it, on several GPUs by FSDP2, say."""
    report_to: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = []
    """Where curves go besides the manifest. TensorBoard's files stay in the run's folder; the others may send curves
    (no text) to a server of yours."""

    @model_validator(mode="after")
    def _launches(self) -> Training:
        if self.launch is not None and self.lora is not None and self.lora.quantised:
            raise ValueError("launch: weights in four bits are trained in one process; leave out launch or quantised")
        return self

    def _cannot_choose(self, what: str) -> None:
        if self.best_by_dev:
            raise ValueError(f"best_by_dev chooses a checkpoint by the dev pairs; {what}")


class Base(Training):
    epochs: Annotated[float, Field(ge=0)] = 1.0
    """0 takes `model` as it is, as the paper does with instruction-tuned models."""
    model: str | None = None
    """Path or hub name of a causal model to start from; None makes one here."""
    make: MadeModel = MadeModel()
    max_prompt: Positive = 192
    """Tokens of the conversation that are read."""
    max_response: Positive = 128
    """Tokens of a response, its end token included. A longer one is dropped and counted, never cut."""
    too_long: Literal["truncate-prompt", "drop", "error"] = "truncate-prompt"
    """Of a prompt over `max_prompt` the oldest tokens are left out, or its rows are dropped, or the run stops; each is
    counted. With `error` a response over `max_response` stops the run too."""

    @model_validator(mode="after")
    def _learns_or_exists(self) -> Base:
        self._cannot_choose("the base is learned from responses")
        if self.epochs == 0 and self.model is None:
            raise ValueError("epochs 0 takes a model as it is: name it (base.model=FOLDER)")
        return self


class WarmStart(Training):
    """Before Bradley-Terry, the backbone learns the ratings of the train responses, principle by principle."""

    epochs: Annotated[float, Field(ge=0)] = 0.0
    """0 leaves it out, as the paper does."""
    every_token: Weight = 1.0
    """Weight of the squared error at all tokens of a response, beside that at its end."""
    language: Weight = 0.3
    """Weight of the base policy's own loss, next-token cross-entropy."""

    @model_validator(mode="after")
    def _fits(self) -> WarmStart:
        self._cannot_choose("the warm start is learned from ratings")
        return self


class Reward(Training):
    model: str | None = None
    """What it starts from: None for `base`, a folder or hub name, or `minilm`, an encoder (the encoder extra)."""
    warm_start: WarmStart = WarmStart()
    learn: Literal["pairs", "ratings"] = "pairs"
    """`ratings` needs no pairs: the reward is the rubric's weighted mean of the principle heads."""
    principles: Weight = 0.0
    """With pairs: weight of the principle heads' cross-entropy on the ratings of both responses; 0 has no heads."""
    head_rate: Annotated[float, Field(gt=0)] = 1.0
    """What the learning rate is times for the heads, which start random: above 1 where there is little data."""
    margin: Weight = 0.0
    """Nats of reward asked for each point that chosen is rated above rejected (Touvron et al. 2023)."""
    centring: Weight = 0.0
    """Weight of the square of a pair's summed rewards, which keeps them near zero (Eisenstein et al. 2023)."""
    general: Path | None = None
    """Pairs of another kind, JSON lines of `prompt` (or `earlier` turns), `chosen`, `rejected`: mixed in by share."""
    general_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the training pairs that are of `general`; the most that both sets can give without repeats."""
    folds: Annotated[int, Field(ge=0, le=50)] = 0
    """With ratings: cross-validation over so many folds, grouped as the splits are, before the model itself."""
    beside: dict[str, str] = {}
    """Name to folder or hub name of other reward models, measured on the same test pairs."""

    @model_validator(mode="after")
    def _fits(self) -> Reward:
        if self.folds == 1:
            raise ValueError("cross-validation needs 2 folds or more; 0 leaves it out")
        if self.folds and self.learn == "pairs":
            raise ValueError("folds are for learn: ratings")
        if self.warm_start.epochs and self.lora is not None and self.lora.quantised:
            raise ValueError("a warm start is added to the weights, and lora.quantised has them in four bits")
        if self.learn == "ratings":
            self._cannot_choose("with learn: ratings there are none")
        return self


LOSSES = ("sigmoid", "ipo", "hinge", "robust", "sigmoid_norm")


class Dpo(Training):
    beta: Annotated[float, Field(gt=0)] = 0.1
    loss: Literal["sigmoid", "ipo", "hinge", "robust", "sigmoid_norm"] = "sigmoid"
    """TRL's names: DPO; IPO (Azar et al. 2023); SLiC's hinge; robust DPO (Chowdhury et al. 2024); `sigmoid_norm`
    divides the log-probabilities by the length (SimPO's way, with a reference)."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """For `robust`: the share of pairs that may be labelled the wrong way round."""
    sft: Weight = 0.0
    """Weight of the chosen response's next-token loss, its mean over tokens (RPO, Pang et al. 2024). DPO alone may make
    both responses less likely, as long as it is the rejected one more; 0 is the paper's DPO."""

    @model_validator(mode="after")
    def _smooths(self) -> Dpo:
        if self.label_smoothing and self.loss != "robust":
            raise ValueError(f"label_smoothing is for loss: robust; {self.loss} does nothing with it, here as in TRL")
        return self


class Iterate(Dpo):
    """DPO-Iter: sample, let the reward model pick best and worst, train, again."""

    rounds: NonNegative = 3
    speeches: Positive = 200
    """Train speeches drawn each round."""
    candidates: Annotated[int, Field(ge=2)] = 8
    limited: Share = 0.0
    """Share of a round's speeches that are answered under the length constraint."""
    repeat: NonNegative = 0
    """A candidate that says this many words in a row twice cannot be best, and is worst before others; 0 lets it. A
    reward model that never saw a policy repeat itself may reward it for that."""
    length_penalty: Weight = 0.0
    """Nats of reward taken from a candidate for each of its words, before best and worst are picked."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    reference: Literal["previous", "base"] = "previous"
    """What the policy may not stray far from in a round: the policy it began the round with, or the base."""
    engine: Literal["auto", "transformers", "vllm"] = "auto"
    """What samples; auto is vLLM where there is a GPU and it is installed."""

    @model_validator(mode="after")
    def _chooses(self) -> Iterate:
        self._cannot_choose("a round makes its own; the best round is chosen by the dev speeches")
        return self


class Align(Section):
    dpo: Dpo = Dpo()
    iterate: Iterate = Iterate()
    dev_speeches: Positive = 64
    """Dev speeches on which each checkpoint's mean reward, length and KL are measured."""


class Machine(Section):
    """What `plan` counts with; it changes no result."""

    gpu: str = "h100"
    """A name of `psychocounsel/gpus.yaml`, such as h100, a100, l4, rtx-4090."""
    gpus: Positive = 1
    mfu: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Share of the GPU's dense bf16 rate that training reaches."""


class Expected(Section):
    """What `plan` counts with until the data is there; it changes no result."""

    speeches: Positive | None = None
    pairs: Positive | None = None
    """Train pairs."""
    prompt_tokens: Positive = 90
    """Mean tokens of a prompt, template included."""
    response_tokens: Positive = 220
