"""Which checkpoints are found on disk, and which are kept."""

import json
import zlib
from pathlib import Path

import pytest

from xrt.errors import RecordError
from xrt.record import Report, Results, Run, TrialRecord
from xrt.robust.checkpoint import OPTIMIZER, PROGRESS, WEIGHTS
from xrt.search import checkpoints
from xrt.search.disk import check_disk, most
from xrt.spec import load_study


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(Results.at(tmp_path / "results"), load_study("mini", []))


@pytest.fixture
def spec(tmp_path: Path):
    return load_study("mini", ["checkpoints.keep=2", "confirm.seeds=2"])


def write(run: Run, trial: str, step: int, start: str = "search-1", optimizer: bool = True) -> Path:
    """A checkpoint as Tune leaves it, of a few bytes."""
    files = {WEIGHTS: b"w" * 40, **({OPTIMIZER: b"o" * 80} if optimizer else {})}
    folder = run.paths.tune / start / trial / f"checkpoint_{step:06d}"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    known = {name: [len(content), zlib.crc32(content)] for name, content in files.items()}
    about = {"step": step, "optimizer": optimizer, "meter": {}, "files": known}
    (folder / PROGRESS).write_text(json.dumps(about))
    return folder.resolve()


def tear(folder: Path, how: str) -> Path:
    if how == "cut":
        (folder / OPTIMIZER).write_bytes(b"o" * 7)
    else:
        (folder / {"no weights": WEIGHTS, "no optimizer": OPTIMIZER, "no progress": PROGRESS}[how]).unlink()
    return folder


@pytest.mark.parametrize("how", ["cut", "no weights", "no optimizer", "no progress"])
def test_the_newest_whole_checkpoint_is_found_whichever_start_wrote_it_and_torn_ones_are_not(run, how):
    old = write(run, "0003", 10, "search-1")
    newer = write(run, "0003", 20, "search-2")
    tear(write(run, "0003", 30, "search-3"), how)
    write(run, "0004", 90)
    assert checkpoints.whole(run.paths, "0003") == [newer, old]


def test_only_so_many_of_the_newest_are_kept_and_no_torn_one(run):
    kept = [write(run, "0003", step, f"search-{step}") for step in (10, 20, 30)][1:]
    torn = tear(write(run, "0003", 40), "no weights")
    other = write(run, "0004", 10)
    checkpoints.keep_newest(run.paths, "0003", 2)
    assert checkpoints.whole(run.paths, "0003") == kept[::-1]
    assert not torn.exists() and other.exists()


def finished(run: Run, id: str, value: float, english: float = 0.0, phase: str = "search") -> TrialRecord:
    folder = write(run, id, 99, phase, optimizer=False)
    (folder / "predictions-dev.arrow").touch()
    metrics = {"dev/mean/mixed": value, "dev/acc/en": english}
    configuration, _, seed = id.partition("-s")
    place = str(folder.relative_to(run.paths.root.resolve()))
    report = Report(2, 1.0, 99, 1.0, metrics)
    return TrialRecord(
        id,
        {},
        {},
        int(seed or 7),
        configuration,
        phase,
        state="finished",
        reports=(report,),
        checkpoint=place,
    )


def test_weights_are_kept_of_the_best_of_the_best_in_english_and_of_each_confirmed_best_seed(run, spec):
    trials: list[TrialRecord] = []
    left: list[TrialRecord] = []
    for id, value, english in [
        ("0000", 0.5, 0.9),
        ("0001", 0.6, 0.1),
        ("0002", 0.7, 0.2),
        ("0003", 0.4, 0.3),
    ]:
        trials.append(finished(run, id, value, english))
        left = checkpoints.lighten(run.paths, spec, [*left, trials[-1]])
    for id, value in [("0002-s8", 0.6), ("0002-s9", 0.8), ("0000-s8", 0.5), ("0000-s9", 0.5)]:
        trials.append(finished(run, id, value, phase="confirm"))
        left = checkpoints.lighten(run.paths, spec, [*left, trials[-1]])
    heavy = {t.id for t in trials if (run.paths.root / t.checkpoint / WEIGHTS).exists()}
    assert heavy == {"0000", "0001", "0002", "0002-s9", "0000-s8"} == checkpoints.weights_kept(spec, trials)
    assert all((run.paths.root / t.checkpoint / "predictions-dev.arrow").exists() for t in trials)


def test_a_start_sweeps_what_a_kill_left_of_trials_that_are_over(run):
    done = finished(run, "0000", 0.5)
    left = [write(run, "0000", 33), write(run, "0001", 11)]
    going_on = write(run, "0002", 11)
    pruned, running = (
        TrialRecord(id, {}, {}, 7, state=s) for id, s in (("0001", "pruned"), ("0002", "running"))
    )
    checkpoints.sweep(run.paths, [done, pruned, running])
    assert not any(folder.exists() for folder in left)
    assert going_on.exists() and (run.paths.root / done.checkpoint).exists()


def test_the_bound_grows_with_what_is_kept_and_what_runs_and_is_held_against_the_disk(spec, tmp_path):
    rows = {"train": 2000, "dev": 500, "test": 500}
    gib = 2**30
    assert most(spec, gib, rows, 1) > 9 * gib  # one trial: three checkpoints of three times the weights
    assert most(spec, gib, rows, 3) - most(spec, gib, rows, 2) == 9 * gib
    told = check_disk(spec, tmp_path / "not" / "there", 1000, rows)
    assert "at most 0.1 GiB" in told and "free" in told
    with pytest.raises(RecordError, match=r"at most .* free; free some, give --results FOLDER, or lower"):
        check_disk(spec, tmp_path, 2**50, rows)
