"""What a run keeps of its trials on disk, and what it finds there again.

Tune writes them: `tune/<experiment>/<trial>/checkpoint_000001`. Nothing is taken on trust: a folder that a kill left
half-written is not a checkpoint, and the newest whole one is found by looking, whatever the record names.

    a running trial       its two newest: the older one for the case that the newer did not reach the disk
    a finished trial      its predictions; the best (`checkpoints.keep`) and the best seed of each confirmed
                          configuration their weights too
    any other             nothing
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from xrt.findings.ranking import ranked
from xrt.record.files import sync_folder
from xrt.record.paths import RunPaths
from xrt.record.remote import Remote
from xrt.record.values import TrialRecord
from xrt.robust.checkpoint import PROGRESS, WEIGHTS, step_in, step_of
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
    """The step of a whole checkpoint, None of a torn one."""
    remote = paths.results.remote
    if remote is None:
        return step_of(folder)
    content = remote.read(folder / PROGRESS)
    lengths = {path.name: size for path, size in remote.sizes(folder).items()}
    return None if content is None else step_in(content, lengths)


def keep_newest(paths: RunPaths, trial: str, count: int) -> None:
    """Remove all but the newest `count` whole checkpoints of a trial, torn ones too."""
    folders = _folders(paths, trial)
    kept = _whole(paths, folders)[:count]
    _discard(paths, [folder for folder in folders if folder not in kept])


def _discard(paths: RunPaths, folders: Iterable[Path]) -> None:
    folders = list(folders)
    if remote := paths.results.remote:
        remote.remove(*folders)
    remove(folders)


def remove(folders: Iterable[Path]) -> None:
    """Remove checkpoints, whatever is left of them."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(paths: RunPaths, trials: Sequence[TrialRecord]) -> None:
    """Remove what a killed run left of trials that are over."""
    ended = {t.id: t.checkpoint for t in trials if t.state in ("finished", "pruned", "failed")}
    kept = {_root(paths) / name for name in ended.values() if name}
    found = _folders(paths, "*")
    _discard(paths, [folder for folder in found if folder.parent.name in ended and folder not in kept])


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
            with suppress(OSError):
                if remote := paths.results.remote:
                    remote.delete(paths.root / trial.checkpoint / WEIGHTS)
                (paths.root / trial.checkpoint / WEIGHTS).unlink(missing_ok=True)
    return [trial for trial in heavy if trial.id in kept]


def weights_kept(spec: StudySpec, trials: Sequence[TrialRecord]) -> set[str]:
    """The best of the search under its metric, the best under English dev alone, the best seed of each confirmed."""
    source_dev = zero_shot(spec.task.source)[0]
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
    return os.path.relpath(folder, _root(paths))


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
    if remote := paths.results.remote:
        experiments = remote.folders(paths.tune)
        trials = [e / trial for e in experiments] if trial != "*" else _inside(remote, experiments)
        return sorted(f for f in _inside(remote, trials) if f.name.startswith("checkpoint_"))
    return sorted(_root(paths).glob(f"tune/*/{trial}/checkpoint_*"))


def _inside(remote: Remote, folders: Iterable[Path]) -> list[Path]:
    return [inner for folder in folders for inner in remote.folders(folder)]


def _root(paths: RunPaths) -> Path:
    """As Tune names it; of a bucket, the folder here that mirrors it."""
    return paths.root if paths.results.remote else paths.root.resolve()
