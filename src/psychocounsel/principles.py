"""The rubric as data: principles with definition, anchors for 1 to 5, weight, and the literature they stand on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from psychocounsel.errors import RecipeError, TooLittleDataError

LOWEST, HIGHEST = 1, 5
"""Bounds of a rating, both included."""


class Principle(BaseModel):
    """One professional principle that responses are rated on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]
    """Short name; the released dataset's columns are `{chosen,rejected}_{key}_rating`."""
    name: str
    definition: str
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Share in the preference score; weights are normalised to sum to 1."""
    anchors: dict[int, str]
    """What each rating from 1 to 5 looks like."""
    literature: list[str] = []
    """What the principle stands on, as full references."""

    @field_validator("anchors")
    @classmethod
    def _all_five(cls, anchors: dict[int, str]) -> dict[int, str]:
        if sorted(anchors) != list(range(LOWEST, HIGHEST + 1)):
            raise ValueError(f"must say what each of 1 to 5 looks like, has {sorted(anchors)}")
        return anchors


class Rubric(BaseModel):
    """A named set of principles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: int = 1
    principles: Annotated[list[Principle], Field(min_length=1)]

    @field_validator("principles")
    @classmethod
    def _distinct(cls, principles: list[Principle]) -> list[Principle]:
        keys = [p.key for p in principles]
        if len(set(keys)) < len(keys):
            raise ValueError(f"keys must differ, has {keys}")
        if sum(p.weight for p in principles) <= 0:
            raise ValueError("at least one weight must be above 0")
        return principles

    @property
    def keys(self) -> list[str]:
        return [p.key for p in self.principles]

    def overall(self, scores: Mapping[str, float]) -> float:
        """Return the weighted mean of `scores`, in [1, 5].

        Raises TooLittleDataError if a principle has no score: a mean over some of the principles is another quantity.
        """
        missing = [k for k in self.keys if k not in scores]
        if missing:
            raise TooLittleDataError(f"no score for {', '.join(missing)}; an overall score needs every principle")
        total = math.fsum(p.weight for p in self.principles)
        return math.fsum(p.weight * scores[p.key] for p in self.principles) / total


@cache
def default_rubric() -> Rubric:
    """Return the paper's seven principles, equally weighted."""
    text = resources.files("psychocounsel").joinpath("principles.yaml").read_text("utf-8")
    return Rubric.model_validate(yaml.safe_load(text))


def load_rubric(path: Path | None) -> Rubric:
    """Read a rubric from YAML, or the default one if `path` is None. Raises RecipeError with every fault."""
    if path is None:
        return default_rubric()
    try:
        return Rubric.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except FileNotFoundError:
        raise RecipeError(f"rubric {path}", ["there is no such file; copy principles.yaml and change it"]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"rubric {path}", [f"is not YAML in UTF-8: {str(error).splitlines()[0]}"]) from None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'top level'}: {e['msg']}" for e in error.errors()]
        raise RecipeError(f"rubric {path}", faults) from None
