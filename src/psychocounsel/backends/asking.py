"""What a chat model is asked, and what its raw text becomes: whole sentences, within the words asked for."""

from __future__ import annotations

import re

from psychocounsel.backends.protocols import Completion
from psychocounsel.models.encoding import BRIEFLY, ROLES
from psychocounsel.records import Conversation

_SENTENCE_END = re.compile(r"[.!?][\"')\]]?(?=\s|$)")
_THINKING = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)


def messages_of(conversation: Conversation, system: str, max_words: int | None) -> list[dict[str, str]]:
    """Return the conversation as chat messages, after the system prompt if there is one."""
    messages = [{"role": ROLES[turn.role], "content": turn.text} for turn in conversation]
    if max_words is not None:
        messages[-1]["content"] += f"\n\n{BRIEFLY.format(max_words)}"
    return [{"role": "system", "content": system}, *messages] if system else messages


def cut_to_words(text: str, max_words: int) -> str:
    """Return the longest run of whole sentences with at most `max_words` words; the words themselves if none fits."""
    words = text.split()
    if len(words) <= max_words:
        return text
    clipped = " ".join(words[:max_words])
    ends = [m.end() for m in _SENTENCE_END.finditer(clipped)]
    return clipped[: ends[-1]] if ends else clipped


def completion(text: str, finished: bool, max_words: int | None) -> Completion:
    """Return the completion that `text` is; one that a token limit cut off ends with its last whole sentence."""
    text = _THINKING.sub("", text).strip()
    if not text:
        return Completion("", "empty answer")
    if not finished:
        ends = [m.end() for m in _SENTENCE_END.finditer(text)]
        if not ends:
            return Completion("", "no whole sentence within the token limit")
        text = text[: ends[-1]]
    return Completion(text if max_words is None else cut_to_words(text, max_words))
