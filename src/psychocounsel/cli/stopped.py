"""Being asked to stop, by Ctrl-C or SIGTERM."""

from __future__ import annotations


class Stopped(BaseException):
    """Somebody asked this process to stop. No KeyboardInterrupt, as typer would answer that with silence."""

    kept = "Finished steps are kept, and a training step goes on from its last\ncheckpoint: run the same command again."
    """What is told of what was done so far; a server says something else."""

    def __init__(self, number: int) -> None:
        self.signal = number
