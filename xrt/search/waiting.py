"""Reports that the study waits for machines, with Ray's last message, which Tune does not pass on."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ray import tune

from xrt.record.environment import redact
from xrt.search.book import Book
from xrt.search.cluster import ADDRESS

PATIENCE = 60.0  # seconds without a running trial before a message, and between two queries to Ray
ANSWER = 30.0  # time limit of `ray status` in seconds
FAILURES = "Recent failures:"


class Waiting(tune.Callback):
    """Tells the book when no trial has run for `PATIENCE` seconds, and when one runs again."""

    def __init__(self, book: Book) -> None:
        self._book, self._since, self._reported = book, time.monotonic(), False

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        # The newest first: of thousands of trials, those that run are the last.
        if any(trial.status == "RUNNING" for trial in reversed(trials)):
            self._since = time.monotonic()
            if self._reported:
                self._book.waits(None)
                self._reported = False
        elif time.monotonic() - self._since > PATIENCE:
            pending = sum(trial.status == "PENDING" for trial in trials)
            # On one machine it waits for a process only, which starts slowly on a busy machine.
            missing = "a first process" if _is_own() else "machines"
            self._book.waits(f"waiting for {missing}: {pending} {_trials(pending)}{_of_ray()}")
            # After the seconds that Ray's answer takes.
            self._since, self._reported = time.monotonic(), True


def _is_own() -> bool:
    """Whether the study has a Ray of its own, on this machine."""
    return (os.environ.get(ADDRESS) or "local") == "local"


def _trials(count: int) -> str:
    return "trial" if count == 1 else "trials"


def _of_ray() -> str:
    """The last failure that a cluster's autoscaler reports, after a semicolon; empty if it reports none."""
    if _is_own():
        return ""
    words = [str(Path(sys.executable).with_name("ray")), "status", "--verbose"]
    try:
        output = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"; Ray does not say why ({type(error).__name__})"
    failure = last_failure(output)
    return f"; Ray: {redact(failure)}" if failure else ""


def last_failure(status: str) -> str | None:
    """The newest failure in what `ray status` prints: the first line below `Recent failures:`."""
    below = status.partition(FAILURES)[2].strip().splitlines()
    first = below[0].strip() if below else ""
    return first[:300] if ": " in first else None
