"""The counsellors' skill profiles, read from profiles.yaml."""

from __future__ import annotations

import difflib
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from psychocounsel.backends.simulated.lexicon import read_package_yaml
from psychocounsel.errors import BackendError

PREFIX = "simulated/"

Degree = Annotated[float, Field(ge=0, le=1)]


class Skills(BaseModel):
    """Degrees from 0 to 1; profiles.yaml says what each means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    empathy_accuracy: Degree
    empathy_depth: Degree
    particulars: Degree
    listening: Degree
    asks: Degree
    open_questions: Degree
    reflections: Degree
    warmth: Degree
    affirmation: Degree
    autonomy_support: Degree
    stage_matching: Degree
    asks_permission: Degree
    information: Degree
    summary: Degree
    linking: Degree
    disclosure: Degree
    immediacy: Degree
    risk_sensitivity: Degree
    plain_language: Degree
    verbosity: Degree
    steadiness: Degree


class Profile(BaseModel):
    """One counsellor."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    skills: Skills
    misuse: dict[str, Degree] = {}
    """Misuse move to its probability in a response."""
    extra: dict[str, Degree] = {}
    """Sound moves that this counsellor makes more than its skills say."""
    layout: dict[str, Degree] = {}
    """`numbered` or `worksheet` to the share of responses laid out so."""

    @property
    def spec(self) -> str:
        return PREFIX + self.name


@cache
def load_profiles() -> dict[str, Profile]:
    """Return the profiles by name, in the order of the pool."""
    raw = read_package_yaml("profiles.yaml")
    return {
        name: Profile.model_validate({"name": name, **entry, "skills": {**raw["defaults"], **entry["skills"]}})
        for name, entry in raw["counsellors"].items()
    }


def find_profile(spec: str) -> Profile:
    """Return the profile that `simulated/<name>` names. Raises BackendError with the nearest names."""
    profiles = load_profiles()
    name = spec.removeprefix(PREFIX)
    if name in profiles:
        return profiles[name]
    near = difflib.get_close_matches(name, profiles, n=3, cutoff=0.3) or list(profiles)[:3]
    raise BackendError(
        f"no simulated counsellor is called {spec!r}; nearest are {', '.join(PREFIX + n for n in near)} "
        f"(there are {len(profiles)} in all)"
    )
