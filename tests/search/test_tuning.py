"""A worker's checkpoint and a full disk; the order of trials; `tests/faults` shows that only we handle SIGTERM."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from xrt.search import tuning


@pytest.fixture
def told(monkeypatch):
    """The reports to Tune, which cannot run outside a trial."""
    heard: list[dict] = []
    monkeypatch.setattr(tuning.tune, "report", lambda metrics, checkpoint: heard.append(metrics))
    return heard


def full(folder: Path, times: list[int]):
    """Writes a checkpoint that fails so many times, each time after half a copy."""

    def save(written: Path) -> None:
        if times[0]:
            times[0] -= 1
            (folder / f"checkpoint_{times[0]:06d}").mkdir()
            raise OSError(errno.ENOSPC, "No space left on device", str(written))
        (written / "whole").touch()

    return save


def test_a_trial_waits_for_space_and_reports_once(told, tmp_path):
    kept = tmp_path / "checkpoint_000009"
    kept.mkdir()
    tuning._report({"step": 0}, full(tmp_path, [2]), tmp_path)
    assert told == [tuning.as_result({"step": 0})]
    assert list(tmp_path.iterdir()) == [kept]


def test_a_trial_does_not_wait_for_ever(told, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "DISK_PATIENCE", 2.0)
    with pytest.raises(OSError, match="No space left"):
        tuning._report({"step": 0}, full(tmp_path, [99]), tmp_path)
    assert told == [] and list(tmp_path.iterdir()) == []


def test_trials_run_in_the_order_of_tunes_own_queue() -> None:
    trials = [Trial("any", config={"id": id}, stub=True) for id in ("0009-s8", "0001-s10", "0001-s9", "9999")]
    queue = list[Trial]()
    controller = SimpleNamespace(get_trials=lambda: queue, get_live_trials=lambda: set(queue))
    ours, tunes = tuning._Pruning(SimpleNamespace(has_ended=lambda id: False)), FIFOScheduler()  # type: ignore[arg-type]
    chosen = []
    for trial in trials:
        queue.append(trial)
        ours.on_trial_add(controller, trial)
    for died in (trials[0], trials[1], None, None, None, None):
        first = ours.choose_trial_to_run(controller)
        assert first is tunes.choose_trial_to_run(controller)  # type: ignore[arg-type]
        assert first is not None
        chosen.append(first.config["id"])
        if first is died:
            queue.append(queue.pop(queue.index(died)))  # as Tune does with a trial whose process died
            ours.on_trial_add(controller, died)
        else:
            first.set_status(Trial.RUNNING)
    assert chosen == ["0009-s8", "0001-s10", "0001-s9", "9999", "0009-s8", "0001-s10"]
    assert ours.choose_trial_to_run(controller) is None
