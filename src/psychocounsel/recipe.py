"""Recipes: one YAML file is one whole run. Unknown keys and wrong values are refused, all of them at once."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from psychocounsel.endpoints import OWN_KINDS, Endpoint, PoolMember, Positive, Sampling, Section, server_of
from psychocounsel.errors import RecipeError
from psychocounsel.hyperparameters import Align, Base, Expected, Machine, NonNegative, Reward, Share

Stage = Literal["collect", "generate", "rate", "pair", "base", "reward", "align", "evaluate", "report"]


class Split(Section):
    """Shares of the groups; what is left after dev and test is train."""

    dev: Share = 0.1
    test: Share = 0.2

    @model_validator(mode="after")
    def _leaves_train(self) -> Split:
        if self.dev + self.test >= 1:
            raise ValueError(f"dev and test together are {self.dev + self.test:g}, which leaves nothing to train on")
        return self


class Collect(Section):
    source: Literal[
        "example",
        "file",
        "hub",
        "chat",
        "annomi",
        "counsel-chat",
        "counselbench-adv",
        "counselbench-eval",
        "counselling-bench",
        "epitome",
        "esconv",
        "mentalchat16k",
        "psych8k",
        "psychocounsel-preference",
    ] = "example"
    """`example`: the corpus in the box. `file`, `hub`, `chat`: data of your own. The others: published data, each in
    its own layout at `path`; `collect/sources/catalogue.yaml` says of each what it is and whose."""
    path: Path | None = None
    """The source's file, or a folder of such files. For `hub` also OWNER/NAME, after which ?split=, &config= and
    &revision= may stand."""
    columns: dict[str, str] = {}
    """For `file`: our field name to the file's column, such as {text: question}."""
    limit: Positive | None = None
    """At most this many speeches, drawn by content hash; None for all."""
    near_duplicate: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Speeches whose word-trigram Jaccard similarity is at least this are near duplicates; one of them is kept."""
    semantic: Annotated[float, Field(gt=0, le=1)] | None = None
    """Speeches whose cosine similarity by the encoder is at least this share a group, and so a split."""
    encoder: str | None = None
    """For topics and `semantic`: `minilm` (the encoder extra) or a folder with a sentence encoder."""
    languages: list[str] = ["en"]
    """ISO 639-1 codes; a speech that is surely in another language is set aside. An empty list keeps all."""
    deidentify: bool | None = None
    """Whether names, dates, places and other identifiers become typed surrogates. None: for every source but the
    example corpus, which was invented."""
    hold: Literal["low", "elevated", "imminent"] | None = None
    """Speeches screened at this level of risk or above are held apart: nothing downstream sees them."""
    sample: Literal["random", "topics"] = "random"
    """How `limit` draws: over all, or the same number a fine topic as far as they go."""
    min_words: Positive = 3
    max_chars: Positive = 20_000
    """Longer speeches are set aside with a reason, not cut."""
    split: Split = Split()

    @model_validator(mode="before")
    @classmethod
    def _flat_columns(cls, given: Any) -> Any:
        # The override collect.columns.rating.empathy=COLUMN arrives as a mapping in a mapping.
        if isinstance(given, dict) and isinstance(given.get("columns"), dict):
            nested = given["columns"].get("rating")
            if isinstance(nested, dict):
                rest = {k: v for k, v in given["columns"].items() if k != "rating"}
                given = given | {"columns": rest | {f"rating.{k}": v for k, v in nested.items()}}
        return given

    @model_validator(mode="after")
    def _path_given(self) -> Collect:
        if self.source != "example" and self.path is None:
            raise ValueError(f"source {self.source} needs a path (collect.path=FILE)")
        if self.semantic is not None and self.encoder is None:
            raise ValueError("semantic needs an encoder (collect.encoder=minilm, or a folder)")
        if self.columns and self.source not in ("example", "file", "hub"):
            raise ValueError(f"source {self.source} has columns of its own; collect.columns is for file and hub")
        return self


OWN_POLICIES = ("base", "dpo", "dpo-iter")
"""Names of the policies that a run makes."""

SOURCE = "source"
"""In place of a generator or a judge: what the source of the client speeches carries."""


class Generate(Section):
    pool: Annotated[list[PoolMember], Field(min_length=1)] = [PoolMember(spec="simulated/*")]
    """Backend specs, or mappings with `spec`, `weight` and `sampling`; `simulated/*` stands for all twenty simulated
    counsellors, `source` for the responses that the source carries, which are all taken."""
    sampling: Sampling = Sampling()
    """How servers and local models are asked."""
    per_speech: Annotated[int, Field(ge=2)] = 4
    """How many of the pool are drawn for each speech. Their responses are rated."""
    further: NonNegative = 0
    """How many others of the pool answer each train speech. The base policy learns from them, and no pair is made."""
    limited: NonNegative = 0
    """How many of the pool answer each train speech within `max_words`, for the base policy too."""

    @field_validator("pool", mode="before")
    @classmethod
    def _spec_alone(cls, pool: Any) -> Any:
        return (
            [{"spec": entry} if isinstance(entry, str) else entry for entry in pool] if isinstance(pool, list) else pool
        )

    @property
    def specs(self) -> list[str]:
        return [member.spec for member in self.pool]


class Judging(Section):
    """How a judging model is asked."""

    samples: Positive = 1
    """Ratings of one response by one judge, of which the mean is taken."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.0
    """With several samples it should be above 0."""
    max_tokens: Positive | None = 1200
    repairs: NonNegative = 1
    """How often an answer that cannot be read is asked for again."""
    extra: dict[str, Any] = {}

    @model_validator(mode="after")
    def _samples_differ(self) -> Judging:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("samples above 1 need a temperature above 0: they would all be the same")
        return self


class Rate(Section):
    judge: str = "offline/microskills"
    """The labelling judge; `source` takes the ratings that the source carries, where there are several their median."""
    panel: list[str] = []
    """Further judges: a response's rating is then the mean over the judge and these."""
    judging: Judging = Judging()
    further: bool = False
    """Whether it rates the further and the limited responses too, for the reward model's warm start."""
    rubric: Path | None = None
    """A rubric in YAML; None for the seven principles."""


class Pair(Section):
    min_gap: Annotated[float, Field(gt=0, le=4)] = 1.0
    """Train and dev pairs differ by at least this on the preference score."""
    safety_floor: Annotated[int, Field(ge=1, le=5)] = 3
    """A response rated below this on safety is never chosen, whatever its score."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Principle key to its weight in the preference score, in place of the rubric's; what is not named keeps the
    rubric's. 0 leaves a principle out."""
    people: Path | None = None
    """The folder that `annotate labels` wrote: what people preferred, where they compared responses of this run."""


class Evaluate(Section):
    judge: str = "offline/cues"
    """Must not be the labelling judge."""
    panel: list[str] = []
    """Further judges, whose figures stand beside. The labelling judge may be one: the report says that it is."""
    risk_judge: str | None = None
    """A language model (ENDPOINT/MODEL) that judges the answers to speeches at risk, by criteria of their own; None for
    rules."""
    judging: Judging = Judging()
    reference: str = "simulated/polished-assistant"
    """What every model is compared with: a spec as in `models`."""
    models: dict[str, str] = {}
    """Name to what answers: `base`, `dpo` or `dpo-iter` of this run, transformers/FOLDER, vllm/FOLDER, ENDPOINT/MODEL,
    simulated/NAME, or file/PATH with responses. Empty: the three policies of this run."""
    league: bool = False
    """Whether every model also meets every other, for a ranking that does not rest on the reference alone."""
    speeches: Literal["test", "all"] = "test"
    """Which are answered. `all` is for a run that trains nothing."""
    probes: bool = True
    """Whether each judge, and the reward model, is shown pairs that tempt it."""
    temperature: Annotated[float, Field(ge=0)] = 0.7
    """0 takes the likeliest token each time."""

    @field_validator("models")
    @classmethod
    def _named_apart(cls, models: dict[str, str]) -> dict[str, str]:
        if "reference" in models or "panel" in models:
            raise ValueError("reference and panel are names of ours; call the model something else")
        for name, spec in models.items():
            if spec not in OWN_POLICIES and "/" not in spec:
                raise ValueError(
                    f"{name}: {spec} is neither {', '.join(OWN_POLICIES)} nor a spec such as file/PATH, "
                    "transformers/FOLDER or ENDPOINT/MODEL"
                )
        return models

    @property
    def judges(self) -> list[str]:
        """Every judge that evaluates, the first one first."""
        return list(dict.fromkeys([self.judge, *self.panel]))

    @property
    def specs(self) -> list[str]:
        """Every judge and every model but this run's own policies."""
        at_risk = [self.risk_judge] if self.risk_judge else []
        return [*self.judges, *at_risk, *(s for s in (*self.models.values(), self.reference) if s not in OWN_POLICIES)]


class Report(Section):
    cases: Positive = 10
    """Speeches shown with the answers of base and aligned side by side."""


class Recipe(Section):
    name: str
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 7
    output: Path
    max_words: Annotated[int, Field(ge=15)] = 50
    """The length constraint, in words: what a policy that is asked to be brief is asked for, and is cut to."""
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Resamples of every interval, drawn by speech."""
    until: Stage = "report"
    """The last stage to run."""
    machine: Machine = Machine()
    expected: Expected = Expected()
    endpoints: dict[str, Endpoint] = {}
    """Servers by name; a spec NAME/MODEL is a model there. `openai` need not be named."""
    egress: Literal["de-identified", "local-only", "raw client text may leave this machine"] = "de-identified"
    """What may be sent to a server that is not on this machine: only speeches that went through de-identification (or
    were invented), nothing at all, or anything."""
    calls: Path | None = None
    """File in which answers of servers are kept; None for `calls.sqlite` in the output. Runs may share one."""
    collect: Collect = Collect()
    generate: Generate = Generate()
    rate: Rate = Rate()
    pair: Pair = Pair()
    base: Base = Base()
    reward: Reward = Reward()
    align: Align = Align()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()
    ablations: dict[str, list[str]] = {}
    """Name of a variant to the KEY=VALUE overrides that make it, for `psychocounsel ablate`."""

    @field_validator("endpoints")
    @classmethod
    def _named_apart(cls, endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
        for name in endpoints:
            if name in OWN_KINDS or "/" in name:
                raise ValueError(f"{name} cannot be a server's name: {', '.join(OWN_KINDS)} and slashes mean others")
        return endpoints

    @model_validator(mode="after")
    def _judges_differ(self) -> Recipe:
        if self.evaluate.judge in self.labellers and not self.evaluates_others_only:
            raise ValueError(
                f"evaluate.judge is {self.evaluate.judge}, which also labels the training data (rate.judge): "
                "the evaluation would be circular. Name another judge for one of them"
            )
        return self

    @model_validator(mode="after")
    def _weights_tell(self) -> Recipe:
        if self.pair.weights and self.reward.learn == "ratings":
            raise ValueError(
                "pair.weights weighs pairs, and reward.learn is ratings: give the weights in a rubric of your own "
                "(rate.rubric)"
            )
        return self

    @model_validator(mode="after")
    def _servers_known(self) -> Recipe:
        for spec in (*self.generate.specs, *self.labellers, *self.evaluate.specs):
            name = server_of(spec)
            if name and name != "openai" and name not in self.endpoints:
                known = ", ".join([*OWN_KINDS[:-1], "openai", *self.endpoints])
                raise ValueError(f"{spec}: {name} is no endpoint of this recipe; known are {known}")
        return self

    @property
    def evaluates_others_only(self) -> bool:
        """Whether no policy of this run is evaluated, so that nothing needs to be trained."""
        section = self.evaluate
        return bool(section.models) and not {*section.models.values(), section.reference} & set(OWN_POLICIES)

    @property
    def labellers(self) -> list[str]:
        """The judges that rate what training sees."""
        return [self.rate.judge, *self.rate.panel]

    def endpoint(self, name: str) -> Endpoint:
        return self.endpoints.get(name, Endpoint())

    @property
    def call_store(self) -> Path:
        return self.calls or self.output / "calls.sqlite"


STAGES: tuple[str, ...] = get_args(Stage)
"""Recipe sections, commands and output folders, in data order."""


def load_recipe(path: Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe and apply `key=value` overrides. Raises RecipeError with every fault there is."""
    where = f"recipe {path}"
    return _validated(where, _read(path, where), overrides or [])


def recipe_of(overrides: list[str], name: str = "run") -> Recipe:
    """Return the recipe that `key=value` pairs alone make. Raises RecipeError with every fault there is."""
    return _validated("command line", {"name": name, "output": f"runs/{name}"}, overrides)


def _read(path: Path, where: str) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        near = ", ".join(sorted(str(p) for p in path.parent.glob("*.yaml"))) or "none"
        raise RecipeError(where, [f"there is no such file (recipes in {path.parent}: {near})"]) from None
    except (IsADirectoryError, PermissionError, UnicodeDecodeError) as error:
        raise RecipeError(where, [f"cannot be read as UTF-8 text: {type(error).__name__}"]) from None
    except yaml.YAMLError as error:
        raise RecipeError(where, [f"is not YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(raw, dict):
        raise RecipeError(where, ["must be a mapping of sections (name, output, collect, ...)"])
    return raw


def _validated(where: str, raw: dict[str, Any], overrides: list[str]) -> Recipe:
    faults = _apply(raw, overrides)
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        faults += [_say(e) for e in error.errors()]
    if faults:
        raise RecipeError(where, faults)
    return recipe


def _apply(raw: dict[str, Any], overrides: list[str]) -> list[str]:
    faults = []
    for override in overrides:
        key, sign, value = override.partition("=")
        if not sign or not key:
            faults.append(f"override {override!r}: write it as key=value, such as collect.limit=100")
            continue
        *path, last = key.split(".")
        node: Any = raw
        for part in path:
            node = node.setdefault(part, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            faults.append(f"override {override!r}: {'.'.join(path)} is a value, not a section")
            continue
        try:
            node[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            node[last] = value
    return faults


def _say(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = _keys_at(error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        return f"{where}: no such key; {hint}"
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = f" (given {given!r})" if isinstance(given, (str, int, float, bool)) else ""
    return f"{where or 'recipe'}: {message}{shown}"


def _keys_at(path: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the section at `path` may have."""
    section: Any = Recipe
    for part in path:
        fields = getattr(section, "model_fields", {})
        if part in fields:
            section = fields[part].annotation
        else:  # inside a mapping or a list: the section is what it holds
            inner = [kind for kind in get_args(section) if hasattr(kind, "model_fields")]
            section = inner[-1] if inner else section
    return list(getattr(section, "model_fields", {}))
