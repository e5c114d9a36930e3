"""Studies and records of trials, made by hand."""

from pathlib import Path

import pytest

from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import Report, TrialRecord
from xrt.search.trial import RungReport, begin
from xrt.spec import StudySpec, TrialConfig, load_study

METRIC = "dev/mean/mixed"
TOY = (
    "task: mini\ndata: {source: embedded}\n"
    "space:\n  encoder: [mini-a, mini-b]\n  learning_rate: {log: [1.0e-4, 1.0e-2]}\n"
    "  method: {plain: {}, adversarial: {radius: {log: [0.05, 0.3]}, steps: [1, 2]}, noise: {scale: 0.3}}\n"
    "search: {trials: 60, seed: 3}\nresources: {cpu: 1, gpu: 0}\n"
)


def toy(folder: Path, *overrides: str) -> StudySpec:
    """A study of three arms."""
    file = folder / "toy.yaml"
    file.write_text(TOY)
    return load_study(str(file), list(overrides))


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return toy(tmp_path)


@pytest.fixture
def run(tmp_path: Path, spec: StudySpec) -> Run:
    return Run.create(Results.at(tmp_path / "results"), spec)


def trial(
    number: int, method: str, *said: tuple[float, float], rungs=(1 / 9, 1 / 3, 1.0), **more
) -> TrialRecord:
    """A trial of the search that reported (value, time) at its rungs."""
    params = {"encoder": "mini-a", "learning_rate": 1e-3, "method": method}
    reports = tuple(
        Report(rung, rungs[rung], 10 * (rung + 1), time, {METRIC: value})
        for rung, (value, time) in enumerate(said)
    )
    id = f"{number:04d}"
    known = {"params": params, "config": {}, "seed": 3, "configuration": id, "reports": reports}
    return TrialRecord(id, **(known | more))


def only_report(trial: TrialConfig) -> RungReport:
    """The report of a trial with one rung, without what a slow machine makes it say of its progress."""
    (report,) = (at for at in begin(trial) if isinstance(at, RungReport))
    return report
