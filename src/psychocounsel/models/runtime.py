"""PyTorch set up for this machine: threads, determinism, and an allocator that keeps its memory."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import warnings
from contextlib import suppress
from functools import cache

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


@cache
def prepare() -> None:
    """Set up once for this process; later calls do nothing."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    _keep_freed_memory()
    # Deprecations between the libraries that we pin together are ours to mend, not the user's to read.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|accelerate|torch)\b")
    import datasets
    import torch
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling what is about to be overwritten finds bugs, and halved the speed of training (docs/experiments.md).
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()


def _keep_freed_memory() -> None:
    """Stop glibc from giving every large tensor back to the system and zeroing its pages again at the next step.

    Training a small model on a CPU ran 1.5 times as fast with this (docs/experiments.md).
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # musl has no mallopt; slower, and correct
    mallopt(_M_MMAP_MAX, 0)  # every block from the heap, however large
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_TOP_PAD, 64 << 20)


def give_back_memory() -> None:
    """Give freed memory back to the system and the GPU, between steps: else each peak comes on top of the last."""
    gc.collect()
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        torch.cuda.empty_cache()
