"""The cues of `cues.yaml`, compiled once, in the small language of `safety/rules.py`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from psychocounsel.safety.responses.sentences import Sentence
from psychocounsel.safety.rules import Cue, Expander, data_file

Span = tuple[int, int]


@cache
def cues() -> dict[str, dict[str, tuple[Cue, ...]]]:
    """Return the cues by name, each under the words of which a sentence must hold one."""
    data = data_file("responses/cues.yaml")
    parts = {name: " ".join(source.split()) for name, source in data["parts"].items()}
    expander = Expander(parts, frozenset(data["common"].split()))
    out: dict[str, dict[str, tuple[Cue, ...]]] = {}
    for name, sources in data["cues"].items():
        by_word: dict[str, tuple[Cue, ...]] = {}
        for source in (branch for whole in sources for branch in branches(" ".join(str(whole).split()))):
            cue = expander.compile(source)
            if not cue.needs:
                raise ValueError(f"cue {source!r}: it holds no word that a sentence must have")
            for word in cue.needs[0]:
                by_word[word] = (*by_word.get(word, ()), cue)
        out[name] = by_word
    return out


def branches(source: str) -> list[str]:
    """Return a cue's outermost branches, each of which asks for more words than all of them together."""
    if "&&" in source:
        return [source]
    out, depth = [""], 0
    for char in source:
        depth += (char == "(") - (char == ")")
        if char == "|" and not depth:
            out.append("")
        else:
            out[-1] += char
    return [branch.strip() for branch in out]


def each(name: str, sentence: Sentence) -> Iterator[Span]:
    """Yield start and end, in the sentence's text, of every match of the cues of `name`."""
    by_word = cues()[name]
    tried: set[int] = set()
    for word in sorted(sentence.words & by_word.keys()):
        for cue in by_word[word]:
            if id(cue) in tried:
                continue
            tried.add(id(cue))
            if any(needs.isdisjoint(sentence.words) for needs in cue.needs):
                continue
            for match in cue.regex.finditer(sentence.text):
                yield match.start() + 1, match.end()


def first(name: str, sentence: Sentence) -> Span | None:
    """Return the earliest match of the cues of `name`, or None."""
    return min(each(name, sentence), default=None)


def holds(name: str, sentence: Sentence) -> bool:
    """Return whether any cue of `name` matches."""
    return next(each(name, sentence), None) is not None
