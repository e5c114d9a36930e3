"""`status`: times and next commands; with `--watch` repeatedly until no process works on the run."""

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from tests.findings import worked
from xrt.findings.findings import findings
from xrt.record import Report, Run
from xrt.study import watching
from xrt.study.__main__ import main
from xrt.study.pace import seconds_left
from xrt.study.tables import holder_line, time_line


class Screen(io.StringIO):
    """The output of a command."""

    def wait_for(self, text: str, times: int = 1) -> None:
        while self.getvalue().count(text) < times:
            time.sleep(0.02)


@contextmanager
def held(run: Run, screen: Screen, then: Callable[[], None]) -> Iterator[None]:
    """A process holds the run, acts once its status is shown, and ends."""
    there = threading.Event()

    def work() -> None:
        with run.hold():
            there.set()
            screen.wait_for("15 trials of 15")
            then()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    there.wait()
    yield
    thread.join()


def watched(run: Run, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> str:
    words = ["status", run.name, "--watch", "--results", str(run.paths.results.root)]
    for name, value in {"argv": ["xrt", *words], "stdout": screen}.items():
        monkeypatch.setattr(sys, name, value)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    return screen.getvalue()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(watching, "EVERY", 0.01)
    monkeypatch.setattr(watching, "REST", 0.0)
    run = worked.make(tmp_path / "results")
    worked.search(run)
    return run


def confirm_one(run: Run, screen: Screen) -> None:
    worked.confirm(run, ("0000",), seeds=1)
    screen.wait_for("1 trial (1 finished)")


def test_without_a_terminal_a_change_is_a_line_and_the_end_is_the_status(run, monkeypatch) -> None:
    screen = Screen()
    with held(Run(run.paths), screen, lambda: confirm_one(run, screen)):
        said = watched(run, screen, monkeypatch)
    first, second, *rest = said.splitlines()
    assert first == "search: 15 trials of 15 (10 finished, 4 pruned, 1 failed)"
    assert second == f"{first}; confirmation: 1 trial (1 finished)"
    assert rest[0].split()[0] == "trial" and "Not running. More trials: " in rest[-1]


def test_on_a_terminal_the_status_is_repeated_in_place(run, monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    terminal = Console(file=screen, force_terminal=True, width=120, height=10)
    with held(Run(run.paths), screen, lambda: confirm_one(run, screen)):
        watching.watch(run, None, "", terminal)
    said = screen.getvalue()
    assert "\x1b[1A" in said, "the cursor goes up"
    assert f"Running: process {os.getpid()}" in said, "also where the tables are too high"


def test_ctrl_c_ends_the_watching_alone(run, monkeypatch) -> None:
    screen, done = Screen(), threading.Event()

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.wait()

    with held(Run(run.paths), screen, interrupt):
        said = watched(run, screen, monkeypatch)
        assert f"Running: process {os.getpid()}" in said.splitlines()[-1]
        assert run.holder() is not None
        done.set()


def test_a_status_says_when_and_how_long_and_how_to_go_on(run) -> None:
    run.update_meta(status="stopped", ended=worked.START + 7200)
    found = findings(run)
    assert time_line(run, found) == "Started 2026-09-21 14:13 UTC, ended 2 h 0 min later."
    assert holder_line(run).endswith(f"python -m xrt.study resume {run.name}")
    run.update_meta(status="finished")
    assert f"run --extend {run.name} --results x " in holder_line(run, " --results x")
    assert "before you add trials" in holder_line(run, learned=False)


def test_the_time_left_is_that_of_the_process_that_works_on_the_run(run) -> None:
    """Steps of an earlier process do not make this one look faster."""
    with run.hold():
        assert "left" not in time_line(run, findings(run)), "it has reported nothing yet"
        since = float((run.holder() or {})["since"])
        before = sum(t.last.share for t in run.trials() if t.last)
        trial = worked.confirmed(run, "0000", run.trial("0000").params, 8)
        run.save(trial.__class__(**{**vars(trial), "reports": (Report(0, 1.0, 250, since + 1, {}),)}))
        found = findings(run)
        left = seconds_left(found.spec, found.trials, time.time() - since, before, 0)
        assert left and "left." in time_line(run, found)
