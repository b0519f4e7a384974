from __future__ import annotations

from pathlib import Path

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
