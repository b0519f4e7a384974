"""collect: client speeches from files or the corpus in the box, cleaned of duplicates and split without leaks."""

from psychocounsel.collect.deduplicate import drop_duplicates
from psychocounsel.collect.sources import SourceRow, read_source
from psychocounsel.collect.split import assign_splits
from psychocounsel.collect.stage import Collected, collect, make

__all__ = ["Collected", "SourceRow", "assign_splits", "collect", "drop_duplicates", "make", "read_source"]
