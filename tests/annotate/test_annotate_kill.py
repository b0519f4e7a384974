"""`kill -9` while raters answer: what was acknowledged is there, once. The benchmark `annotate-load`, small."""

from __future__ import annotations

from benchmarks.annotate_load import run


def test_no_acknowledged_answer_is_lost_or_doubled(where, capsys):
    lost, doubled, _ = run(where, raters=6, items=5, kills=2, think=(0.0, 0.05))
    assert (lost, doubled) == (0, 0), capsys.readouterr().out
