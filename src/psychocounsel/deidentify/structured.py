"""What has a shape of its own: addresses on the net, numbers of all kinds, dates, ages, postcodes.

The rules are in patterns.yaml. They run on folded text (`plain.fold`), each behind a cheap test for a character
that it cannot do without. Public helplines stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

from psychocounsel.deidentify.lists import NAME, lists
from psychocounsel.deidentify.patterns import rules

Span = tuple[int, int, str]
MONTH_NEAR = re.compile(r"\b(?:jan|feb|mar(?:ch)?\b|apr|may\b|june?\b|july?\b|aug|sep|oct|nov|dec)")
DAY_NEAR = re.compile(r"twenty|thousand|nineteen|\d[-/.]\d|(?:irst|cond|ird|th)\b")
AGE_NEAR = re.compile(r"9\d|1[01]\d|ninet|hundred|90|enarian")
MAYBE_EMAIL = re.compile(r"(?: at |\(at\)|\[at\]|@).{0,40}?(?: dot |\.[a-z]|\(dot\)|\[dot\])")
MORE_AFTER = re.compile(r"[ /-]([a-z]{1,3}|[a-z]*\d[a-z0-9]*)\b(?!['.,]?\d)(?!')")
MORE_BEFORE = re.compile(r"(?<![a-z0-9])([a-z]{1,6}|[a-z]*\d[a-z0-9]*)([ /-])$")
CODE = re.compile(r"(?<![\w-])[A-Z]{1,4} ?\d{6,9}(?![\w-])")
DIGIT = re.compile(r"\d")
NO_DIGIT = re.compile(r"\D")
AMERICAN = re.compile(r"\+?1?[\s.-]*\(?\d{3}\)?[\s.-]+\d{3}[\s.-]+\d{4}.*")
LOCAL = re.compile(r"\d{3}[\s.-]\d{4}|555\d{4}")
REGIONS = ("GB", "US", "IE", "AU", "IN", "ZA", "NG")
PEOPLE = set("i he she who they mum mom dad nan gran grandad papa mama oma opa nana law neighbour".split())
SAYS_SO = set("is 's : = me as under called name handle username tag at it's its".split())
NO_NUMBER = ("covid", "mp3", "type", "grade")


def spans(section: str, plain: str, kind: str) -> Iterator[Span]:
    """Yield what the patterns of `section` find: their group `value` where they have one."""
    for rule in rules().patterns[section]:
        group: int | str = "value" if "value" in rule.groupindex else 0
        yield from ((*m.span(group), kind) for m in rule.finditer(plain))


def find(text: str, plain: str) -> Iterator[Span]:
    """Yield start, end and type of what the rules find, the more certain first; spans may overlap."""
    digit = DIGIT.search(plain) is not None
    if "@" in plain:
        yield from spans("emails", plain, "EMAIL")
    if MAYBE_EMAIL.search(plain):
        yield from spans("spoken_emails", plain, "EMAIL")
    if "." in plain:
        yield from spans("urls", plain, "URL")
    if " dot " in plain:
        yield from spans("spoken_urls", plain, "URL")
    yield from handles(plain)
    if digit:
        yield from identifiers(text, plain)
    yield from phones(plain, digit)
    if digit:
        yield from postcodes(text, plain)
    if DAY_NEAR.search(plain) or (digit and MONTH_NEAR.search(plain)):
        yield from spans("dates", plain, "DATE")
        yield from bare_dates(text, plain)
    if AGE_NEAR.search(plain):
        yield from ages(plain)


def ages(plain: str) -> Iterator[Span]:
    """Yield ages over 89, of people."""
    for rule in rules().patterns["ages"]:
        for m in rule.finditer(plain):
            who = m["who"] if "who" in rule.groupindex else "i"
            before = (m["before"] or "").strip(" ,(-\n") if "before" in rule.groupindex else ""
            if before and before in lists().cues["no_age_after"]:
                continue
            if (
                who in PEOPLE
                or who in lists().cues["kin"]
                or lists().flags.get(who, 0) & NAME
                or who not in lists().words
            ):
                yield *m.span("value" if "value" in rule.groupindex else 0), "AGE"


def postcodes(text: str, plain: str) -> Iterator[Span]:
    """Yield postcodes."""
    patterns = rules().patterns
    for m in patterns["zip"][0].finditer(plain):
        if m["state"] in lists().cues["regions"]:
            yield *m.span("value"), "PLACE"
    shouted = text.isupper() or text.islower()
    for m in patterns["addresses"][0].finditer(plain):
        # In text without capitals "5 minutes walk" has the same shape: the street must have a name that is no word.
        named = text[m.start("name")].isupper() and not shouted
        if named or (shouted and (m["name"] not in lists().words or m["flat"])):
            yield m.start(), m.end(), "PLACE"
    for start, end, kind in spans("postcodes", plain, "PLACE"):
        if text[start].isupper() or end - start > 5 or plain[start].isdigit():
            yield start, end, kind


def handles(plain: str) -> Iterator[Span]:
    """Yield user names: by their shape, or by what is said before them."""
    if any(sign in plain for sign in ("@", "u/", "#", "_")):
        yield from spans("handles", plain, "HANDLE")
    for rule in rules().patterns["handle_cues"]:
        for m in rule.finditer(plain):
            name = m["value"]
            before = plain[m.start() : m.start("value")].rstrip(" @")
            shaped = any(char in "_." or char.isdigit() for char in name) and any(char.isalpha() for char in name)
            said = before.split(" ")[-1] in SAYS_SO or before.endswith(("'s", ":", "="))
            if shaped or (said and name.isalpha() and name not in lists().words):
                yield *m.span("value"), "HANDLE"


def bare_dates(text: str, plain: str) -> Iterator[Span]:
    """Yield a day with a month and no year."""
    for start, end, kind in spans("bare_dates", plain, "DATE"):
        # "3 may be too many": a month that is a word must not be a verb.
        verb = re.match(r"\s+(?:be|have|not|as|seem|even|well|need|never|also|on)\b", plain[end : end + 8])
        if not (verb and plain[start:end].endswith(("may", "march")) and not text[start:end].istitle()):
            yield start, end, kind


def phones(plain: str, digit: bool) -> Iterator[Span]:
    """Yield telephone numbers, in digits or in words."""
    patterns = rules().patterns
    for m in patterns["phones"][0].finditer(plain) if digit else ():
        digits = NO_DIGIT.sub("", m[0].split("x")[0])
        if digits in rules().public_lines or not 7 <= len(digits) <= 15:
            continue
        if is_phone(m[0], digits, plain[max(0, m.start() - 60) : m.start()]):
            yield m.start(), m.end(), "PHONE"
    for start, end, kind in spans("spoken_phones", plain, "PHONE"):
        if not plain[start:end].replace(" ", "").isdigit() and len(set(plain[start:end].split())) > 2:
            yield start, end, kind


def is_phone(number: str, digits: str, before: str) -> bool:
    """Return whether a run of 7 to 15 digits is a telephone number.

    Shapes of the United States, Britain and Ireland at sight and anything after a word such as "call"; others where
    `phonenumbers` knows them in one of REGIONS.
    """
    if number.startswith("+") or AMERICAN.fullmatch(number) or LOCAL.fullmatch(number):
        return True
    if (digits.startswith("0") and 10 <= len(digits) <= 13) or rules().patterns["phone_cue"][0].search(before):
        return True
    for region in REGIONS if len(digits) >= 9 else ():
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            return False
    return False


def whole_number(text: str, plain: str, start: int, end: int) -> Span:
    """Return the span of an ID grown by the groups that stand beside it: MORGA 657054 SM9IJ, 2021/FAM/0332."""
    while m := MORE_AFTER.match(plain, end):
        if not (any(c.isdigit() for c in m[1]) or text[m.start(1) : m.end(1)].isupper() or m[1] not in lists().words):
            break
        end = m.end(1)
    while m := MORE_BEFORE.search(plain, max(0, start - 12), start):
        shouted = text[m.start(1) : m.end(1)].isupper() and not text.isupper() and m[1] != "i"
        if not shouted and not (m[2] in "-/" and any(c.isdigit() for c in m[1])):
            break
        start = m.start(1)
    return start, end, "ID"


def identifiers(text: str, plain: str) -> Iterator[Span]:
    """Yield numbers that an office gave: by what is said before them, or by their shape."""
    patterns = rules().patterns
    for start, end, _ in spans("numbers", plain, "ID"):
        if not plain.startswith(NO_NUMBER, start):
            yield whole_number(text, plain, start, end)
    for found in CODE.finditer(text):
        yield *found.span(), "ID"
    for m in patterns["id_cues"][0].finditer(plain):
        start, end, kind = whole_number(text, plain, *m.span("value"))
        value, said = plain[start:end], plain[m.start() : start]
        head = value.partition(" ")[0]
        if head.isalpha() and head in lists().words and not text[start : start + len(head)].isupper():
            start, value = start + len(head) + 1, value[len(head) + 1 :]
        digits = sum(char.isdigit() for char in value)
        mixed = any(c.isalpha() for c in value)
        strong = patterns["id_strong"][0].search(said) is not None or (mixed and len(value) >= 6)
        least = (3 if mixed else 4) if strong else 5
        if digits >= least:
            yield start, end, kind
    for start, end, kind in spans("cards", plain, "ID"):
        card = plain[start:end]
        if luhn(NO_DIGIT.sub("", card)) or card.count(" ") + card.count("-") >= 3:
            yield start, end, kind


def luhn(digits: str) -> bool:
    """Return whether the check digit of a card number is right."""
    total = sum(int(d) if i % 2 == 0 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(digits)))
    return len(digits) >= 13 and total % 10 == 0
