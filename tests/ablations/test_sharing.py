"""Steps that another run has made: linked or copied, whole or not at all."""

from __future__ import annotations

import os

import pytest
from studies import finish, step_at

from psychocounsel.ablations.sharing import place
from psychocounsel.artifacts import MANIFEST, Step


def test_a_step_with_the_same_fingerprint_is_linked_and_reads_back_as_done(tmp_path):
    texts = {"a.txt": "one", "model/weights.txt": "two"}
    made = finish(step_at(tmp_path / "main", "base", {"x": 1}), texts)
    mine = step_at(tmp_path / "variant", "base", {"x": 1})
    assert place(mine, [tmp_path / "nowhere", tmp_path / "main"])
    assert mine.state() == (made, "done")
    assert (mine.folder / "a.txt").stat().st_ino == (tmp_path / "main/base/a.txt").stat().st_ino
    assert not place(mine, [tmp_path / "main"])


def test_another_section_seed_or_parent_is_not_shared(tmp_path):
    parent = finish(step_at(tmp_path / "main", "rate", {}), {"r": "1"})
    other = finish(step_at(tmp_path / "other", "rate", {}), {"r": "2"})
    finish(step_at(tmp_path / "main", "pair", {"x": 1}, {"rate": parent}), {"p": "1"})
    assert place(step_at(tmp_path / "v1", "pair", {"x": 1}, {"rate": parent}), [tmp_path / "main"])
    for n, step in enumerate(
        (
            step_at(tmp_path / "v2", "pair", {"x": 2}, {"rate": parent}),
            step_at(tmp_path / "v2", "pair", {"x": 1}, {"rate": other}),
            Step(tmp_path / "v2/pair", "pair", {"x": 1}, 8, {"rate": parent}),
        )
    ):
        assert not place(step, [tmp_path / "main"]), n
        assert not step.folder.exists()


def test_making_a_shared_step_anew_leaves_the_one_it_came_from_alone(tmp_path):
    source = step_at(tmp_path / "main", "base", {"x": 1})
    finish(source, {"a.txt": "one"})
    place(step_at(tmp_path / "variant", "base", {"x": 1}), [tmp_path / "main"])
    changed = step_at(tmp_path / "variant", "base", {"x": 2})
    finish(changed, {"a.txt": "two"})
    assert source.state()[1] == changed.state()[1] == "done"
    assert (source.folder / "a.txt").read_text() == "one"


def test_where_no_link_can_be_made_files_are_copied(tmp_path, monkeypatch):
    finish(step_at(tmp_path / "main", "base", {"x": 1}), {"a.txt": "one"})

    def refuse(*_, **__):
        raise OSError(18, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    mine = step_at(tmp_path / "variant", "base", {"x": 1})
    assert place(mine, [tmp_path / "main"])
    assert mine.state()[1] == "done"
    assert (mine.folder / "a.txt").stat().st_ino != (tmp_path / "main/base/a.txt").stat().st_ino


@pytest.mark.parametrize("after", range(4))
def test_a_kill_while_sharing_leaves_a_step_that_is_not_done_and_is_put_in_place_again(tmp_path, monkeypatch, after):
    finish(step_at(tmp_path / "main", "base", {"x": 1}), {str(n): str(n) for n in range(3)})
    mine = step_at(tmp_path / "variant", "base", {"x": 1})
    finish(step_at(tmp_path / "variant", "base", {"x": 0}), {"old": "left from another recipe"})
    link, times = os.link, iter(range(99))

    class Killed(BaseException):
        pass

    def dying(*given):
        if next(times) == after:
            raise Killed
        link(*given)

    with monkeypatch.context() as m:
        m.setattr(os, "link", dying)
        if after == 3:
            m.setattr("psychocounsel.ablations.sharing.write_atomically", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            place(mine, [tmp_path / "main"])
    assert mine.state() == (None, "not made yet")
    assert place(mine, [tmp_path / "main"])
    assert mine.state()[1] == "done"
    assert sorted(p.name for p in mine.folder.iterdir()) == ["0", "1", "2", MANIFEST]


def test_a_donor_that_lacks_a_file_is_passed_over(tmp_path):
    finish(step_at(tmp_path / "main", "base", {"x": 1}), {"a.txt": "one"})
    (tmp_path / "main/base/a.txt").unlink()
    mine = step_at(tmp_path / "variant", "base", {"x": 1})
    assert not place(mine, [tmp_path / "main"])
    assert not mine.folder.exists()
