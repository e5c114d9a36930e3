"""A worker's checkpoint and a full disk; `tests/faults` shows that only we handle SIGTERM."""

import errno
from pathlib import Path

import pytest

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
