"""A study without Ray, and the same under Ray Tune: the same record, to the last digit."""

from functools import partial
from pathlib import Path

import pytest
import ray
import torch

from tests.faults.small import SMALL, table
from xrt.findings.confirming import wanted
from xrt.record.paths import Results
from xrt.record.run import Run
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


def fresh(folder: Path, spec: StudySpec) -> Run:
    return Run.create(Results.at(folder), spec)


@pytest.fixture(scope="module")
def here(spec: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The study in this process, with its confirmation."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a trial of one CPU has under Ray
    run = fresh(tmp_path_factory.mktemp("here"), spec)
    run_here(Book(run, [], "search", partial(propose, spec)))
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
        tuning.search(run, spec, [])
        while more := wanted(run):
            tuning.confirm(run, spec, more, [])
    finally:
        ray.shutdown()
    assert table(run) == table(here)
