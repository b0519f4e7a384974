"""Twenty simulated counsellors of varying quality, so that the pipeline runs without a network or a language model."""

from __future__ import annotations

from psychocounsel.backends.simulated.counsellor import SimulatedCounsellor
from psychocounsel.backends.simulated.profiles import Profile, load_profiles

__all__ = ["POOL", "Profile", "SimulatedCounsellor", "load_profiles"]

POOL: tuple[str, ...] = tuple(profile.spec for profile in load_profiles().values())
"""The specs of the pool, in order."""
