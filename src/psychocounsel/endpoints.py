"""Servers that answer calls, as a recipe describes them, and how models are asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

OPENAI = "https://api.openai.com/v1"
OWN_KINDS = ("simulated", "offline", "transformers", "vllm", "file", "source")
"""What stands before the slash of specs that need no server."""

Positive = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, and nothing changes it once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(Section):
    """What a million tokens cost, in any one currency."""

    input: Amount
    output: Amount


class Endpoint(Section):
    """An OpenAI-compatible server: OpenAI itself, another host, or vLLM, Ollama, llama.cpp and their like."""

    base_url: str | None = None
    """Such as `http://127.0.0.1:8000/v1`; None is OpenAI's."""
    key_env: str | None = None
    """Environment variable that holds the key; None is OPENAI_API_KEY for OpenAI's server and no key for others."""
    concurrency: Positive = 32
    """Calls under way at most; fewer where the server says 429."""
    requests_per_second: Above | None = None
    tokens_per_minute: Above | None = None
    deadline: Above = 120.0
    """Seconds for one attempt."""
    attempts: Positive = 6
    max_calls: Positive | None = None
    """Calls that a run may pay for; it stops cleanly there."""
    max_cost: Amount | None = None
    """The same in money, by `prices`."""
    prices: dict[str, Price] = {}
    """Model name to price; a `default` is for all others."""
    structured: Literal["schema", "object", "none"] = "schema"
    """What the server enforces of a judge's JSON: a schema, only that it is JSON, or nothing."""
    logprobs: bool = False
    """Whether the server gives log-probabilities: then a pairwise verdict is one letter, and how sure it is."""
    batch: bool = False
    """Whether calls go through the provider's batch API: half the price, and hours."""

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://, such as http://127.0.0.1:8000/v1")
        return url.rstrip("/") if url else url

    @model_validator(mode="after")
    def _priced(self) -> Endpoint:
        if self.max_cost is not None and not self.prices:
            raise ValueError("max_cost needs prices (prices: {MODEL: {input: .., output: ..}}, for a million tokens)")
        if self.key_env is not None and not self.key_env.replace("_", "").isalnum():
            raise ValueError("key_env is the NAME of an environment variable, never the key itself")
        return self

    @property
    def url(self) -> str:
        return self.base_url or OPENAI

    @property
    def key_variable(self) -> str | None:
        return self.key_env or ("OPENAI_API_KEY" if self.base_url is None else None)

    def price(self, model: str) -> Price | None:
        return self.prices.get(model) or self.prices.get("default")


class Sampling(Section):
    """How a model is asked."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.7
    """None leaves it to the server."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Positive | None = 512
    stop: list[str] = []
    system: str = (
        "You are a professional psychotherapist. Respond to the client in your own words, as a counsellor speaks in a "
        "session: no lists, no headings."
    )
    """The system prompt; an empty one is not sent."""
    extra: dict[str, Any] = {}
    """What else the server is to be told, such as {max_completion_tokens: 800}."""


class PoolMember(Section):
    """A model of the pool that differs from the others."""

    spec: str
    weight: Above = 1.0
    """How readily it is drawn, relative to the others."""
    sampling: Sampling | None = None
    """Instead of `generate.sampling`."""


def server_of(spec: str) -> str | None:
    """Return the endpoint's name in a spec such as `local/llama-3`, or None where the spec needs no server."""
    name, slash, model = spec.partition("/")
    return name if slash and model and name not in OWN_KINDS else None
