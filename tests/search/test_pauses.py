"""A trial's progress between two rungs: it changes nothing, is not recorded, and reaches listeners."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest

from tests.search.test_here import SHORT, SMALL
from tests.search.test_keep import KEEPS, config, told
from xrt.record import Results, Run
from xrt.record.run import Listener
from xrt.record.values import Pace, TrialRecord
from xrt.search import pauses
from xrt.search.book import Book
from xrt.search.here import run_here
from xrt.search.sampler import propose
from xrt.search.trial import RungReport, begin
from xrt.search.tuning import MESSAGE, as_result, handle
from xrt.spec import load_study

PACE = Pace(step=120, steps=514, loss=0.91, pairs_per_second=32.0, steps_per_second=1.0)


class Heard(Listener):
    def __init__(self) -> None:
        self.paces: list[tuple[str, Pace]] = []

    def trial_moved(self, trial: TrialRecord, pace: Pace) -> None:
        self.paces.append((trial.id, pace))


@pytest.fixture
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial reports its progress after each step."""
    monkeypatch.setattr(pauses, "REPORT_EVERY", 0.0)


def test_a_trial_that_says_how_far_it_is_trains_the_same(
    talkative: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = config(KEEPS[0])
    often = list(begin(trial))
    monkeypatch.setattr(pauses, "REPORT_EVERY", 1e9)
    never = list(begin(trial))
    reports = [[told(at) for at in walk if isinstance(at, RungReport)] for walk in (often, never)]
    assert reports[0] == reports[1] and not any(isinstance(at, Pace) for at in never)
    paces = [at for at in often if isinstance(at, Pace)]
    rungs = [at.step for at in often if isinstance(at, RungReport)]
    assert [at.step for at in paces] == [step for step in range(1, 21) if step not in rungs]
    assert {at.steps for at in paces} == {20} and all(0 < at.loss < 10 for at in paces)
    assert all(at.pairs_per_second == pytest.approx(at.steps_per_second * trial.batch_size) for at in paces)


def test_whoever_listens_hears_it_and_the_record_does_not_hold_it(talkative: None, tmp_path: Path) -> None:
    spec = load_study(str(SMALL), [*SHORT, "search.trials=2", "confirm=null"])
    run, heard = Run.create(Results.at(tmp_path), spec), Heard()
    run_here(Book(run, [heard], "search", partial(propose, spec)))
    for trial in run.trials():
        steps = [pace.step for id, pace in heard.paces if id == trial.id]
        assert steps and steps == sorted({*steps}.difference(report.step for report in trial.reports))


def test_ray_hands_it_to_the_book(tmp_path: Path) -> None:
    spec = load_study(str(SMALL), [*SHORT, "search.trials=2", "confirm=null"])
    heard = Heard()
    book = Book(Run.create(Results.at(tmp_path), spec), [heard], "search", partial(propose, spec))
    task = book.next()
    assert task and book.started(task.id, "here")
    assert handle(book, task.id, json.loads(as_result({"pace": asdict(PACE)})[MESSAGE]))
    assert heard.paces == [(task.id, PACE)]
