"""Removes a run's folder and nothing else; links in it are not followed."""

import os
from pathlib import Path
from typing import NamedTuple

from xrt.errors import RecordError
from xrt.record.place import HOLDER
from xrt.record.run import Run


class Size(NamedTuple):
    """Bytes of the files of a run on this machine: all, and those of checkpoints, weights and predictions."""

    all: int
    tune: int


def size_of(run: Run) -> Size:
    return Size(_size(run.paths.root), _size(run.paths.tune))


def _size(folder: Path) -> int:
    return sum(Path(top, name).lstat().st_size for top, _, files in os.walk(folder) for name in files)


def remove(run: Run) -> None:
    """Remove the folder of a run, here and in its bucket. Only for the process that holds the run.

    Raises:
        RecordError: some of it could not be removed.
    """
    root, place = run.paths.root, run.paths.results.place
    # First, so that after a kill no command takes the rest for a run.
    place.delete(run.paths.meta)
    place.remove(root)
    if left := [*({*place.sizes(root)} - {HOLDER}), *(folder.name for folder in place.folders(root))]:
        raise RecordError(f"{root}: {left[0]} could not be removed; remove the folder yourself.")
