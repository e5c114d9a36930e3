"""Finds trials whose record is lost by their traces. A trial's record is written before the trial runs, so a trace
without a record means that the record was lost.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from xrt.record.place import Place
from xrt.record.run import Run

TRIAL = re.compile(r"\d{4,}(-.+)?")  # 0003, 0003-s8, 0003-plain-s8


def lost(run: Run, remote: bool = False) -> dict[str, str]:
    """Trial without a record -> its trace: Tune's folder, later trials, or the run's end.

    Args:
        remote: search the bucket too, whose checkpoints are not mirrored here.

    A damaged record is not lost.
    """
    folders = sorted(_folders(run, remote))  # before the records, because a run may continue meanwhile
    known = [path.stem for path in run.paths.trials.glob("[!.]*.json")]
    found = {
        folder.name: f"{folder.relative_to(run.paths.root)} exists"
        for folder in folders
        if folder.name not in known and TRIAL.fullmatch(folder.name)
    }
    latest = max((int(id) for id in known if id.isdigit()), default=-1)
    for number in range(latest):
        if (id := f"{number:04d}") not in known:
            found.setdefault(id, "later trials exist")
    if not known and run.meta.status == "finished":
        found.setdefault("0000", "the run is finished")
    return found


def _folders(run: Run, remote: bool) -> Iterator[Path]:
    """Tune's folders of trials."""
    tune, place = run.paths.tune, run.paths.results.place
    here = Place()
    for where in (here, place) if remote else (here,):
        for experiment in where.folders(tune):
            yield from where.folders(experiment)
