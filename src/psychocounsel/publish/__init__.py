"""publish: a run's reward model, policy and pairs as folders for the hub, each with its card. Nothing is uploaded."""

from psychocounsel.publish.leaving import Leaving
from psychocounsel.publish.lineage import KINDS, Kind
from psychocounsel.publish.stage import Permissions, Published, publish

__all__ = ["KINDS", "Kind", "Leaving", "Permissions", "Published", "publish"]
