"""Whatever the `datasets` library reads: names on the hub, folders and files, and what `save_to_disk` wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from psychocounsel.collect.sources.columns import mapped
from psychocounsel.collect.sources.row import SourceRow, options
from psychocounsel.errors import InputError
from psychocounsel.files import FileRow

_BUILDERS = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".arrow": "arrow"}


def hub(path: Path, columns: dict[str, str]) -> Iterator[SourceRow]:
    """Rows of `PLACE?split=train&config=NAME&revision=HASH`, by `columns` as for a file.

    What is local is streamed: no copy of private text is left in the library's cache, and nothing is fetched. A name on
    the hub is downloaded into that cache. Raises InputError where it cannot be loaded or has several splits and none
    is named.
    """
    place, given = options(path, ("split", "config", "revision"))
    yield from mapped(place.name, _rows(place, given), columns)


def _rows(place: Path, given: dict[str, str]) -> Iterator[FileRow]:
    try:
        data = _one_split(place, _load(place, given), given.get("split", ""))
        for number, values in enumerate(data, 1):
            yield FileRow(number, values)
    except InputError:
        raise
    except Exception as error:
        # The library and what it fetches with raise dozens of kinds, some with the offending value in the message.
        raise InputError(
            f"datasets cannot read {place} ({type(error).__name__}). Check collect.path: a folder or file of the "
            "layouts that it knows, or OWNER/NAME on the hub, public or logged in to, with a network to fetch it over."
        ) from None


def _load(place: Path, given: dict[str, str]) -> Any:
    import datasets

    if (place / "dataset_dict.json").exists() or (place / "state.json").exists():
        return datasets.load_from_disk(str(place))
    config = given.get("config") or None
    if place.is_file():
        builder = _BUILDERS.get(place.suffix.lower())
        if builder is None:
            raise InputError(f"{place}: collect.source=hub reads files that end in {', '.join(_BUILDERS)}.")
        extra = {"sep": "\t"} if place.suffix.lower() == ".tsv" else {}
        return datasets.load_dataset(builder, data_files=str(place), streaming=True, **extra)
    if place.is_dir():
        return datasets.load_dataset(str(place), config, streaming=True)
    if place.is_absolute() or len(place.parts) > 2:
        raise InputError(f"{place}: there is no such file or folder. Check collect.path.")
    return datasets.load_dataset(str(place), config, revision=given.get("revision"))


def _one_split(place: Path, data: Any, split: str) -> Any:
    if not isinstance(data, dict):
        if split:
            raise InputError(f"{place} has no splits; leave ?split={split} out of collect.path.")
        return data
    if split in data:
        return data[split]
    if not split and len(data) == 1:
        return next(iter(data.values()))
    raise InputError(
        f"{place} has the splits {', '.join(map(str, data))}. Say which: collect.path={place}?split={next(iter(data))}"
    )
