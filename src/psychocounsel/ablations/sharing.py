"""What a variant shares with another run is put in place and not made again.

A step's fingerprint covers its section, the seed, the package version and its parents' contents: a finished step of
another run with the same fingerprint is this step. Its files are linked, or copied where they cannot be, and its
manifest comes last, so that a kill leaves a folder without one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from psychocounsel import pipeline
from psychocounsel.artifacts import (
    MANIFEST,
    Manifest,
    Step,
    locked,
    read_manifest,
    telling_disk_errors,
    write_atomically,
)
from psychocounsel.errors import ArtifactError
from psychocounsel.pipeline import Listener
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe


class Sharing:
    """A listener of one run that puts each step in place, once its parents are done, if another run has it.

    The pipeline looks at a step after it told of its parents, and checks the digests of what it finds there.
    """

    def __init__(self, recipe: Recipe, donors: Sequence[Path], listener: Listener) -> None:
        self.recipe, self.donors, self.listener = recipe, donors, listener
        self.manifests: dict[str, Manifest] = {}
        """Steps that are done, by name."""
        self._waiting = pipeline.steps_of(recipe)
        with locked(recipe.output):
            self._place_what_is_ready()

    def begin(self, name: str, why: str) -> Tick:
        return self.listener.begin(name, why)

    def skip(self, name: str, manifest: Manifest) -> None:
        self.listener.skip(name, manifest)
        self._done(name, manifest)

    def end(self, name: str, manifest: Manifest) -> None:
        self.listener.end(name, manifest)
        self._done(name, manifest)

    def _done(self, name: str, manifest: Manifest) -> None:
        self.manifests[name] = manifest
        self._place_what_is_ready()

    def _place_what_is_ready(self) -> None:
        ready = [spec for spec in self._waiting if all(parent in self.manifests for parent in spec.parents)]
        self._waiting = [spec for spec in self._waiting if spec not in ready]
        for spec in ready:
            place(pipeline.step_of(spec, self.recipe, self.manifests), self.donors)


def place(step: Step, donors: Sequence[Path]) -> bool:
    """Put the step in place from the first of the runs `donors` that has it. Says whether one had."""
    if _fingerprint(step.folder) == step.fingerprint:
        return False
    for run in donors:
        donor = run / step.stage
        if _fingerprint(donor) == step.fingerprint and put(donor, step.folder):
            return True
    return False


def _fingerprint(folder: Path) -> str | None:
    try:
        manifest = read_manifest(folder)
    except ArtifactError:
        return None
    return manifest.fingerprint if manifest else None


def put(donor: Path, folder: Path) -> bool:
    """Make `folder` hold what the finished step `donor` does. False where the donor lacks a file."""
    manifest = read_manifest(donor)
    if manifest is None or not all((donor / name).is_file() for name in manifest.files):
        return False
    with telling_disk_errors(folder):
        (folder / MANIFEST).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        for name in manifest.files:
            _link(donor / name, folder / name)
        write_atomically(folder / MANIFEST, partial(shutil.copyfile, donor / MANIFEST))
    return True


def _link(file: Path, to: Path) -> None:
    # A linked file is never written into: a step that is made anew unlinks what was there first.
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, to)
    except OSError:  # another file system, or one without links, or too many of them
        write_atomically(to, partial(shutil.copyfile, file))
