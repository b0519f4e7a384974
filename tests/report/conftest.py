from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from written_run import Ask, Page, make_report, write_run


@pytest.fixture(scope="session")
def usual_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("usual") / "run"
    write_run(run, Ask())
    return run


@pytest.fixture(scope="session")
def usual_page(usual_run: Path) -> Page:
    return make_report(usual_run)


@pytest.fixture
def made(tmp_path: Path, usual_run: Path):
    def make(ask: Ask, **changes: Any) -> tuple[Path, Page]:
        if ask == Ask():
            shutil.copytree(usual_run, tmp_path / "run")
        else:
            write_run(tmp_path / "run", ask)
        return tmp_path / "run", make_report(tmp_path / "run", rounds=ask.rounds, **changes)

    return make
