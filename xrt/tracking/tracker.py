"""MLflow as a projection of the record: `sync` sends what a store lacks, `Tracker` does so while a run runs.

One mechanism compares the record (`projection.py`) with the store (`store.py`) and sends the difference, so a
store that was half filled, emptied or unreachable ends up the same. Runs are found by
their tags, so nothing is sent twice and no id needs to be remembered. Only the driver does this; trials never
connect to MLflow. Not covered: files and models, which `registry.py` sends.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from xrt.errors import RecordError, XrtError
from xrt.findings.findings import findings
from xrt.record.environment import redact
from xrt.record.files import locked
from xrt.record.paths import Results
from xrt.record.run import Listener, Run
from xrt.record.values import Data, TrialRecord
from xrt.tracking import projection
from xrt.tracking.projection import Projected
from xrt.tracking.store import Store, Stored, client, of_another_version

_log = logging.getLogger("xrt")

REST = (
    9.0  # the pause after a pass, in times of its look at all trials, which takes longer the more there are
)


@dataclass(frozen=True)
class Synced:
    """What was sent: new MLflow runs, points of metrics, and other changes (tags, parameters, states)."""

    created: int = 0
    points: int = 0
    changes: int = 0

    def __add__(self, other: "Synced") -> "Synced":
        return Synced(self.created + other.created, self.points + other.points, self.changes + other.changes)

    def __bool__(self) -> bool:
        return self != Synced()

    def __str__(self) -> str:
        if not self:
            return "MLflow is up to date."
        return (
            f"MLflow: {self.created} runs created, {self.points} points sent, {self.changes} other changes."
        )


def sync(run: Run, uri: str | None = None, attempts: int = 3) -> Synced:
    """Sends to the MLflow store what it lacks of the record; a second call sends nothing.

    Args:
        uri: MLflow's address; by default the SQLite store beside the runs.
        attempts: how often to try if the store fails.

    Raises:
        RecordError: the record is damaged, the address cannot be used, another process is sending, or the store
            cannot be reached.
    """
    for attempt in range(attempts):
        try:
            return _Projector(run, uri).push()
        except XrtError:
            raise
        except Exception as error:  # whatever a store, its driver or the network raise
            if attempt + 1 == attempts:
                raise RecordError(f"MLflow at {_shown(run.paths.results, uri)}: {_brief(error)}.") from error
            time.sleep(attempt + 1)
    raise AssertionError("unreachable: the last attempt returns or raises")


def check(results: Results, uri: str | None = None) -> None:
    """Raise, before any training, if a run could not be tracked.

    Raises:
        RecordError: the store cannot be reached; the message says what to do.
    """
    try:
        client(results, uri).search_experiments(max_results=1)
    except XrtError:
        raise
    except Exception as error:
        if cure := of_another_version(error, _shown(results, uri)):
            raise RecordError(cure) from error
        raise RecordError(
            f"MLflow at {_shown(results, uri)} cannot be reached ({_brief(error)}); start it, "
            "or give --tracking later, and run `sync` when it can be reached."
        ) from error


def known_trials(run: Run, uri: str | None = None) -> set[str]:
    """The trials that MLflow has of a run; none if it cannot be reached or does not exist."""
    if uri is None and not run.paths.results.mlflow_db.exists():
        return set()
    try:
        return set(Store(run.paths.results, run.study, uri).runs(run.meta.uid)) - {""}
    except Exception:  # the tracker will report it
        return set()


class Tracker(Listener):
    """Keeps MLflow up to date while a run runs; a `Listener`.

    A thread sends; the study never waits for it and never fails because of it. If the store cannot be reached, the
    thread warns once, retries at growing intervals, and catches up. `run_ended` waits for at most `limit` seconds.
    """

    def __init__(
        self,
        run: Run,
        uri: str | None = None,
        *,
        warn: Callable[[str], None] = _log.warning,
        interval: float = 1.0,
        longest: float = 60.0,
        limit: float = 30.0,
    ) -> None:
        self._run, self._uri, self._warn = run, uri, warn
        self._interval, self._longest, self._limit = interval, longest, limit
        self._projector: _Projector | None = None
        self._news = threading.Event()
        self._closing = threading.Event()
        self._failing = False
        self._behind = True
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)

    @property
    def remedy(self) -> str | None:
        """The command that brings MLflow up to date after the run; None if it is."""
        if not self._behind:
            return None
        address = f" --tracking {redact(self._uri)}" if self._uri else ""
        return f"{self._run.command('sync')}{address}"

    def run_started(self, run: Run) -> None:
        self._news.set()
        self._thread.start()

    def trial_started(self, trial: TrialRecord) -> None:
        self._news.set()

    def trial_reported(self, trial: TrialRecord) -> None:
        self._news.set()

    def trial_ended(self, trial: TrialRecord) -> None:
        self._news.set()

    def run_ended(self, run: Run) -> None:
        """Sends the rest, within the limit; afterwards `remedy` says whether something is missing."""
        self._deadline = time.monotonic() + self._limit
        self._behind = True  # until the last look at the whole store has succeeded
        self._closing.set()
        self._news.set()
        if not self._thread.ident:
            self._thread.start()
        self._thread.join(self._limit)
        if remedy := self.remedy:
            self._warn(f"MLflow lacks the newest results of this run; `{remedy}` sends them.")

    def _work(self) -> None:
        pause = self._interval
        while time.monotonic() < self._deadline:
            self._news.wait()
            self._news.clear()
            closing = self._closing.is_set()
            if self._attempt(afresh=closing):
                pause = self._interval
                if closing:
                    self._behind = False
                    return
            else:
                self._news.set()
                pause = min(2 * pause, self._longest)
            self._rest(max(pause, REST * (self._projector.look if self._projector else 0.0)))

    def _attempt(self, afresh: bool) -> bool:
        try:
            if afresh or self._projector is None:
                self._projector = None
                self._projector = _Projector(self._run, self._uri)
            self._projector.push()
        except Exception as error:  # no error may reach the study
            self._projector = None  # what the store has is no longer known
            self._warn_once(error)
            return False
        self._failing = False
        return True

    def _warn_once(self, error: Exception) -> None:
        """Warns once per outage."""
        if not self._failing:
            self._failing = True
            self._warn(
                f"MLflow at {_shown(self._run.paths.results, self._uri)}: {_brief(error)}. "
                "The study continues; its record keeps everything, and MLflow gets it later."
            )

    def _rest(self, pause: float) -> None:
        if self._closing.is_set():
            time.sleep(max(0.0, min(self._interval, self._deadline - time.monotonic())))
        else:
            self._closing.wait(pause)


class _Projector:
    """Sends the difference between a record and a store, and remembers what the store has."""

    def __init__(self, run: Run, uri: str | None) -> None:
        self._run = run
        self._store = Store(run.paths.results, run.study, uri)
        self._stored: dict[str, Stored] | None = None  # by trial id; "" is the parent
        self._sent: dict[str, tuple[TrialRecord, tuple[Data, ...]]] = {}
        self._mark = secrets.token_hex(8).encode()
        self.look = 0.0  # seconds that the last look at all trials took

    def push(self) -> Synced:
        """One pass; afterwards the store shows the record as it was at the beginning of the pass."""
        with locked(self._run.paths.tracking_lock, patience=10.0) as held:
            if held is None:
                raise RecordError(f"{self._run.name}: another process is sending it to MLflow; wait for it.")
            self._forget_if_shared(held)
            return self._push()

    def _forget_if_shared(self, lock: int) -> None:
        """Forgets what the store has if another process has sent this run since the last pass."""
        if os.pread(lock, 100, 0) != self._mark:
            self._stored, self._sent = None, {}
            os.ftruncate(lock, 0)
            os.pwrite(lock, self._mark, 0)

    def _push(self) -> Synced:
        began = time.monotonic()
        found = findings(self._run)
        self.look = time.monotonic() - began
        meta = found.meta
        stored = self._stored = self._store.runs(meta.uid) if self._stored is None else self._stored

        def parent() -> Projected:
            ids = {key: known.id for key, known in stored.items() if key}
            return projection.parent(found, ids, f"#/experiments/{self._store.experiment}")

        # The parent is made first, because children name it, and completed last, because it counts and links them.
        done = self._make(stored, "", parent())
        for trial in found.trials:
            # The record returns the same object while a file has not changed.
            known = self._sent.get(trial.id)
            if (known and known[0] is trial and known[1] == meta.data) or not projection.has_begun(trial):
                continue
            wanted = projection.child(meta, trial, stored[""].id)
            done += self._make(stored, trial.id, wanted) + self._complete(stored[trial.id], wanted)
            self._sent[trial.id] = (trial, meta.data)
        last = parent()
        done += self._complete(stored[""], last)
        return done + Synced(changes=self._store.describe(last.tags[projection.NOTE], last.started))

    def _make(self, stored: dict[str, Stored], key: str, wanted: Projected) -> Synced:
        if key in stored:
            return Synced()
        stored[key] = self._store.create(wanted)
        return Synced(created=1)

    def _complete(self, stored: Stored, wanted: Projected) -> Synced:
        """Sends what the store lacks of one MLflow run; its end last, so that ended runs are complete."""
        store = self._store
        changes = store.add_params(stored, wanted.params) + store.add_data(stored, wanted.data)
        points = store.add_points(stored, wanted.points)
        changes += store.set_tags(stored, wanted.tags)
        changes += store.set_status(stored, wanted.status, wanted.ended)
        return Synced(points=points, changes=changes)


def _shown(results: Results, uri: str | None) -> str:
    return redact(uri or results.tracking_uri)


def _brief(error: Exception) -> str:
    """The kind of an error and its first line, without secrets."""
    lines = str(error).strip().splitlines() or [""]
    return redact(f"{type(error).__name__}: {lines[0][:200]}").rstrip(" .:")
