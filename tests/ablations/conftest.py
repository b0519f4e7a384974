from __future__ import annotations

import pytest
from studies import Told, study

from psychocounsel.ablations import ablate


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A study that ran: its folder, its runs, and what its listener was told."""
    folder = tmp_path_factory.mktemp("study")
    main, variants = study(folder)
    told = Told()
    return folder, ablate(main, variants, told), told
