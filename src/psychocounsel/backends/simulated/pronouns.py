"""Turn a client's own words round, so that a counsellor can say them back: "I lost my job" to "you lost your job"."""

from __future__ import annotations

import re

_ADVERBS = (
    "just|really|still|also|always|never|often|only|actually|already|now|then|probably|honestly|constantly|definitely"
    "|currently|almost|finally|usually|suddenly|so"
)
_WORDS = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "we": "you", "us": "you",
    "our": "your", "ours": "yours", "ourselves": "yourselves", "i'm": "you're", "i've": "you've", "i'd": "you'd",
    "i'll": "you'll", "we're": "you're", "we've": "you've", "we'd": "you'd", "we'll": "you'll", "im": "you're",
    "ive": "you've",
}  # fmt: skip
_BE = {"am": "are", "was": "were", "wasn't": "weren't", "isn't": "aren't", "ain't": "aren't"}
_FLIP = re.compile(
    rf"\b(?P<mine>my \w+) and (?:i|me|myself)\b(?P<minebe> am| was| wasn't)?"
    rf"|\b(?:me|myself) and (?P<andmine>my \w+)"
    r"|\b(?P<other>he|she|they|him|her|them) and (?:i|me)\b"
    r"|\bbetween us\b|\bboth of us\b"
    rf"|\b(?P<subject>i)(?P<adverb>(?: (?:{_ADVERBS})){{0,2}}) (?P<be>am|was|wasn't|ain't)\b"
    r"|\b(?P<inverted>am|was|wasn't) i\b"
    r"|\b(?P<word>i'm|i've|i'd|i'll|we're|we've|we'd|we'll|myself|ourselves|mine|ours|my|our|me|us|we|im|ive"
    r"|i)\b(?!')",
    re.IGNORECASE,
)
_CARRIED = re.compile(r"\b(and|but|or)((?: (?:" + _ADVERBS + r"))?) (am|was|wasn't)\b", re.IGNORECASE)


def _turn(match: re.Match[str]) -> str:
    found = match.group(0).lower()
    if match["mine"]:
        be = _BE.get((match["minebe"] or "").strip().lower(), "")
        return f"you and your {match['mine'][3:]}" + (f" {be}" if be else "")
    if match["andmine"]:
        return f"you and your {match['andmine'][3:]}"
    if match["other"]:
        return f"you and {match['other'].lower()}"
    if found == "between us":
        return "between the two of you"
    if found == "both of us":
        return "both of you"
    if match["subject"]:
        return f"you{match['adverb'].lower()} {_BE[match['be'].lower()]}"
    if match["inverted"]:
        return f"{_BE[match['inverted'].lower()]} you"
    if match["word"] in ("US", "IM"):
        return match["word"]
    return _WORDS[match["word"].lower()]


def flip(text: str) -> str:
    """Return `text` with first person turned into second person and verbs agreeing; other words stay as they are."""
    turned = _FLIP.sub(_turn, text)
    if turned.lower().startswith("you"):
        turned = _CARRIED.sub(lambda m: f"{m[1]}{m[2]} {_BE[m[3].lower()]}", turned)
    return turned
