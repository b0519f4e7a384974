"""Work on many rows, shared among the cores, in order, with bounded memory."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 2_000
"""Rows that a process is given at once."""
_WORTH_PROCESSES = 5_000
"""Rows below which starting processes takes longer than it saves."""


def _collect_seldom() -> None:
    gc.set_threshold(200_000, 50, 50)


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Look for cycles less often: work on a million rows makes none, and the search for them took 40 % of the time."""
    before = gc.get_threshold()
    _collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*before)


def over_cores(rows: Iterable[T], work: Callable[[list[T]], list[R]]) -> Iterator[R]:
    """Yield what `work` (picklable) makes of the rows, part by part, in order."""
    source = iter(rows)
    first = list(islice(source, _WORTH_PROCESSES))
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    everything = chain(first, source)
    parts = iter(lambda: list(islice(everything, AT_ONCE)), [])
    if len(first) < _WORTH_PROCESSES or workers == 1:
        for part in parts:
            yield from work(part)
        return
    # A fork would copy the locks of whatever threads are running by then.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_collect_seldom) as pool:
        waiting: list[Future[list[R]]] = []
        for part in parts:
            waiting.append(pool.submit(work, part))
            if len(waiting) > 2 * workers:
                yield from waiting.pop(0).result()
        for future in waiting:
            yield from future.result()
