from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from psychocounsel.artifacts import MANIFEST, Step, complete_manifest, locked, read_manifest, write_json, write_text
from psychocounsel.errors import ArtifactError, ResourceError


def step(tmp_path, parents=None, **section):
    return Step(tmp_path / "pair", "pair", section, 7, parents or {})


def make(s, text="hello", simulated=False):
    with s.making() as folder:
        write_text(folder / "a.txt", text)
        s.simulated = simulated
    return complete_manifest(s.folder)


def test_a_step_is_done_once_and_runs_again_when_its_section_changes(tmp_path):
    s = step(tmp_path, gap=1.0)
    assert s.state() == (None, "not made yet")
    make(s)
    assert step(tmp_path, gap=1.0).state()[1] == "done"
    assert step(tmp_path, gap=0.5).state() == (None, "gap changed")


def test_a_parent_made_again_with_equal_contents_changes_nothing(tmp_path):
    first = make(Step(tmp_path / "rate", "rate", {}, 7, {}))
    child = step(tmp_path, {"rate": first})
    make(child)
    again = make(Step(tmp_path / "rate", "rate", {}, 7, {}))
    assert step(tmp_path, {"rate": again}).state()[1] == "done"
    other = make(Step(tmp_path / "rate", "rate", {}, 7, {}), text="changed")
    assert step(tmp_path, {"rate": other}).state() == (None, "rate changed")


def test_simulated_is_inherited(tmp_path):
    parent = make(Step(tmp_path / "rate", "rate", {}, 7, {}), simulated=True)
    assert make(step(tmp_path, {"rate": parent})).simulated
    assert not make(Step(tmp_path / "x", "x", {}, 7, {})).simulated


def test_half_written_changed_and_unreadable_artifacts_are_told_apart(tmp_path):
    s = step(tmp_path)
    with pytest.raises(ArtifactError, match="no artifact"):
        complete_manifest(s.folder)
    with pytest.raises(RuntimeError), s.making() as folder:
        write_text(folder / "a.txt", "part")
        raise RuntimeError
    with pytest.raises(ArtifactError, match="half-written"):
        complete_manifest(s.folder)
    assert s.state() == (None, "half-written")
    make(s)
    (s.folder / "a.txt").write_text("HELLO")
    with pytest.raises(ArtifactError, match="changed after it was made"):
        complete_manifest(s.folder)
    assert s.state()[0] is None
    (s.folder / MANIFEST).write_text("{")
    with pytest.raises(ArtifactError, match="not valid JSON"):
        read_manifest(s.folder)
    make(s)  # and it can be made again
    assert s.state()[1] == "done"


def test_scratch_survives_a_failure_of_the_same_work_and_not_of_other_work(tmp_path):
    for section, kept in (({"gap": 1}, True), ({"gap": 2}, False)):
        s = Step(tmp_path / "reward", "reward", {"gap": 1}, 7, {})
        with pytest.raises(RuntimeError), s.making():
            write_json(s.scratch / "state.json", 1)
            raise RuntimeError
        again = Step(tmp_path / "reward", "reward", section, 7, {})
        with again.making():
            assert (again.scratch / "state.json").exists() is kept
        assert not again.scratch.exists()


def test_kill_9_leaves_whole_files_or_none(tmp_path):
    """A writer is killed at random moments; what is there afterwards is always a whole file."""
    code = (
        "import sys; from pathlib import Path; from psychocounsel.artifacts import write_text\n"
        "print('go', flush=True)\n"
        "for i in range(10**6): write_text(Path(sys.argv[1]), str(i % 10) * 200_000)"
    )
    target = tmp_path / "file.txt"
    for delay in (0.01, 0.03, 0.05, 0.08):
        process = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"go\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if target.exists():
            text = target.read_text()
            assert len(text) == 200_000
            assert len(set(text)) == 1


def test_two_processes_cannot_run_into_one_folder(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from psychocounsel.artifacts import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(ResourceError, match="another process"), locked(tmp_path):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with locked(tmp_path):
        pass


@pytest.fixture
def tiny_disk(tmp_path):
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_says_so_and_loses_nothing_finished(tiny_disk):
    done = Step(tiny_disk / "rate", "rate", {}, 7, {})
    make(done)
    full = Step(tiny_disk / "pair", "pair", {}, 7, {})
    with pytest.raises(ResourceError, match="no space left"), full.making() as folder:
        write_text(folder / "big.txt", "x" * 10**6)
    assert done.state()[1] == "done"
    assert full.state()[0] is None


def test_a_disk_that_fills_while_a_model_is_saved_says_so_too(tiny_disk):
    import torch
    from safetensors.torch import save_file

    step = Step(tiny_disk / "reward", "reward", {}, 7, {})
    with pytest.raises(ResourceError, match="no space left"), step.making() as folder:
        save_file({"w": torch.zeros(10**6)}, folder / "model.safetensors")


def test_manifests_hold_what_a_reader_needs(tmp_path):
    make(step(tmp_path, gap=1.0))
    raw = json.loads((tmp_path / "pair" / MANIFEST).read_text())
    assert {"schema_version", "files", "parents", "seed", "section", "prompts", "backends", "package_version"} <= set(
        raw
    )
    assert {"wall_seconds", "simulated", "counts", "peak_rss_bytes"} <= set(raw)
    assert raw["files"]["a.txt"]["sha256"] == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def test_a_steps_memory_is_its_own_and_not_what_started_it():
    code = "from psychocounsel.artifacts import peak_memory; print(peak_memory())"
    parent = (
        "import subprocess, sys\n"
        "held = b'x' * 900_000_000\n"
        f"print(subprocess.run([sys.executable, '-c', {code!r}], capture_output=True, text=True).stdout)"
    )
    found = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True)
    assert 10_000_000 < int(found.stdout) < 800_000_000
