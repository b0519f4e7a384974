"""A planted test set for de-identification: client speeches in which we put the identifiers, so we know where they are.

`make` fills hand-written speeches with values from Faker and from lists of real places, schools and employers; `score`
measures a de-identifier on them. It was written without sight of ours. data/planted/README.md has the conventions.
"""

from __future__ import annotations

import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from faker import Faker
from unidecode import unidecode

from psychocounsel.statistics.intervals import Figure, mean_figure

DATA = Path(__file__).parent / "data" / "planted"
LONGEST = 120
"""Words a speech may have."""
COUNTS = (12, 20, 20, 16, 14, 10, 8)
"""Weights of 0 to 6 identifiers in a speech."""
MARKS = {"#": "0123456789", "%": "123456789", "?": "ABCDEGHJKLMNPRSTWXYZ", "^": "abcdefghijkmnprstuvwz"}
YOUNG, OLD, SOLID = ("teen_chat", "student"), ("older",), ("zh_CN", "ko_KR")


@dataclass(frozen=True, slots=True)
class Plant:
    """One identifier in a speech."""

    start: int
    """Its first character."""
    end: int
    """One past its last."""
    type: str
    """PERSON, AGE, DATE, PLACE, SCHOOL, EMPLOYER, PHONE, EMAIL, HANDLE, URL or ID."""
    value: str
    """What stands there."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A speech and every identifier in it."""

    text: str
    """30 to 120 words."""
    spans: tuple[Plant, ...]
    """In order, without overlap."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well a de-identifier did on one type, or on ALL; a figure over nothing is None."""

    recall: Figure | None
    """Share of plants whose every word character lies in found spans, whatever their type."""
    typed: Figure | None
    """The same, where the spans must have the right type."""
    precision: Figure | None
    """Share of found spans (of this type) that overlap a plant of any type."""
    excess: Figure | None
    """Mean share of a found span's word characters that belong to no plant: a span too long shows here."""


def _sections(name: str) -> dict[str, list[str]]:
    """Return the lines of a data file under their [headings]."""
    found: dict[str, list[str]] = {}
    for line in (DATA / f"{name}.txt").read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"\[(.+)\]", line):
            lines = found[heading[1]] = []
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


@cache
def _lines(name: str) -> tuple[str, ...]:
    return tuple((DATA / f"{name}.txt").read_text("utf-8").split("\n")[:-1])


def _latin(value: str) -> bool:
    return all(c < "ɐ" or "Ḁ" <= c < "ἀ" for c in value)


class Values:
    """Draws values by shape: a pattern of values.yaml, a line of a list, or what Faker has."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        spec = yaml.safe_load((DATA / "values.yaml").read_text("utf-8"))
        self.shapes: dict[str, list[str]] = {k: [str(v) for v in each] for k, each in spec["shapes"].items()}
        self.type = {shape: kind for kind, shapes in spec["types"].items() for shape in shapes}
        self.locales: dict[str, list[str]] = {what: each.split() for what, each in spec["locales"].items()}
        self.korean: dict[str, str] = spec["korean"]
        self.fakers: dict[str, Any] = {}
        for locale in sorted({each for some in self.locales.values() for each in some} - {"arabic"}):
            self.fakers[locale] = Faker(locale)
            self.fakers[locale].seed_instance(rng.getrandbits(32))
        self.locale = ""

    def draw(self, shape: str) -> str:
        """Return a fresh value; the parts of one name come from one locale."""
        self.locale = self.rng.choice(self.locales["names"])
        value = self.expand("{" + shape + "}")
        return unidecode(value) if _latin(value) and self.rng.random() < 0.3 else value

    def expand(self, template: str) -> str:
        def drawn(m: re.Match[str]) -> str:
            return self.part(m[1]) if m[1] else self.rng.choice(MARKS[m[0]])

        return re.sub(r"\{(\w+)\}|[#%?^]", drawn, template)

    def part(self, shape: str) -> str:
        if shape in self.shapes:
            return self.expand(self.rng.choice(self.shapes[shape]))
        made = getattr(self, f"_{shape}", None)
        return str(made()) if made else self.rng.choice(_lines(shape))

    def faker(self, what: str) -> Any:
        return self.fakers[self.rng.choice(self.locales[what])]

    def person(self, what: str) -> str:
        if self.locale == "arabic":
            return self.rng.choice(_lines(f"arabic_{what}"))
        name = {"male": "first_name_male", "female": "first_name_female", "last": "last_name"}[what]
        if self.locale in ("zh_CN", "ja_JP"):
            name = "last_romanized_name" if what == "last" else "first_romanized_name"
        value = str(getattr(self.fakers[self.locale], name)())
        if not _latin(value):
            value = unidecode(value).strip().replace("'", "").title()
        return self.korean.get(value, value) if self.locale == "ko_KR" else value

    def _him(self) -> str:
        return self.person("male")

    def _her(self) -> str:
        return self.person("female")

    def _last(self) -> str:
        return self.person("last")

    def _script(self) -> str:
        source = self.faker("scripts")
        if self.rng.random() < 0.6:
            return str(source.first_name())
        # `name` may bring a title, save where it writes the family first.
        return str(source.name() if source.locales[0] in SOLID else f"{source.first_name()} {source.last_name()}")

    def _slug(self) -> str:
        return re.sub(r"[^a-z]", "", unidecode(self.person(self.rng.choice(["male", "female", "last"]))).lower())

    def _SLUG(self) -> str:  # noqa: N802
        return self._slug().capitalize()

    def _city(self) -> str:
        return str(self.faker("cities").city())

    def _avenue(self) -> str:
        return str(self.faker("streets").street_name())

    def _county(self) -> str:
        source = self.faker("counties")
        return str(source.county() if source.locales[0] in ("en_GB", "en_IE") else source.state())

    def _postcode(self) -> str:
        return str(self.fakers["en_GB"].postcode())

    def _firm(self) -> str:
        return str(self.faker("firms").company())

    def _domain(self) -> str:
        return str(self.faker("firms").domain_name())

    def _numberplate(self) -> str:
        return str(self.faker("plates").license_plate())

    def _ssn(self) -> str:
        return str(self.fakers["en_US"].ssn())

    def _card(self) -> str:
        return str(self.fakers["en_US"].credit_card_number())

    def _iban(self) -> str:
        iban = str(self.faker("ibans").iban())
        return iban if self.rng.random() < 0.5 else re.sub(r"(.{4})(?=.)", r"\1 ", iban)

    def _nhs(self) -> str:
        while True:
            digits = self.expand("%########")
            check = -sum(int(d) * w for d, w in zip(digits, range(10, 1, -1), strict=True)) % 11
            if check < 10:
                return f"{digits[:3]} {digits[3:6]} {digits[6:]}{check}" if check % 2 else f"{digits}{check}"


Pieces = list[tuple[str, str]]
"""Text with its type; "" for what is no identifier."""


@dataclass(frozen=True, slots=True)
class _Speech:
    """One speech in the making."""

    values: Values
    chat: bool
    lowered: bool

    def pieces(self, clause: str) -> Pieces:
        """Return a clause with its slots filled."""
        found: Pieces = []
        for i, part in enumerate(re.split(r"\{(\w+)\}", clause)):
            if i % 2 == 0:
                found.append((self.plain(part), ""))
                continue
            value, kind = self.values.draw(part), self.values.type[part]
            if self.lowered or (kind in ("PERSON", "PLACE") and self.values.rng.random() < 0.06):
                value = value.lower()
            if value[:4].lower() == "the ":
                at_start = not self.chat and not any(text for text, _ in found)
                found.append(("The " if at_start else "the ", ""))
                value = value[4:]
            found.append((value, kind))
        return found

    def plain(self, text: str) -> str:
        if not self.chat:
            return text
        text = re.sub(r"[.,;:!?]+(?=\s|$)", "", text.lower())
        return text.replace("'", "") if self.lowered else text


def _clause(lines: Iterable[str], voice: str, opened: bool, rng: random.Random) -> str:
    """Return a line that suits the voice, its flags still on."""
    barred = ("+" if voice in YOUNG else "-") + ("" if voice in OLD else "*") + (">" if opened else "")
    return rng.choice([line for line in lines if not set(re.split(r"[^>+*-]", line, maxsplit=1)[0]) & set(barred)])


def _one(voice: str, body: str, values: Values, carriers: dict[str, list[str]], plain: dict[str, list[str]]) -> Planted:
    rng = values.rng
    chat = "chat" in voice
    speech = _Speech(values, chat, chat and rng.random() < 0.85)
    left = rng.choices(range(len(COUNTS)), COUNTS)[0]

    def slot(m: re.Match[str]) -> str:
        nonlocal left
        if left == 0 or rng.random() < 0.25:
            return m[2]
        left -= 1
        return m[1]

    parts = [speech.pieces(part) for part in re.split(r" \^ ", re.sub(r"<([^|>]*)\|([^>]*)>", slot, body))]
    words = sum(len("".join(text for text, _ in part).split()) for part in parts)
    kinds = rng.sample([*carriers, "PERSON", "PLACE", "DATE"], left)
    wanted = [(carriers, kind) for kind in kinds]
    wanted += [(plain, rng.choice(list(plain))) for _ in range(rng.choice((0, 1, 1, 2)))]
    gaps: list[list[Pieces]] = [[] for _ in range(len(parts) + 1)]
    opened, used = False, set()
    for lines, kind in wanted:
        line = _clause((each for each in lines[kind] if each not in used), voice, opened, rng)
        used.add(line)
        pieces = speech.pieces(line.lstrip(">+*-"))
        words += (length := len("".join(text for text, _ in pieces).split()))
        if words > LONGEST:
            words -= length
        elif ">" in line[:2]:
            opened = True
            gaps[0].insert(0, pieces)
        else:
            gaps[rng.randrange(len(gaps))].append(pieces)
    blocks = [piece for i, part in enumerate([*parts, None]) for piece in (*gaps[i], *([part] if part else []))]
    return _joined(blocks, chat, rng)


def _joint(pieces: Pieces, chat: bool, rng: random.Random) -> str:
    """Return what stands after a clause. A value at the very end is kept apart from what follows."""
    last = next(piece for piece in reversed(pieces) if piece[0])
    return "\n" if last[1] else rng.choice((" ", " ", " ", "\n")) if chat else " "


def _joined(blocks: list[Pieces], chat: bool, rng: random.Random) -> Planted:
    text, spans = "", []
    for i, block in enumerate(blocks):
        for piece, kind in block:
            if kind:
                spans.append(Plant(len(text), len(text) + len(piece), kind, piece))
            text += piece
        text += _joint(block, chat, rng) if i + 1 < len(blocks) else ""
    return Planted(text, tuple(spans))


def make(count: int, seed: int) -> list[Planted]:
    """Return `count` speeches with 0 to 6 identifiers each. The same seed and version of Faker give the same set."""
    rng = random.Random(seed)
    values = Values(rng)
    carriers, plain = _sections("carriers"), _sections("negatives")
    bodies = [(voice, line) for voice, lines in _sections("bodies").items() for line in lines]
    made: list[Planted] = []
    while len(made) < count:
        rng.shuffle(bodies)
        made += [_one(voice, body, values, carriers, plain) for voice, body in bodies[: count - len(made)]]
    return made


def _outside(text: str, start: int, end: int, spans: Iterable[tuple[int, int]]) -> float:
    """Return the share of the word characters of text[start:end] that lie in none of the spans."""
    held = {i for a, b in spans for i in range(max(a, start), min(b, end))}
    letters = [i for i in range(start, end) if text[i].isalnum()]
    return sum(i not in held for i in letters) / max(1, len(letters))


def score(
    found: Sequence[Sequence[tuple[int, int, str]]], planted: Sequence[Planted], resamples: int = 200
) -> dict[str, Score]:
    """Return the scores by type and over all ("ALL"), with 95 % intervals by bootstrap over speeches.

    `found` has the (start, end, type) spans of each speech, in the order of `planted`.
    """
    rows: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for i, (spans, speech) in enumerate(zip(found, planted, strict=True)):
        for p in speech.spans:
            same = [(a, b) for a, b, kind in spans if kind == p.type]
            missed = _outside(speech.text, p.start, p.end, [(a, b) for a, b, _ in spans])
            apart = _outside(speech.text, p.start, p.end, same)
            for kind in (p.type, "ALL"):
                rows[kind, "recall"].append((missed == 0, str(i)))
                rows[kind, "typed"].append((apart == 0, str(i)))
        for a, b, kind in spans:
            hit = any(p.start < b and a < p.end for p in speech.spans)
            extra = _outside(speech.text, a, b, [(p.start, p.end) for p in speech.spans])
            for each in (kind, "ALL"):
                rows[each, "precision"].append((hit, str(i)))
                rows[each, "excess"].append((extra, str(i)))

    def figure(kind: str, what: str) -> Figure | None:
        if not (row := rows.get((kind, what))):
            return None
        return mean_figure([v for v, _ in row], [c for _, c in row], resamples=resamples, seed=0, bounds=(0, 1))

    kinds = sorted({kind for kind, _ in rows})
    return {kind: Score(*(figure(kind, what) for what in ("recall", "typed", "precision", "excess"))) for kind in kinds}


def main() -> None:
    """Print some speeches to read, each plant in brackets: `python -m benchmarks.planted 60 7`."""
    given = [int(each) for each in sys.argv[1:3]]
    count, seed = given + [20, 0][len(given) :]
    for speech in make(count, seed):
        text = speech.text
        for p in reversed(speech.spans):
            text = f"{text[: p.start]}[{p.value}|{p.type}]{text[p.end :]}"
        print(text, end="\n\n")


if __name__ == "__main__":
    main()
