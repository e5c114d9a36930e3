"""What a run keeps of its trials on disk, and what it finds there again.

Tune writes them: `tune/<experiment>/<trial>/checkpoint_000001`. Nothing is taken on trust: a folder that a kill left
half-written is not a checkpoint, and the newest whole one is found by looking, whatever the record names.

    a running trial       its two newest: the older one for the case that the newer did not reach the disk
    a finished trial      its predictions; the best (`checkpoints.keep`) and the best seed of each confirmed
                          configuration their weights too
    one that failed for want of something outside it     its newest: a resumed run continues from there
    any other             nothing
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from xrt.findings.ranking import ranked
from xrt.record.files import sync_folder
from xrt.record.paths import RunPaths
from xrt.record.values import TrialRecord
from xrt.robust.checkpoint import PROGRESS, WEIGHTS, step_in
from xrt.spec.metric import zero_shot
from xrt.spec.study import StudySpec

RUNNING = 2  # checkpoints of a trial that is not over


def whole(paths: RunPaths, trial: str) -> list[Path]:
    """The whole checkpoints of a trial, from whichever start of the run, newest first."""
    return _whole(paths, _folders(paths, trial))


def _whole(paths: RunPaths, folders: Iterable[Path]) -> list[Path]:
    steps = {folder: step(paths, folder) for folder in folders}
    found = [folder for folder, step in steps.items() if step is not None]
    # of two at the same step the later start of the run, whose folder has the later time in its name
    return sorted(found, key=lambda f: (steps[f] or 0, f.parts), reverse=True)


def step(paths: RunPaths, folder: Path) -> int | None:
    """The step of a whole checkpoint, None of a torn one, and of one that another trial wrote."""
    content = paths.results.place.read(folder / PROGRESS)
    if content is None:
        return None
    return step_in(content, paths.results.place.sizes(folder), folder.parent.name)


def keep_newest(paths: RunPaths, trial: str, count: int) -> None:
    """Remove all but the newest `count` whole checkpoints of a trial, torn ones too."""
    folders = _folders(paths, trial)
    kept = _whole(paths, folders)[:count]
    paths.results.place.remove(*(folder for folder in folders if folder not in kept))


def sweep(paths: RunPaths, trials: Sequence[TrialRecord]) -> None:
    """Remove what a killed run left of trials that are over, and what outlived the record of its trial."""
    over = [t for t in trials if t.state in ("finished", "pruned", "failed")]
    kept = {paths.root / t.checkpoint for t in over if t.checkpoint}
    going = {t.id for t in trials} - {t.id for t in over if not t.outside}
    found = [f for f in _folders(paths, "*") if f.parent.name not in going and f not in kept]
    paths.results.place.remove(*found)


def lighten(paths: RunPaths, spec: StudySpec, heavy: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Leave only the predictions of trials whose weights nobody will ask for.

    Args:
        heavy: the finished trials that have weights; no other can come among the best again.

    Returns:
        Those that still have them.
    """
    kept = weights_kept(spec, heavy)
    for trial in heavy:
        if trial.id not in kept and trial.checkpoint:
            paths.results.place.delete(paths.root / trial.checkpoint / WEIGHTS)
    return [trial for trial in heavy if trial.id in kept]


def weights_kept(spec: StudySpec, trials: Sequence[TrialRecord]) -> set[str]:
    """The best of the search under its metric, the best under English dev alone, the best seed of each confirmed."""
    source_dev = zero_shot(spec.task.sources)[0]
    best = [
        *ranked(trials, spec.metric)[: spec.checkpoints.keep],
        *ranked(trials, source_dev, tie=spec.metric)[:1],
    ]
    seeds: dict[str, list[TrialRecord]] = defaultdict(list)
    for trial in trials:
        if trial.phase == "confirm" and trial.state == "finished":
            seeds[trial.configuration].append(trial)
    best += (max(some, key=lambda t: (t.score(spec.search.metric), -t.seed)) for some in seeds.values())
    return {trial.id for trial in best}


def place(paths: RunPaths, folder: Path) -> str:
    """A folder as the record names it: relative to that of the run, so that the run can be moved."""
    return os.path.relpath(folder, paths.root)


def flush(folder: Path) -> None:
    """Make a checkpoint survive a power loss: the last of a trial, before the record says that it came to its end."""
    with suppress(OSError):
        for path in folder.iterdir():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(folder)


def _folders(paths: RunPaths, trial: str) -> list[Path]:
    """Of a trial, or of all ("*")."""
    inside = paths.results.place.folders
    trials = [
        folder
        for experiment in inside(paths.tune)
        for folder in inside(experiment)
        if trial in ("*", folder.name)
    ]
    return sorted(f for folder in trials for f in inside(folder) if f.name.startswith("checkpoint_"))
