from __future__ import annotations

from pathlib import Path

import pytest
from finished_run import write_data, write_speeches, write_whole

from psychocounsel.publish import publish


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on invented speeches. Not to be changed: copy it."""
    run = tmp_path_factory.mktemp("whole") / "run"
    write_whole(run)
    return run


@pytest.fixture(scope="session")
def published(whole: Path) -> Path:
    """What the finished run is published as."""
    out = whole.parent / "out"
    publish(whole, out)
    return out


@pytest.fixture(scope="session")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to the pairs on a file of the user's own, de-identified, with nasty texts. Not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("own")
    write_speeches(folder / "speeches.jsonl", 60)
    write_data(folder / "run", source="file", path=folder / "speeches.jsonl")
    return folder / "run"
