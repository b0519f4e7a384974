"""`psychocounsel publish` as a person meets it: the check list, the line that would upload, exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from psychocounsel.cli.main import app
from psychocounsel.errors import ArtifactError

sys.path.insert(0, str(Path(__file__).parents[1] / "publish"))
from finished_run import write_data, write_speeches


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run to the pairs on a file of the user's own."""
    folder = tmp_path_factory.mktemp("cli")
    write_speeches(folder / "speeches.jsonl", 60)
    write_data(folder / "my run", source="file", path=folder / "speeches.jsonl")
    return folder / "my run"


def cli(*arguments):
    return CliRunner().invoke(app, ["publish", *map(str, arguments)])


def test_it_lists_what_would_leave_and_then_the_line_that_would_send_it(run, tmp_path):
    done = cli(run, tmp_path / "an out", "--i-may-publish")
    assert done.exit_code == 0, done.output
    order = ["What would leave", "client speeches, word for word", "0 invented", "Nothing was uploaded", "hf upload"]
    assert sorted(order, key=done.output.index) == order
    upload = f"hf upload OWNER/my-run-dataset '{tmp_path / 'an out' / 'dataset'}' . --repo-type dataset --private"
    assert done.output.splitlines()[-1].strip() == upload
    assert "Jane" not in done.output


def test_json_has_the_same_for_scripts(run, tmp_path):
    done = cli(run, tmp_path / "out", "--what", "dataset", "--without-texts", "--json")
    (line,) = done.output.splitlines()
    found = json.loads(line)
    assert found["kind"] == "dataset"
    assert found["leaving"]["texts"] is False
    assert found["leaving"]["speeches"] == found["leaving"]["deidentified"] > 0


def test_refusals_write_nothing(run, tmp_path):
    done = cli(run, tmp_path / "out")
    assert isinstance(done.exception, ArtifactError)
    assert "--i-may-publish" in str(done.exception)
    assert "has no policy" in str(cli(run, tmp_path / "out", "--what", "policy").exception)
    assert cli(run, tmp_path / "out", "--what", "report").exit_code == 2
    assert not (tmp_path / "out").exists()


def test_help_fits_eighty_columns():
    done = CliRunner().invoke(app, ["publish", "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= 80
