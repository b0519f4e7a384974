"""The warm start: a backbone that has learned the ratings, and a scalar head that is their weighted mean.

A pair says one bit about two responses; the ratings it was made from say seven numbers about each. On few pairs,
learning the numbers first and the preference after is the better use of the same labels. The same squared error at
every token of a response, not at its last alone, and the base policy's own loss beside it keep a small model from
learning too little or only by heart (docs/experiments.md has each by itself). Only ratings of train responses are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from psychocounsel.errors import BackendError
from psychocounsel.hyperparameters import WarmStart
from psychocounsel.models.adapters import merged
from psychocounsel.models.branches import Group, Row, branch_sums, hidden_states
from psychocounsel.models.head import picked_logprobs
from psychocounsel.models.preference import Example, GroupTrainer, Part
from psychocounsel.models.training import Job, fit
from psychocounsel.principles import Rubric
from psychocounsel.progress import Tick
from psychocounsel.reward.examples import Rated

BRANCHES = 4
"""Responses to a prompt that learn together."""
SCALE = 3.0
"""Nats of reward for each point of preference score at the start; Bradley-Terry then sets it."""


@dataclass(frozen=True, slots=True)
class RatedGroup:
    """A row of a prompt and responses to it, with the ratings of each."""

    group: Group
    ratings: list[list[float]]
    """[branches, principles], each principle centred on its mean over all rows."""


def rated_groups(rated: Sequence[Rated]) -> list[RatedGroup]:
    """Return the responses to each conversation together, BRANCHES at most in a group."""
    together: dict[str, list[Rated]] = {}
    for response in rated:
        together.setdefault(response.speech_id, []).append(response)
    means = [sum(column) / len(rated) for column in zip(*(r.ratings for r in rated), strict=True)]
    groups = []
    for rows in together.values():
        for part in (rows[at : at + BRANCHES] for at in range(0, len(rows), BRANCHES)):
            centred = [[s - m for s, m in zip(row.ratings, means, strict=True)] for row in part]
            groups.append(RatedGroup(Group(part[0].prompt, [row.response for row in part]), centred))
    return groups


def _work(model: Any, row: Row) -> tuple[Tensor, Tensor]:
    """Return the heads at every wanted token [N, principles], and the tokens' log-probabilities [N]."""
    hidden = hidden_states(model, row)
    heads = model.score(hidden[row.places]).float()
    return heads, picked_logprobs(hidden[row.predictors], model.get_input_embeddings(), row.targets)


class _RatingTrainer(GroupTrainer):
    """Squared error of the heads at each response's end and at all of its tokens, and next-token cross-entropy."""

    work = staticmethod(_work)
    takes_section = True

    def __init__(self, *, section: WarmStart, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.section = section

    def loss_of(self, part: Part, output: Any) -> Tensor:
        row, (heads, logprobs) = part.row, output
        wanted = part.numbers["ratings"].view(row.branches, -1)
        wanted = torch.cat([wanted, wanted[:1]])[row.branch]  # fillers have the next number, and weigh nothing
        errors = (heads - wanted).square().mean(-1)
        ends = row.lengths.cumsum(0) - 1  # a branch's wanted tokens stand together, its end token last
        loss: Tensor = errors[ends].mean()
        if self.section.every_token:
            loss = loss + self.section.every_token * branch_sums(errors, row).sum() / row.wanted
        if self.section.language:
            loss = loss - self.section.language * branch_sums(logprobs, row).sum() / row.wanted
        return loss


def learn_ratings(
    base: str, groups: Sequence[RatedGroup], tokenizer: Any, section: WarmStart, scratch: Path, seed: int, tick: Tick
) -> Any:
    """Return the model in folder `base` with a head for every principle, trained on the rated groups.

    Raises BackendError where `language` is asked of a model that has a language head beside its embeddings.
    """
    from transformers import AutoModelForSequenceClassification, set_seed

    set_seed(seed % 2**32)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(groups[0].ratings[0]), dtype=torch.float32
    )
    if section.language and not model.config.tie_word_embeddings:
        raise BackendError(
            f"{base} has a language head of its own, which a reward model does not keep: set "
            "reward.warm_start.language=0."
        )
    model.config.pad_token_id = tokenizer.pad_token_id
    examples = [Example(g.group, {"ratings": [r for ratings in g.ratings for r in ratings]}) for g in groups]
    return merged(fit(Job(_RatingTrainer, model, tokenizer, section, examples, scratch, seed), tick).model)


def put_into(model: Any, warmed: Any, rubric: Rubric) -> None:
    """Give the one-label `model` the backbone of `warmed`, and as head the rubric's weighted mean of its heads."""
    model.base_model.load_state_dict(warmed.base_model.state_dict())
    weights = torch.tensor([p.weight for p in rubric.principles])
    with torch.no_grad():
        mean = (weights / weights.sum()).to(warmed.score.weight) @ warmed.score.weight
        model.score.weight.copy_(SCALE * mean[None])
