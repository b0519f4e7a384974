"""What a study may be drawn from, in the one shape that every source comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from psychocounsel.annotate.study import Item, Role, item_id
from psychocounsel.principles import Rubric
from psychocounsel.records import Conversation, content_id


@dataclass(frozen=True, slots=True)
class Candidates:
    """Items that a study may be drawn from."""

    items: tuple[Item, ...]
    """All with the role main."""
    source: str = ""
    """What they come from, in words; a name of a folder or file, never its path."""
    simulated: bool = False
    """Whether responses or labels were made by rules of this package."""
    rubric: Rubric | None = None
    """What the labels were rated by; None where the source does not say."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Why rows of the source are no candidates, to how many."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One response, with what is known of it."""

    text: str
    id: str = ""
    model: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    """Principle key to the labeller's rating; empty where there is none."""
    reward: float | None = None


def make_item(role: Role, conversation: Conversation, drafts: Sequence[Draft], **rest: Any) -> Item:
    """Return an item whose responses a and b are `drafts`, in order."""
    sides = dict(zip("ab", drafts, strict=False))
    texts = tuple(draft.text for draft in drafts)
    return Item(
        id=item_id(conversation, texts, role),
        role=role,
        conversation=conversation,
        texts=texts,
        response_ids=tuple(draft.id for draft in drafts),
        models=tuple(draft.model for draft in drafts),
        label_scores={side: dict(draft.scores) for side, draft in sides.items() if draft.scores},
        rewards={side: draft.reward for side, draft in sides.items() if draft.reward is not None},
        **rest,
    )


def labelled_item(role: Role, conversation: Conversation, chosen: Draft, rejected: Draft, **rest: Any) -> Item:
    """Return an item of a labelled pair. Which response is a follows from the texts, and not from the label."""
    turns = [[turn.role, turn.text] for turn in conversation]
    drafts = sorted((chosen, rejected), key=lambda draft: content_id("annotate side", turns, draft.text))
    return make_item(role, conversation, drafts, label="a" if drafts[0] is chosen else "b", **rest)


def usable(candidates: Candidates) -> Candidates:
    """Leave out pairs of one and the same text, and what is there twice; both are counted."""
    kept: dict[str, Item] = {}
    left_out = dict(candidates.left_out)
    for item in candidates.items:
        plain = [" ".join(text.split()) for text in item.texts]
        why = ""
        if len(plain) > len(set(plain)):
            why = "both responses are the same"
        elif item.id in kept:
            why = "there twice"
        if why:
            left_out[why] = left_out.get(why, 0) + 1
        else:
            kept[item.id] = item
    return replace(candidates, items=tuple(kept.values()), left_out=left_out)
