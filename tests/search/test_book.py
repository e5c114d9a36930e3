"""The records of trials, also after a kill between two writes, and after Tune lost something."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.search.conftest import METRIC, trial
from tests.search.test_checkpoints import tear, write
from xrt.data.integrity import sealed
from xrt.record.run import Listener, Run
from xrt.record.values import TrialRecord
from xrt.record.witnesses import lost
from xrt.robust.checkpoint import PROGRESS
from xrt.search import checkpoints
from xrt.search.book import RETRIES, Book, Rung, Task
from xrt.search.journal import Dashboard, known_trials
from xrt.search.sampler import Proposal

SAMPLE = {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain"}


class Heard(Listener):
    """A listener that records events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def trial_started(self, trial: TrialRecord) -> None:
        self.events.append(("started", trial.id))

    def trial_reported(self, trial: TrialRecord) -> None:
        self.events.append(("reported", trial.id))

    def trial_ended(self, trial: TrialRecord) -> None:
        self.events.append((trial.state, trial.id))


def three(trials: Sequence[TrialRecord], _: object) -> Proposal | None:
    """Proposes three equal trials."""
    id = f"{len(trials):04d}"
    return Proposal(id, id, SAMPLE, 3) if len(trials) < 3 else None


def opened(run: Run, *listeners: Heard) -> Book:
    return Book(run, listeners, "search", three)


def begun(book: Book) -> Task:
    task = book.next()
    assert task is not None and book.started(task.id, "here")
    return task


def at(run: Run, id: str, rung: int, value: float) -> Rung:
    """A report whose checkpoint is on the disk, as those of Tune are by then."""
    write(run, id, 10 * (rung + 1), optimizer=rung < 2)
    return Rung(rung, (1 / 9, 1 / 3, 1.0)[rung], 10 * (rung + 1), {METRIC: value})


def test_a_record_exists_before_its_trial_runs_and_is_written_at_every_event(run: Run) -> None:
    heard = Heard()
    book = opened(run, heard)
    task = book.next()
    assert task is not None and run.trial("0000").state == "pending" and task.known == 0
    assert book.started("0000", "node-1", "NVIDIA T4")
    assert (run.trial("0000").node, run.trial("0000").device) == ("node-1", "NVIDIA T4")
    assert [book.reported("0000", at(run, "0000", rung, 0.5)) for rung in range(3)] == [True, True, False]
    record = run.trial("0000")
    assert record.state == "finished" and record.configuration == "0000" and len(record.reports) == 3
    assert [folder.name for folder in checkpoints.whole(run.paths, "0000")] == ["checkpoint_000030"]
    assert (run.paths.root / str(record.checkpoint)).resolve() == checkpoints.whole(run.paths, "0000")[0]
    assert [event for event, _ in heard.events] == ["started", *["reported"] * 3, "finished"]


def test_asha_prunes_what_is_behind_and_its_checkpoints_go(run: Run) -> None:
    book = opened(run)
    for value, goes_on in ((0.5, True), (0.4, False)):
        task = begun(book)
        assert book.reported(task.id, at(run, task.id, 0, value)) == goes_on
    assert run.trial("0001").state == "pruned" and run.trial("0001").checkpoint is None
    assert checkpoints.whole(run.paths, "0001") == []


def test_a_trial_that_has_ended_stays_so_although_its_process_is_started_again(run: Run) -> None:
    book = opened(run)
    for value in (0.5, 0.4):
        task = begun(book)
        book.reported(task.id, at(run, task.id, 0, value))
    before = run.trial("0001")
    assert not book.started("0001", "here")
    assert not book.saved("0001", 15)
    assert not book.reported("0001", at(run, "0001", 1, 0.9))
    book.failed("0001", "too late")
    assert run.trial("0001") == before


def test_a_rung_that_is_reported_again_stays_as_it_was(run: Run) -> None:
    book = opened(run)
    task = begun(book)
    book.reported(task.id, at(run, task.id, 0, 0.5))
    book.reported(task.id, Rung(0, 1 / 9, 10, {METRIC: 0.7}))
    assert [r.metrics[METRIC] for r in run.trial(task.id).reports] == [0.5]


def test_reports_have_times_in_the_order_in_which_they_came_whatever_the_clock_does(run: Run) -> None:
    later = trial(0, "noise", (0.5, 4e9), state="failed")
    run.save(later)
    book = opened(run)
    task = begun(book)
    for rung in range(2):
        book.reported(task.id, at(run, task.id, rung, 0.5))
    times = [4e9, *(report.time for report in run.trial(task.id).reports)]
    assert times == sorted(set(times))


def test_the_time_between_two_processes_of_a_trial_is_no_work(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1e9
    monkeypatch.setattr("xrt.search.book.time.time", lambda: now)
    book = opened(run)
    task = begun(book)
    now += 100
    book.reported(task.id, at(run, task.id, 0, 0.5))
    now += 10  # which the killed process lost
    book.died(task.id)
    now += 50_000
    assert book.started(task.id, "here")
    book.reported(task.id, Rung(0, 1 / 9, 10, {METRIC: 0.5}))
    for rung in (1, 2):
        now += 45
        book.reported(task.id, at(run, task.id, rung, 0.5))
    record = run.trial(task.id)
    assert record.state == "finished" and record.seconds == 190 and record.ended == now


def test_a_trial_that_dies_without_progress_fails_after_its_retries(run: Run) -> None:
    book = opened(run)
    task = begun(book)
    for _ in range(RETRIES):
        book.died(task.id)
        assert book.started(task.id, "here")
    book.died(task.id)
    assert not book.started(task.id, "here")
    assert (run.trial(task.id).state, run.trial(task.id).reason) == ("failed", "its process died")


def test_a_trial_whose_process_was_gone_before_it_began_comes_again_and_fails_after_its_retries(
    run: Run,
) -> None:
    book = opened(run)
    for _ in range(RETRIES):
        task = book.next()
        assert task is not None and task.id == "0000"
        book.given_up("0000", "lost")
        assert (run.trial("0000").state, book.left) == ("pending", 1)
    assert book.next() is not None
    book.given_up("0000", "lost")
    assert (run.trial("0000").state, run.trial("0000").reason, book.left) == ("failed", "lost", 0)


def test_a_trial_that_had_begun_and_was_given_up_fails(run: Run) -> None:
    book = opened(run)
    task = begun(book)
    book.given_up(task.id, "for good")
    assert (run.trial(task.id).state, book.left) == ("failed", 0)


def test_progress_earns_a_trial_its_retries_again(run: Run) -> None:
    book = opened(run)
    task = begun(book)
    for step in range(1, 4 * RETRIES):
        book.died(task.id)
        assert book.started(task.id, "here")
        write(run, task.id, step)
        assert book.saved(task.id, step)
    for _ in range(RETRIES + 1):
        book.died(task.id)
        book.saved(task.id, step)
    assert not book.started(task.id, "here"), "the same checkpoint again is no progress"


def test_only_two_checkpoints_of_a_running_trial_are_kept(run: Run) -> None:
    book = opened(run)
    task = begun(book)
    for step in (3, 6, 9):
        write(run, task.id, step)
        book.saved(task.id, step)
    assert [folder.name for folder in checkpoints.whole(run.paths, task.id)] == [
        "checkpoint_000009",
        "checkpoint_000006",
    ]


def interrupted(run: Run, *values: float) -> Path | None:
    """A run whose trial 0000 was running, with so many rungs in the record and the last one's checkpoint."""
    run.save(trial(0, "plain", *((value, float(n)) for n, value in enumerate(values)), state="running"))
    return write(run, "0000", 10 * len(values), optimizer=len(values) < 3) if values else None


def test_what_was_interrupted_comes_first_from_its_newest_checkpoint(run: Run) -> None:
    newest = interrupted(run, 0.5)
    tasks = [task for task in iter(opened(run).next, None)]
    assert [task.id for task in tasks] == ["0000", "0001", "0002"]
    assert tasks[0].resume == [newest] and tasks[0].known == 1
    assert tasks[0].config.to_dict() == run.trial("0000").config, "as the study says now"


def test_a_trial_that_had_come_to_its_end_is_finished_and_keeps_its_last_checkpoint_alone(run: Run) -> None:
    last, heard = interrupted(run, 0.1, 0.2, 0.3), Heard()
    write(run, "0000", 20)
    task = opened(run, heard).next()
    assert task is not None and task.id == "0001" and heard.events == [("finished", "0000")]
    assert checkpoints.whole(run.paths, "0000") == [last]


def test_a_trial_whose_last_checkpoint_was_lost_trains_its_end_again(run: Run) -> None:
    older = write(run, "0000", 20)
    tear(interrupted(run, 0.1, 0.2, 0.3), "no weights")
    book = opened(run)
    task = book.next()
    assert task is not None and (task.id, task.resume, task.known) == ("0000", [older], 3)
    write(run, "0000", 30, "search-2", optimizer=False)
    again = Rung(2, 1.0, 30, {METRIC: 0.4})
    assert book.started("0000", "here") and not book.reported("0000", again)
    record = run.trial("0000")
    assert record.state == "finished" and record.score(METRIC) == 0.3, "its first report stays"


def test_a_trial_that_asha_had_stopped_is_pruned_although_a_kill_came_between(run: Run) -> None:
    run.save(trial(0, "plain", (0.9, 0.0), state="failed"))
    run.save(trial(1, "plain", (0.1, 1.0), state="running"))
    write(run, "0001", 10)
    task = opened(run).next()
    assert task is not None and task.id == "0002"
    assert run.trial("0001").state == "pruned" and checkpoints.whole(run.paths, "0001") == []


def test_a_trial_that_failed_for_want_of_a_disk_keeps_its_newest_checkpoint_until_the_run_is_resumed(
    run: Run,
) -> None:
    book = opened(run)
    task = begun(book)
    book.reported(task.id, at(run, task.id, 0, 0.5))
    newest = write(run, task.id, 20)
    book.failed(task.id, "OSError: [Errno 28] No space left on device", outside=True)
    assert (run.trial(task.id).state, run.trial(task.id).outside) == ("failed", True)
    assert all(other.id != task.id for other in iter(book.next, None)), "not in this process"
    assert checkpoints.whole(run.paths, task.id) == [newest]
    opened(run)
    assert checkpoints.whole(run.paths, task.id) == [newest], "whoever looks after it must not sweep it"
    run.save(run.trial(task.id).closed("stopped", 0.0))
    again = opened(run).next()
    assert again is not None and (again.id, again.known, again.resume) == (task.id, 1, [newest])


@pytest.mark.parametrize("seen", [0, 1])
def test_trials_that_are_added_after_a_verdict_was_shown_say_so(run: Run, seen: int) -> None:
    run.update_meta(seen=seen)
    task = opened(run).next()
    assert task is not None and run.trial(task.id).added == (seen > 0)


def test_an_interrupted_confirmation_is_not_taken_for_the_search(run: Run) -> None:
    run.save(replace(trial(0, "plain"), id="0000-s4", phase="confirm", state="running"))
    tasks = [task.id for task in iter(opened(run).next, None)]
    assert "0000-s4" not in tasks


def test_a_trial_whose_record_was_lost_is_proposed_and_trained_again_from_its_beginning(run: Run) -> None:
    for number in (0, 1, 2):
        run.save(trial(number, "plain", (0.5, float(number)), state="failed"))
    left = write(run, "0001", 10)
    run.paths.trial("0001").unlink()
    assert lost(run) == {"0001": "tune/search-1/0001 exists"}
    shutil.rmtree(left.parent)
    assert lost(run) == {"0001": "later trials exist"}
    write(run, "0001", 10, "search-2")
    book = opened(run)
    task = book.next()
    assert task is not None and (task.id, task.known, task.resume) == ("0001", 0, [])
    assert book.started("0001", "here") and book.next() is None and lost(run) == {}
    assert [t.id for t in run.trials()] == ["0000", "0001", "0002"]


def test_the_last_trial_is_known_by_its_folder_alone_and_by_optunas_journal(run: Run) -> None:
    journal = Dashboard(run)
    for number in range(3):
        run.save(done := trial(number, "plain", (0.5, float(number)), state="failed"))
        journal.trial_ended(done)
    write(run, "0002", 10)
    run.paths.trial("0002").unlink()
    assert lost(run) == {"0002": "tune/search-1/0002 exists"}
    assert known_trials(run) == {"0000", "0001", "0002"}
    run.paths.optuna.write_bytes(run.paths.optuna.read_bytes()[:-20])
    assert known_trials(run) <= {"0000", "0001", "0002"}


def test_a_checkpoint_of_another_trial_is_not_resumed_from(run: Run) -> None:
    run.save(trial(0, "plain", state="running"))
    write(run, "0001", 30)
    shutil.move(run.paths.tune / "search-1" / "0001", run.paths.tune / "search-1" / "0000")
    (progress,) = run.paths.tune.rglob(PROGRESS)
    said = json.loads(progress.read_text())
    progress.write_text(json.dumps(sealed({**said, "about": {"trial": "0001"}})))
    task = opened(run).next()
    assert task is not None and (task.id, task.resume) == ("0000", [])
