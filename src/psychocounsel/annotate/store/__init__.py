"""store: a study in SQLite or PostgreSQL. What raters do is appended, and nothing of it is changed or removed."""

from psychocounsel.annotate.store.access import Coordinator, Rater, Standing
from psychocounsel.annotate.store.events import Event, Saved, Stored
from psychocounsel.annotate.store.store import Store

__all__ = ["Coordinator", "Event", "Rater", "Saved", "Standing", "Store", "Stored"]
