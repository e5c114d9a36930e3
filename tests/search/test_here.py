"""A study without Ray, and the same under Ray Tune: the same record, to the last digit."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from tests.faults.small import SMALL, table
from xrt.findings.confirming import wanted
from xrt.record.paths import Results
from xrt.record.run import Run, TrialRecord
from xrt.search import tuning
from xrt.search.book import Book
from xrt.search.confirm import proposing
from xrt.search.here import run_here
from xrt.search.sampler import propose
from xrt.spec import StudySpec, load_study

SHORT = [
    "search.trials=6",
    "confirm.seeds=2",
    "data.train_rows=160",
    "data.dev_rows=30",
    "checkpoints.seconds=600",
]


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    return load_study(str(SMALL), SHORT)


class Weighing(Book):
    """Notes the bytes of the checkpoints that each trial has left when it ends, before they are cleaned up."""

    def __init__(self, run: Run, *rest: Any) -> None:
        super().__init__(run, *rest)
        self.weighed: dict[str, int] = {}

    def _end(self, record: TrialRecord, *rest: Any) -> None:
        files = self.run.paths.tune.glob(f"*/{record.id}/checkpoint_*/*")
        self.weighed[record.id] = sum(path.stat().st_size for path in files)
        super()._end(record, *rest)


def check_that_the_pruned_wrote_nothing(book: Weighing) -> None:
    """Those that were pruned at their first rung; those that were promoted have left something."""
    first = [t.id for t in book.trials.values() if t.state == "pruned" and len(t.reports) == 1]
    assert first and {book.weighed[id] for id in first} == {0}
    assert all(bytes > 0 for id, bytes in book.weighed.items() if id not in first)


def fresh(folder: Path, spec: StudySpec) -> Run:
    return Run.create(Results.at(folder), spec)


@pytest.fixture(scope="module")
def here(spec: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The study in this process, with its confirmation."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a trial of one CPU has under Ray
    run = fresh(tmp_path_factory.mktemp("here"), spec)
    book = Weighing(run, [], "search", partial(propose, spec))
    run_here(book)
    check_that_the_pruned_wrote_nothing(book)
    while more := wanted(run):
        run_here(Book(run, [], "confirm", proposing(more)))
    torch.set_num_threads(threads)
    return run


def test_a_whole_study_runs_without_ray(here: Run) -> None:
    states = [(trial.phase, trial.state) for trial in here.trials()]
    assert {phase for phase, _ in states} == {"search", "confirm"}
    assert ("search", "pruned") in states and {state for _, state in states} == {"finished", "pruned"}
    assert all(trial.configuration == trial.id.partition("-s")[0] for trial in here.trials())


def test_ray_tune_gives_the_same_table(here: Run, spec: StudySpec, tmp_path: Path) -> None:
    run = fresh(tmp_path, spec)
    try:
        book = Weighing(run, [], "search", partial(propose, spec))
        tuning.run_on_ray(book, spec.search.trials)
        check_that_the_pruned_wrote_nothing(book)
        while more := wanted(run):
            tuning.confirm(run, spec, more, [])
    finally:
        ray.shutdown()
    assert table(run) == table(here)
