"""Every error this package raises on purpose, at a glance.

Each carries what is wrong, where, and how to mend it. The command line prints the message without a traceback and
leaves with the class's exit code; anything that is not one of these is a fault of ours and shows a traceback.
"""

from __future__ import annotations


class PsychocounselError(Exception):
    """Base of the tree. `exit_code` is what the command line leaves with."""

    exit_code = 1


class RecipeError(PsychocounselError):
    """A recipe is wrong. All of its faults are told together."""

    exit_code = 2

    def __init__(self, where: str, faults: list[str]) -> None:
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{where}: {count}\n" + "\n".join(f"  - {fault}" for fault in faults))


class InputError(PsychocounselError):
    """A file of the user's cannot be read as what it should be."""

    exit_code = 3


class ArtifactError(PsychocounselError):
    """An artifact of a run is missing, half-written, or not what its manifest says."""

    exit_code = 4


class MissingExtraError(PsychocounselError):
    """A part needs a package that is not installed; the message has the pip line."""

    exit_code = 5


class BackendError(PsychocounselError):
    """A backend's name is unknown, or it cannot do what is asked of it."""

    exit_code = 6


class TooLittleDataError(PsychocounselError):
    """A stage or a metric has nothing, or too little, to work on. A metric over nothing refuses."""

    exit_code = 7


class ResourceError(PsychocounselError):
    """The machine refused: disk full, no permission, output in use by another run."""

    exit_code = 8
