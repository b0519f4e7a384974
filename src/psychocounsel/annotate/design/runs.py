"""Candidates out of a run's folder: its labelled pairs, or its rated responses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.annotate.design.candidates import Candidates, Draft, labelled_item, make_item
from psychocounsel.annotate.study import Item, Kind
from psychocounsel.artifacts import Manifest, read_manifest
from psychocounsel.errors import ArtifactError, InputError
from psychocounsel.principles import Rubric
from psychocounsel.records import ClientSpeech, PreferencePair, Rating, Response
from psychocounsel.tables import read_records

SPLITS = ("train", "dev", "test", "all")


def read_run(run: Path, kind: Kind, split: str = "test") -> Candidates:
    """Return a run's pairs, or its responses, of one split or of `all`.

    Raises ArtifactError where the run has not come so far, and InputError where no split is called so.
    """
    if split not in SPLITS:
        raise InputError(f"no split is called {split!r}; there are {', '.join(SPLITS)}.")
    manifests = [_manifest(run, step) for step in (("rate", "pair") if kind == "pairs" else ("generate", "rate"))]
    labeller = ", ".join(_manifest(run, "rate").backends)
    speeches = {speech.id: speech for speech in read_records(run / layout.SPEECHES, ClientSpeech)}
    items, left_out = (_pairs if kind == "pairs" else _responses)(run, split, labeller, speeches)
    of_split = "all splits" if split == "all" else f"its {split} split"
    return Candidates(
        items=tuple(items),
        source=f"{kind} of the run {run.resolve().name}, {of_split}",
        simulated=any(manifest.simulated for manifest in manifests),
        rubric=Rubric.model_validate_json((run / layout.RUBRIC).read_text("utf-8")),
        left_out=dict(left_out),
    )


def _manifest(run: Path, step: str) -> Manifest:
    manifest = read_manifest(run / step)
    if manifest is None:
        raise ArtifactError(f"{run / step} is missing or half-written. Run the run's recipe again to finish it.")
    return manifest


def _of_speech(speech: ClientSpeech | None, topic: str = "", risk: str = "", split: str = "") -> dict[str, Any]:
    """Return what is known of a speech: the coarse topic, for the 42 fine ones are too many to draw a study by."""
    if speech is None:
        return {"topic": topic, "risk": risk, "split": split}
    return {
        "topic": speech.coarse_topic or speech.topic or topic,
        "risk": speech.risk_level or risk,
        "split": speech.split,
    }


def _pairs(run: Path, split: str, labeller: str, speeches: dict[str, ClientSpeech]) -> tuple[list[Item], Counter[str]]:
    rewards = _rewards(run)
    items, left_out = [], Counter[str]()
    for pair in read_records(run / layout.PAIRS, PreferencePair):
        if split not in ("all", pair.split):
            left_out["of another split"] += 1
            continue
        given = rewards.get(pair.id, (None, None))
        items.append(
            labelled_item(
                "main",
                pair.conversation,
                Draft(pair.chosen, pair.chosen_id, pair.chosen_model, pair.chosen_scores, given[0]),
                Draft(pair.rejected, pair.rejected_id, pair.rejected_model, pair.rejected_scores, given[1]),
                speech_id=pair.speech_id,
                gap=pair.gap,
                labeller=labeller,
                **_of_speech(speeches.get(pair.speech_id), pair.topic, pair.risk, pair.split),
            )
        )
    return items, left_out


def _rewards(run: Path) -> dict[str, tuple[float, float]]:
    """Return pair to what the reward model gave its two responses; empty where the run has no reward model yet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, columns = run / layout.REWARD_TEST, ["pair_id", "reward_chosen", "reward_rejected"]
    if not path.exists():
        return {}
    try:
        rows = pq.read_table(path, columns=columns).to_pylist()
    except pa.ArrowInvalid as error:
        raise ArtifactError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    return {row["pair_id"]: (row["reward_chosen"], row["reward_rejected"]) for row in rows}


def _responses(
    run: Path, split: str, labeller: str, speeches: dict[str, ClientSpeech]
) -> tuple[list[Item], Counter[str]]:
    ratings = {rating.response_id: rating for rating in read_records(run / layout.RATINGS, Rating) if not rating.error}
    items, left_out = [], Counter[str]()
    for response in read_records(run / layout.RESPONSES, Response):
        speech = speeches.get(response.speech_id)
        if response.error or not response.text.strip():
            left_out["there is no response"] += 1
        elif speech is None:
            left_out["its speech is not there"] += 1
        elif split not in ("all", speech.split):
            left_out["of another split"] += 1
        else:
            rating = ratings.get(response.id)
            draft = Draft(response.text, response.id, response.model, rating.scores if rating else {})
            items.append(
                make_item(
                    "main", speech.conversation, [draft], speech_id=speech.id, labeller=labeller if rating else "",
                    **_of_speech(speech),
                )
            )  # fmt: skip
    return items, left_out
