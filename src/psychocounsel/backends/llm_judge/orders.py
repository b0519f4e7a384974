"""Words in a text that are meant for a rater: found by what they ask for, and left out before a judge reads them.

Wide on purpose: a client who happens to write "ignore all of the above" loses a sentence, and the judge is told so.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

import yaml

LEFT_OUT = "[a sentence that speaks to the rater was left out]"
_CODED = re.compile(r"(?<![\w/+])(?:[A-Za-z0-9+/]{4}){10,}(?:[A-Za-z0-9+/]{2,3}={0,2})?(?![\w/+])")
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?]+[\"')\]]*|\n|$)\s*")
_HINTS = re.compile(
    r"rat|scor|grad|mark|5|five|ten\b|ignor|disreg|forget|overr|bypass|rubric|instruc|prompt|rule|system|assistant|"
    r"judge|evaluat|model|\bai\b|gpt|<|\[|\{|#|end of|verdict|principle|criteri|max|perfect|response|note|bewert|calif|"
    r"punt",
    re.IGNORECASE,
)


@cache
def _order() -> re.Pattern[str]:
    data = yaml.safe_load(resources.files(__package__).joinpath("orders.yaml").read_text("utf-8"))
    forms = []
    for form in data["forms"]:
        for name, part in data["parts"].items():
            form = form.replace(f"{{{name}}}", part)
        forms.append(f"(?:{form})")
    return re.compile("|".join(forms), re.IGNORECASE | re.DOTALL)


def _seen(text: str) -> str:
    """Return `text` as a model would read it: look-alike and invisible characters undone."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(_ALIKE.get(c, c) for c in plain if unicodedata.category(c) not in ("Cf", "Mn"))


_ALIKE = dict(zip("аеорсухіѕԁɡ", "aeopcyxisdg", strict=True))


def without_orders(text: str) -> str:
    """Return `text` with each sentence that speaks to a rater, and each long coded run, replaced by LEFT_OUT."""
    if not _HINTS.search(_seen(text)) and not _CODED.search(text):
        return text
    text = _CODED.sub(LEFT_OUT, text)
    out: list[str] = []
    for found in _SENTENCE.finditer(text):
        sentence = found[0]
        if not sentence:
            continue
        if _order().search(_seen(sentence)):
            if not out or out[-1].strip() != LEFT_OUT:
                out.append(f"{LEFT_OUT} ")
        else:
            out.append(sentence)
    joined = "".join(out)
    # An order may be spread over sentences: what is still one when they are joined goes as a whole.
    return joined if joined.strip() else text
