"""Cleaning: what is mended in a text, and which texts are nobody's client speech."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

_MARKUP = re.compile(
    r"<br\s*/?>|</?(?:p|div|span|b|i|em|strong|a|ul|ol|li|blockquote|h[1-6])(?:\s[^<>]{0,300})?>", re.I
)
_LINK = re.compile(r"\[([^\]\n]{1,200})\]\(https?://[^)\s]+\)|(?:https?://|www\.)[^\s<>\")\]]+", re.I)
# Zero-width and direction marks, soft hyphen, BOM, C0 and C1 controls but tab and line breaks.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\u00ad\ufeff\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"(?: ?\n ?){3,}")
_REPLY = re.compile(r"^(?:-{2,} ?(?:original|forwarded) message ?-{2,}.*|on .{6,80} wrote:\s*|_{10,})$", re.I | re.M)
"""Where an earlier mail begins: what follows is not this speech."""
_BOILERPLATE = re.compile(
    r"^(?:>.*|sent from (?:my|outlook|yahoo|mail)\b.*|get outlook for .*|(?:from|to|cc|sent|date|subject|received): .*"
    r"|this (?:e-?mail|message)(?: and any attachments?)? (?:is|are|may be) (?:confidential|intended|privileged).*"
    r"|(?:crisis text line|disclaimer|automatic reply|auto-?reply|do not reply to this).{0,200})$",
    re.I | re.M,
)
_EMPTY = re.compile(
    r"[\W_]*(?:deleted|removed|n/?a|none|null|nan|test(?:ing)?|lorem ipsum.*|no (?:text|comment|answer))?[\W_]*",
    re.I | re.S,
)
_SELLING = re.compile(
    r"\b(?:click here|sign up|subscribe|promo(?:tion)? code|coupon|limited offer|buy now|order now|free shipping"
    r"|visit our|\d+ ?% off|best price|casino|crypto|earn \$?\d+|dm (?:me )?for|whatsapp me|check out my"
    r"|our services)\b",
    re.I,
)
_MACHINE = re.compile(r"\b(?:as an ai\b|ai language model|i(?:'m| am) (?:just )?an ai\b|knowledge cutoff)", re.I)
_CODE = re.compile(
    r"^\s*(?:def |class |import |#include|function\b.*\{|<\?php|SELECT .* FROM|[{\[]\s*\"\w+\"\s*:|</?html)", re.M
)
_FIRST_PERSON = re.compile(r"\b(?:i|i'?m|i'?ve|i'?d|me|my|mine|myself|we|us|our)\b", re.I)
_ADVICE = re.compile(
    r"\b(?:it sounds like you|i hear (?:that )?you|thank you for (?:reaching out|sharing|your question)"
    r"|you (?:may|might|could) (?:want to|benefit|consider|try)|i would (?:encourage|suggest|recommend)"
    r"|i(?:'m| am) sorry (?:to hear|you)|seek(?:ing)? (?:a|the help of a) (?:therapist|counsell?or|professional)"
    r"|best (?:of luck|wishes))\b",
    re.I,
)
_PLAIN = frozenset("the and to i my of that it is was have for with but not me this so what just don't i'm".split())
# Literal words are looked up many times faster than expressions match: most texts hold none, or one by chance.
_SELLING_SIGNS: tuple[str, ...] = (
    "click",
    "sign up",
    "subscri",
    "code",
    "coupon",
    "limited",
    "order now",
    "buy now",
    "free ship",
    "% off",
)
_SELLING_SIGNS += ("price", "casino", "crypto", "earn ", "dm for", "dm me", "whatsapp", "check out my", "our services")
_SELLING_SIGNS += ("visit our",)
_ADVICE_SIGNS: tuple[str, ...] = (
    "sounds like you",
    "i hear ",
    "thank you for",
    "you may ",
    "you might ",
    "you could ",
    "would encourage",
)
_ADVICE_SIGNS += (
    "would suggest",
    "would recommend",
    "sorry to hear",
    "sorry you",
    "seek",
    "best of luck",
    "best wishes",
)
_BREAKING = ("<br", "<p>", "<p ", "</p", "<li", "<di", "</d")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text, mended."""

    text: str
    mended: tuple[str, ...]
    """What was done, to count by: encoding, invisible characters, markup, links, boilerplate, spaces."""


def clean(text: str) -> Cleaned:
    """Mend what sources break: mojibake, invisible characters, markup, links, mail headers and quoted mail, spaces.

    Links become `[link]`. Words that a client wrote are never changed but where they were garbled.
    """
    mended = []
    for name, mend in _MENDERS:
        after = mend(text)
        if after != text:
            mended.append(name)
            text = after
    return Cleaned(text, tuple(mended))


def _encoding(text: str) -> str:
    if text.isascii() and "&" not in text:
        return text
    return str(_ftfy().fix_text(text, uncurl_quotes=False, remove_terminal_escapes=False, fix_line_breaks=True))


@cache
def _ftfy() -> Any:
    import ftfy

    return ftfy


def _invisible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    # Joiners make emoji and some scripts what they are.
    return _INVISIBLE.sub(lambda m: m.group() if m.group() in "\u200c\u200d" else "", text.replace("\r\n", "\n"))


def _markup(text: str) -> str:
    if "<" not in text:
        return text
    return _MARKUP.sub(lambda m: "\n" if m.group()[:3].lower() in _BREAKING else "", text)


def _links(text: str) -> str:
    low = text.lower()
    if "http" not in low and "www." not in low:
        return text
    return _LINK.sub(lambda m: f"{m.group(1)} [link]" if m.group(1) else "[link]", text)


def _boilerplate(text: str) -> str:
    if "\n" not in text and not _BOILERPLATE.match(text):
        return text
    reply = _REPLY.search(text)
    if reply and text[: reply.start()].strip():
        text = text[: reply.start()]
    return _BOILERPLATE.sub("", text)


def _spaces(text: str) -> str:
    if "  " not in text and "\n" not in text and "\t" not in text and text.isascii():
        return text.strip()
    return _LINES.sub("\n\n", _SPACES.sub(" ", text)).strip()


_MENDERS = (
    ("encoding", _encoding),
    ("invisible characters", _invisible),
    ("markup", _markup),
    ("links", _links),
    ("boilerplate", _boilerplate),
    ("spaces", _spaces),
)


def not_a_client(text: str) -> tuple[str, str] | None:
    """Return why a cleaned text is nobody's client speech, as (reason, detail), or None. When in doubt it is kept."""
    if len(text) < 40 and _EMPTY.fullmatch(text):
        return "no client text", "a placeholder, such as [deleted]"
    if "[link]" in text and not text.replace("[link]", "").strip():
        return "links alone", ""
    low = text.lower()
    if " ai" in low and _MACHINE.search(low):
        return "not a client", "written by a language model, by its own words"
    if _hits(low, _SELLING_SIGNS) >= 2 and len({m.group() for m in _SELLING.finditer(low)}) >= 2:
        return "not a client", "reads as an advertisement"
    if (
        "{" in text or "#" in text or "<" in text or "(" in text or "class " in text or "import " in text
    ) and _CODE.search(text):
        return "not a client", "program code or data"
    if _hits(low, _ADVICE_SIGNS) >= 2:
        advice = len(_ADVICE.findall(low))
        if advice >= 2 and len(_FIRST_PERSON.findall(low)) <= 2 * advice:
            return "not a client", "reads as a counsellor's answer"
    return None


def _hits(low: str, signs: tuple[str, ...]) -> int:
    return sum([sign in low for sign in signs])


def other_language(text: str, languages: Sequence[str]) -> str | None:
    """Return the language (ISO 639-1) of a text that is surely in none of `languages`, else None.

    Short texts and names mislead any detector: it has to be sure, and the text to have five words.
    """
    words = text.lower().split()
    if "en" in languages and 12 * len(_PLAIN.intersection(words)) >= min(len(words), 60):
        return None  # plain English needs no detector, which takes longer than all the rest
    if len(words) < 5 and sum(c > "\u2e80" for c in text) < 8:
        return None
    language, probability = _detector().classify(text[:1000])
    return language if language not in languages and probability >= 0.85 else None


@cache
def _detector() -> Any:
    import py3langid.langid as langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
