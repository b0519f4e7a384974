"""Where things lie in a run's folder: the one place that stages, which never import each other, agree on."""

from __future__ import annotations

SPEECHES = "collect/speeches.parquet"
DROPPED = "collect/dropped.parquet"
HELD = "collect/held.parquet"
REVIEW = "collect/review.parquet"
TOPICS = "collect/topics.json"
SOURCE_RESPONSES = "collect/responses.parquet"
SOURCE_RATINGS = "collect/ratings.parquet"
RESPONSES = "generate/responses.parquet"
FURTHER = "generate/further.parquet"
RATINGS = "rate/ratings.parquet"
FURTHER_RATINGS = "rate/further.parquet"
PANEL_RATINGS = "rate/panel.parquet"
RUBRIC = "rate/rubric.json"
PAIRS = "pair/pairs.parquet"
BASE_MODEL = "base/model"
REWARD_MODEL = "reward/model"
REWARD_TEST = "reward/test.parquet"
REWARD_METRICS = "reward/metrics.json"
CURVES = "align/chosen/curves.json"
DPO_MODEL = "align/dpo/model"
CHOSEN_MODEL = "align/chosen/model"
ANSWERS = "evaluate/answers.parquet"
COMPARISONS = "evaluate/comparisons.parquet"
WIN_RATES = "evaluate/win_rates.json"
REPORT = "report/report.html"


def round_step(number: int) -> str:
    """Name of the step that is the `number`-th online round, from 1."""
    return f"align/round-{number}"
