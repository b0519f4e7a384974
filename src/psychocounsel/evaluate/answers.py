"""Answers to the test speeches: by this run's policies, by any other model, or out of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from psychocounsel import layout
from psychocounsel.backends import Connections, Generator, open_generator
from psychocounsel.backends.asking import cut_to_words
from psychocounsel.errors import InputError
from psychocounsel.files import named, read_rows
from psychocounsel.models import runtime
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, content_seed

OWN = {"base": layout.BASE_MODEL, "dpo": layout.DPO_MODEL, "dpo-iter": layout.CHOSEN_MODEL}
"""Name of a policy of this run to its folder."""
REFERENCE = "reference"
FREE, CONSTRAINED = "free", "length-constrained"
FILE = "file/"
_KEYS = ("speech_id", "id", "question", "prompt", "text")
"""Columns by which a row of a file may name its speech, tried in this order; ids are ours or the source's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer to one speech under one setting."""

    speech_id: str
    setting: str
    """`free` or `length-constrained`."""
    model: str
    """Short name in the tables: `base`, `dpo`, `dpo-iter`, `reference`, or a name of `evaluate.models`."""
    text: str
    error: str = ""


def models_of(recipe: Recipe) -> dict[str, str]:
    """Return name to spec of every model that is evaluated, the reference last."""
    return (recipe.evaluate.models or {name: name for name in OWN}) | {REFERENCE: recipe.evaluate.reference}


def folder_of(spec: str, run: Path) -> Path | None:
    """Return the folder of a policy of this run, or of a model that lies in a folder; None for any other."""
    if spec in OWN:
        return run / OWN[spec]
    kind, _, name = spec.partition("/")
    return Path(name) if kind in ("transformers", "vllm") and Path(name).is_dir() else None


def answer_everything(
    speeches: Sequence[ClientSpeech], run: Path, recipe: Recipe, connections: Connections
) -> Iterator[Answer]:
    """Let every model answer every speech, free and within `max_words`; one model at a time is in memory."""
    models = models_of(recipe)
    in_files = {  # read before any model answers: what is wrong with a file is told before hours are spent
        name: answers_in_file(name, Path(spec.removeprefix(FILE)), speeches, recipe.max_words)
        for name, spec in models.items()
        if spec.startswith(FILE)
    }
    for name, spec in models.items():
        if name in in_files:
            yield from in_files[name]
            continue
        generator = _open(spec, run, recipe, connections)
        for setting, limit in ((FREE, None), (CONSTRAINED, recipe.max_words)):
            yield from answer_all(name, generator, speeches, setting, limit, recipe.seed)
        del generator
        runtime.give_back_memory()


def _open(spec: str, run: Path, recipe: Recipe, connections: Connections) -> Generator:
    if spec not in OWN:
        return open_generator(spec, connections, recipe.generate.sampling)
    from psychocounsel.backends.transformers_local import LocalPolicy

    return LocalPolicy(
        run / OWN[spec],
        temperature=recipe.evaluate.temperature,
        max_prompt=recipe.base.max_prompt,
        max_tokens=recipe.base.max_response,
    )


def answer_all(
    name: str, generator: Generator, speeches: Sequence[ClientSpeech], setting: str, max_words: int | None, seed: int
) -> list[Answer]:
    """Let one model answer every speech. The seed is the same for every policy: they differ by their weights alone."""
    seeds = [content_seed("evaluate", seed, setting, speech.id) for speech in speeches]
    completions = generator.generate([speech.conversation for speech in speeches], seeds, max_words)
    return [
        Answer(speech.id, setting, name, completion.text, completion.error)
        for speech, completion in zip(speeches, completions, strict=True)
    ]


def answers_in_file(name: str, path: Path, speeches: Sequence[ClientSpeech], max_words: int) -> list[Answer]:
    """Read a model's answers from JSONL, JSON, CSV or Parquet: `response`, and `speech_id`, `id` or `question`.

    `setting` may say `length-constrained`; where no row does, the free answers are cut to `max_words` at a sentence's
    end, which is less than asking for brevity. A speech without a row is a lost answer. Raises InputError where two
    rows answer one speech, or no row answers any.
    """
    place = {key: s.id for s in speeches for key in (s.id, s.source_id, s.text.strip()) if key}
    found: dict[tuple[str, str], str] = {}
    unknown = rows = 0
    for row in read_rows(path):
        if row.values is None:
            raise InputError(f"{path.name} row {row.number}: {row.fault}")
        keys = [key for key in _KEYS if row.values.get(key) not in (None, "")]
        if "response" not in row.values or not keys:
            raise InputError(
                f"{path.name} row {row.number} needs `response` and one of {', '.join(_KEYS)}; it has "
                f"{named(list(row.values))}."
            )
        rows += 1
        named_by = (str(row.values[key]).strip() for key in keys)
        speech = next((place[name] for name in named_by if name in place), None)
        if speech is None:
            unknown += 1
            continue
        setting = str(row.values.get("setting") or FREE)
        if setting not in (FREE, CONSTRAINED):
            raise InputError(f"{path.name} row {row.number}: setting must be {FREE} or {CONSTRAINED}.")
        if (setting, speech) in found:
            raise InputError(f"{path.name} row {row.number} answers a speech that an earlier row has answered.")
        said = str(row.values["response"] or "")
        if any("\ud800" <= letter <= "\udfff" for letter in said):
            raise InputError(f"{path.name} row {row.number}: half of a surrogate pair is no text. Write it as UTF-8.")
        found[setting, speech] = said
    if not found:
        raise InputError(
            f"{path}: none of its {rows} rows answers one of the {len(speeches)} speeches. Name them by the "
            "id in collect/speeches.parquet, the source's id, or the speech's own text."
        )
    asked_brief = any(setting == CONSTRAINED for setting, _ in found)
    answers = []
    for setting in (FREE, CONSTRAINED):
        for s in speeches:
            text = found.get((setting, s.id))
            if setting == CONSTRAINED and not asked_brief and (text := found.get((FREE, s.id))):
                text = cut_to_words(text, max_words)
            error = f"{path.name} has no row for it" if text is None else "" if text.strip() else "empty answer"
            if setting == CONSTRAINED and text and len(text.split()) > max_words:
                error = f"over the limit of {max_words} words"
            answers.append(Answer(s.id, setting, name, text or "", error))
    return answers
