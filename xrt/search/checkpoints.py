"""Which files of its trials a run keeps on disk, and which of them are still whole.

Tune writes them: `tune/<experiment>/<trial>/checkpoint_000001`. A folder that a kill left half-written is no
checkpoint: the newest whole one is found by checking the files, whatever the record names.

    a running trial       its two newest: the older one for the case that the newer did not reach the disk
    a finished trial      its predictions; the best (`checkpoints.keep`), the best on source-language dev and the best
                          seed of each confirmed configuration also their weights
    one with `outside`    its newest: it failed for lack of a disk, folder, network or cache, and a resumed run
                          continues from there
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
from xrt.record.values import OVER, TrialRecord
from xrt.robust.checkpoint import PROGRESS, WEIGHTS, step_in
from xrt.spec.metric import zero_shot
from xrt.spec.study import StudySpec

RUNNING = 2  # checkpoints of a trial that has not ended


def whole(paths: RunPaths, trial: str) -> list[Path]:
    """The whole checkpoints of a trial, from whichever start of the run, newest first."""
    return _whole(paths, _folders(paths, trial))


def _whole(paths: RunPaths, folders: Iterable[Path]) -> list[Path]:
    steps = {folder: step(paths, folder) for folder in folders}
    found = [folder for folder, step in steps.items() if step is not None]
    # At the same step: the one of the later start of the run, whose folder's name has the later time.
    return sorted(found, key=lambda f: (steps[f] or 0, f.parts), reverse=True)


def step(paths: RunPaths, folder: Path) -> int | None:
    """The step of a whole checkpoint; None if it is incomplete or of another trial."""
    content = paths.results.place.read(folder / PROGRESS)
    if content is None:
        return None
    return step_in(content, paths.results.place.sizes(folder), folder.parent.name)


def keep_newest(paths: RunPaths, trial: str, count: int) -> None:
    """Remove all but the newest `count` whole checkpoints of a trial, also incomplete ones."""
    folders = _folders(paths, trial)
    kept = _whole(paths, folders)[:count]
    paths.results.place.remove(*(folder for folder in folders if folder not in kept))


def sweep(paths: RunPaths, trials: Sequence[TrialRecord]) -> None:
    """Remove what a killed run left of ended trials, and checkpoints of trials without a record."""
    over = [t for t in trials if t.state in OVER]
    kept = {paths.root / t.checkpoint for t in over if t.checkpoint}
    going = {t.id for t in trials} - {t.id for t in over if not t.outside}
    found = [f for f in _folders(paths, "*") if f.parent.name not in going and f not in kept]
    paths.results.place.remove(*found)


def lighten(paths: RunPaths, spec: StudySpec, heavy: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Leave only the predictions of trials whose weights are no longer needed.

    Args:
        heavy: the finished trials that have weights; no other trial can become one of the best.

    Returns:
        The trials that still have weights.
    """
    kept = weights_kept(spec, heavy)
    for trial in heavy:
        if trial.id not in kept and trial.checkpoint:
            paths.results.place.delete(paths.root / trial.checkpoint / WEIGHTS)
    return [trial for trial in heavy if trial.id in kept]


def weights_kept(spec: StudySpec, trials: Sequence[TrialRecord]) -> set[str]:
    """The best by the study's metric, the best by source-language dev, each confirmed configuration's best seed."""
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


def incomplete(paths: RunPaths, spec: StudySpec, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The finished trials that have lost files: predictions, or weights that should have been kept."""
    kept, found = weights_kept(spec, trials), []
    for trial in (t for t in trials if t.state == "finished" and t.checkpoint):
        splits = {name.partition("/")[0] for name in trial.metrics} & {"dev", "test"}
        needed = {f"predictions-{split}.arrow" for split in splits}
        there = paths.results.place.sizes(paths.root / str(trial.checkpoint))
        if (needed | ({WEIGHTS, PROGRESS} if trial.id in kept else set())) - there.keys():
            found.append(trial)
    return found


def place(paths: RunPaths, folder: Path) -> str:
    """A folder as the record names it: relative to the run's folder, so that the run can be moved."""
    return os.path.relpath(folder, paths.root)


def flush(folder: Path) -> None:
    """Make a trial's last checkpoint survive a power loss, before the record says that the trial ended."""
    with suppress(OSError):
        for path in folder.iterdir():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(folder)


def _folders(paths: RunPaths, trial: str) -> list[Path]:
    """The checkpoint folders of a trial, or of all ("*")."""
    inside = paths.results.place.folders
    experiments = inside(paths.tune)
    # A trial's folder is not looked for in a list of all: that would take longer with every trial of the run.
    trials = [folder for one in experiments for folder in (inside(one) if trial == "*" else [one / trial])]
    return sorted(f for folder in trials for f in inside(folder) if f.name.startswith("checkpoint_"))
