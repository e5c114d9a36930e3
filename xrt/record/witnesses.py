"""Trials that a record has lost: others know of them. A trial's record is written before the trial runs, so whatever
bears its name and has no record outlived it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from xrt.record.place import Place
from xrt.record.run import Run

TRIAL = re.compile(r"\d{4,}(-.+)?")  # 0003, 0003-s8, 0003-plain-s8


def lost(run: Run, remote: bool = False) -> dict[str, str]:
    """Trial -> who knows of it although it has no record: Tune's folder, or trials that came later.

    Args:
        remote: look into the bucket too, of which predictions alone are mirrored here.

    A record that is damaged is there, and not lost.
    """
    folders = sorted(_folders(run, remote))  # before the records: a run may go on meanwhile
    known = [path.stem for path in run.paths.trials.glob("[!.]*.json")]
    found = {
        folder.name: f"{folder.relative_to(run.paths.root)} is there"
        for folder in folders
        if folder.name not in known and TRIAL.fullmatch(folder.name)
    }
    numbers = [int(id) for id in known if id.isdigit()]
    for number in range(max(numbers, default=-1)):
        if (id := f"{number:04d}") not in known:
            found.setdefault(id, "later trials are there")
    return found


def _folders(run: Run, remote: bool) -> Iterator[Path]:
    """What Tune made for trials."""
    tune, place = run.paths.tune, run.paths.results.place
    here = Place()
    for where in (here, place) if remote else (here,):
        for experiment in where.folders(tune):
            yield from where.folders(experiment)
