"""Checkpoints written behind the training: `wait` raises their errors, and incomplete ones are skipped."""

import errno
import json
import tempfile
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.faults.inject import small_disk
from tests.robust.conftest import step_of
from tests.search.test_keep import config, reports, told
from xrt.search import pauses, tuning
from xrt.search import trial as trial_module
from xrt.search.behind import Behind
from xrt.search.trial import Saving, begin


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """One thread, and a look at the clock after every step."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(pauses, "CHECK_EVERY", 1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small(tmp_path) -> Path:
    """A disk on which weights fit, but not the optimizer."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(small_disk(tmp_path / "disk", "1600k"))
        except PermissionError as error:
            pytest.skip(f"a file system of a fixed size is mounted by root only: {error}")


def test_the_training_goes_on_while_its_checkpoint_is_written(tmp_path):
    went_on, behind = threading.Event(), Behind()
    walk = begin(config("last"), seconds=0)
    first = next(walk)

    def late(write) -> None:
        went_on.wait()
        write(tmp_path)

    behind.begin(partial(late, first.take()))
    assert next(walk).step == first.step + 1 and step_of(tmp_path) is None
    went_on.set()
    behind.wait()
    assert step_of(tmp_path) == first.step


def test_a_full_disk_is_said_by_the_next_wait_once_and_what_is_torn_is_passed_over(tmp_path, small):
    trial, behind = config("last"), Behind()
    whole = reports(trial, tmp_path / "whole", seconds=0)
    walk = begin(trial, seconds=0)
    behind.begin(partial(next(walk).take(), small / "torn"))
    assert isinstance(next(walk), Saving)
    with pytest.raises(OSError) as caught:
        behind.wait()
    assert caught.value.errno == errno.ENOSPC
    behind.wait()
    torn = {file.name for file in (small / "torn").iterdir()}
    assert torn and step_of(small / "torn") is None
    rest = reports(trial, tmp_path / "rest", resume=[small / "torn", tmp_path / "whole" / "003"])
    assert [told(report) for report in rest] == [told(report) for report in whole]


def test_a_block_ends_when_all_is_written_and_with_what_went_wrong_there(tmp_path):
    with pytest.raises(ValueError, match="training"), Behind() as behind:
        behind.begin((tmp_path / "written").touch)
        raise ValueError("training")
    assert (tmp_path / "written").exists()
    with pytest.raises(FileNotFoundError), Behind() as behind:
        behind.begin((tmp_path / "no" / "folder").mkdir)
        raise ValueError("training")
    with pytest.raises(SystemExit), Behind() as behind:  # by which Tune ends a trial
        behind.begin(lambda: exit(0))


@pytest.fixture
def heard(tmp_path, monkeypatch):
    """Runs a trial as a worker does, and returns what Tune was told; in place of Tune, which wants a trial around it.

    Of each thing: what was said, the step of the checkpoint beside it, and whether the training itself said it.
    """
    said, under_way = [], threading.Lock()

    def report(what, checkpoint=None):
        assert under_way.acquire(blocking=False), "one at a time"
        step = step_of(Path(checkpoint.path)) if checkpoint else None
        said.append(
            (json.loads(what[tuning.MESSAGE]), step, threading.current_thread() is threading.main_thread())
        )
        under_way.release()

    resources = SimpleNamespace(required_resources={"CPU": 1.0})
    context = SimpleNamespace(get_trial_resources=lambda: resources)
    monkeypatch.setattr(tuning.tune, "report", report)
    monkeypatch.setattr(tuning.tune, "get_checkpoint", lambda: None)
    monkeypatch.setattr(tuning.tune, "get_context", lambda: context)
    monkeypatch.setattr(tuning, "enter", lambda home: None)
    monkeypatch.setattr(trial_module, "_gpu", {"share": 0.0})

    def run(trial):
        told = {"trial": trial.to_dict(), "known": 0, "about": {}, "home": {}, "seconds": 0}
        tuning.trainable({"resume": [], tuning.TASK: json.dumps({**told, "folder": str(tmp_path / "0000")})})
        return said

    return run


def test_a_worker_tells_tune_one_thing_at_a_time_and_in_the_order_of_the_training(heard):
    _, *said = heard(config("last"))
    steps = [what["step"] for what, _, _ in said]
    rungs = [what["step"] for what, _, _ in said if "rung" in what]
    assert steps == sorted([*range(1, 20), *rungs]) and rungs == [10, 20]
    for what, step, by_training in said:
        assert by_training == ("rung" in what)
        assert step == (None if what["step"] == 10 and by_training else what["step"])


def test_a_trial_whose_checkpoint_does_not_fit_fails_for_want_of_a_disk(heard, small, monkeypatch):
    monkeypatch.setattr(tuning, "DISK_PATIENCE", 0.0)
    monkeypatch.setattr(tempfile, "tempdir", str(small))
    _, last = heard(config("last"))
    assert last[0]["outside"] and "No space left" in last[0]["failed"]
