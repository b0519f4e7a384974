"""The rules as data: cues in a small language over words, expanded from named parts and compiled once.

A cue is words with spaces between. `{part}` stands for a named part, `(a|b c)` for either, `(a)?` for what may be left
out, `strangl*` for any word so begun. `~3` lets up to three words come between, none of them a negation or the end of
a sentence. `&&` asks for another pattern near the first, before or after it. Every cue knows words of which a text
must hold one (`Cue.needs`), so most cues never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any

import yaml

PIECE = re.compile(r"\{\w+\}|~\d+|[a-z0-9]+\*?|[()|?.]|\s+")
NEAR = 150
"""Characters of normalised text on either side in which `&&` looks."""
GAP = r"(?: (?!(?:not|never|no|nobody) )\w+){0,%s}?"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A cue of the small language, compiled."""

    regex: str
    """Over normalised text; eats the space before each word."""
    needs: tuple[frozenset[str], ...]
    """A text must hold a word of each, else it cannot match; the rarest first."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One way to say something."""

    regex: re.Pattern[str]
    """What is found; all but its first space is the sign's span."""
    needs: tuple[frozenset[str], ...]
    """A text must hold a word of each; the rarest first."""
    near: tuple[re.Pattern[str], ...]
    """What must stand within NEAR characters of it as well."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Cues of one kind that mean one thing."""

    kind: str
    """Such as `plan`; `context.yaml` names kinds when it combines signs."""
    level: str
    """`hint` (counts only with others) or one of RISK_LEVELS."""
    reason: str
    """Short words for a person."""
    owner: str
    """`self` where the cue says whose it is or does not matter; `any` where the words before it must tell."""
    keeps: frozenset[str]
    """Names of contexts that do not take this cue back: idiom, negation, past, frame, trifle."""
    unless: re.Pattern[str] | None
    """A sentence that holds this means something else."""
    needs_theme: bool
    """Counts only where dying is spoken of elsewhere."""
    denied: str
    """The level that is left where the cue is negated."""
    cues: tuple[Cue, ...]
    """Any of them will do."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All that the YAML files say, compiled."""

    rules: tuple[Rule, ...]
    """In the order of the file."""
    contexts: dict[str, re.Pattern[str]]
    """Context patterns by name."""
    idioms: tuple[Cue, ...]
    """Phrases that are not danger."""
    by_word: dict[str, tuple[tuple[Rule | None, Cue], ...]]
    """The cues to try where a text holds a word, idioms with None for their rule; each cue under its rarest words."""
    combine: tuple[tuple[frozenset[str], str, str], ...]
    """Kinds that together mean more, the level they mean, and why."""
    theme: frozenset[str]
    """Kinds that speak of dying."""
    words: frozenset[str]
    """Every word the rules know."""


def data_file(name: str) -> Any:
    """Return a YAML file of this package."""
    return yaml.safe_load(resources.files("psychocounsel.safety").joinpath(name).read_text("utf-8"))


class Expander:
    """Turns the small language into regular expressions; parts are expanded once."""

    def __init__(self, parts: dict[str, str], common: frozenset[str]) -> None:
        self.parts = parts
        self.common = common
        self.done: dict[str, Pattern] = {}
        self.words: set[str] = set()

    def compile(self, source: str) -> Cue:
        """Return the compiled cue. ValueError for a cue that is not of the language."""
        patterns = [self.expand(part) for part in source.split("&&")]
        first, *near = (re.compile(f"{pattern.regex}(?= )") for pattern in patterns)
        return Cue(first, self.rarest(n for p in patterns for n in p.needs), tuple(near))

    def expand(self, source: str) -> Pattern:
        """Return the pattern of `source`."""
        tokens = PIECE.findall(source)
        if "".join(tokens) != source:
            raise ValueError(f"cue {source!r}: a character that the language of cues does not have")
        if any(token.isalnum() and after == "?" for token, after in pairwise(tokens)):
            raise ValueError(f"cue {source!r}: `?` takes a whole word away; put brackets round what may be left out")
        tokens = [token for token in tokens if not token.isspace()]
        pattern = self.either(tokens)
        if tokens:
            raise ValueError(f"cue {source!r}: a bracket too many")
        return pattern

    def either(self, tokens: list[str]) -> Pattern:
        """Eat branches up to a closing bracket or the end; any of their words is needed where each needs some."""
        branches = [self.sequence(tokens)]
        while tokens and tokens[0] == "|":
            tokens.pop(0)
            branches.append(self.sequence(tokens))
        if len(branches) == 1:
            return branches[0]
        firsts = [branch.needs[0] for branch in branches if branch.needs]
        needs = (frozenset[str]().union(*firsts),) if len(firsts) == len(branches) else ()
        return Pattern(f"(?:{'|'.join(branch.regex for branch in branches)})", needs)

    def sequence(self, tokens: list[str]) -> Pattern:
        """Eat elements up to `|`, a closing bracket or the end; their rarest words are needed."""
        regex, needs = "", list[frozenset[str]]()
        while tokens and tokens[0] not in ")|":
            element = self.element(tokens)
            if tokens and tokens[0] == "?":
                tokens.pop(0)
                element = Pattern(f"(?:{element.regex})?", ())
            regex += element.regex
            needs += element.needs
        return Pattern(regex, self.rarest(needs))

    def element(self, tokens: list[str]) -> Pattern:
        """Eat one word, gap, part or bracket."""
        token = tokens.pop(0)
        if token == "(":
            inside = self.either(tokens)
            if not tokens or tokens.pop(0) != ")":
                raise ValueError("a cue has a bracket too few")
            return Pattern(f"(?:{inside.regex})", inside.needs)
        if token.startswith("{"):
            name = token[1:-1]
            if name not in self.done:
                self.done[name] = self.expand(self.parts[name])
            return Pattern(f"(?:{self.done[name].regex})", self.done[name].needs)
        if token.startswith("~"):
            return Pattern(GAP % token[1:], ())
        if token.endswith("*"):
            return Pattern(rf" {token[:-1]}\w*", ())
        self.words.add(token)
        return Pattern(f" {re.escape(token)}", (frozenset({token}),))

    def rarest(self, needs: Iterable[frozenset[str]]) -> tuple[frozenset[str], ...]:
        """Return the few of `needs` that are least often met, the rarest first."""
        return tuple(sorted(needs, key=self.cost)[:4])

    def cost(self, needs: frozenset[str]) -> tuple[int, int]:
        """Return how often words of `needs` must be expected in any text; less is better."""
        return len(needs & self.common), len(needs)


def surroundings(expander: Expander, name: str, source: str) -> re.Pattern[str]:
    """Return a context's pattern; one named `_end` must end where the searched text does."""
    return re.compile(f"{expander.expand(source).regex}{' $' if name.endswith('_end') else '(?= )'}")


@cache
def rulebook() -> Rulebook:
    """Return the rules, read and compiled once in a process."""
    context = data_file("context.yaml")
    parts = {name: " ".join(source.split()) for name, source in data_file("parts.yaml").items()}
    expander = Expander(parts, frozenset(context["common"].split()))
    rules = []
    for name in context["files"]:
        for entry in data_file(name):
            unless = entry.get("unless")
            rules.append(
                Rule(
                    entry["kind"],
                    entry["level"],
                    entry["reason"],
                    entry.get("owner", "self"),
                    frozenset(entry.get("keeps", "").split()),
                    expander.compile(" ".join(unless.split())).regex if unless else None,
                    entry.get("needs_theme", False),
                    entry.get("denied", "none"),
                    tuple(expander.compile(cue) for cue in entry["cues"]),
                )
            )
    idioms = tuple(expander.compile(idiom) for idiom in context["idioms"])
    by_word: dict[str, list[tuple[Rule | None, Cue]]] = {}
    for rule, cue in [*((r, c) for r in rules for c in r.cues), *((None, c) for c in idioms)]:
        if not cue.needs:
            raise ValueError(f"cue {cue.regex.pattern!r}: it holds no word that a text must have")
        for word in cue.needs[0]:
            by_word.setdefault(word, []).append((rule, cue))
    return Rulebook(
        tuple(rules),
        {name: surroundings(expander, name, " ".join(source.split())) for name, source in context["contexts"].items()},
        idioms,
        {word: tuple(cues) for word, cues in by_word.items()},
        tuple((frozenset(row["all"].split()), row["level"], row["reason"]) for row in context["combine"]),
        frozenset(context["theme"].split()),
        frozenset(expander.words),
    )
