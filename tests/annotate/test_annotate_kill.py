"""`kill -9` while raters answer: what was acknowledged is there, once. The benchmark `annotate-load`, small."""

from __future__ import annotations

from benchmarks.annotate_load import run


def test_no_acknowledged_answer_is_lost_or_doubled(where, capsys):
    load = run(where, raters=6, items=6, kills=2, think=(0.0, 0.1))
    said = capsys.readouterr().out
    assert (load.lost, load.doubled, load.unfinished, load.told) == (0, 0, 0, 0), said
    assert load.retried > 0, said  # the kills did hit somebody
