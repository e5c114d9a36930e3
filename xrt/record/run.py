"""A run on disk: the truth about what happened. Everything else (tables, MLflow, reports) is read from here.

One folder per run, one JSON file per trial, rewritten whole at every event. It records and does not decide
which trial is started, pruned or best. One process at a time works on a run (`hold`);
any number may read it meanwhile, from other machines too.
"""

import json
import math
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from xrt.data.integrity import digest, is_broken, sealed
from xrt.errors import RecordError, XrtError
from xrt.record import environment
from xrt.record.files import (
    locked,
    patiently,
    plain,
    read_bytes,
    read_json,
    refuse_links,
    sweep,
    sync_folder,
    write_json,
    write_text,
)
from xrt.record.paths import Results, RunPaths
from xrt.record.remote import Superseded, is_record, records
from xrt.record.values import FORMAT, Data, Meta, Pace, Report, TrialRecord, decode
from xrt.spec.document import read_document
from xrt.spec.study import StudySpec

__all__ = ["Data", "Listener", "Meta", "Report", "Run", "TrialRecord"]

T = TypeVar("T")
UNSOUND = "is damaged, or was changed by hand: its checksum is not that of its content"
# The user decides: a new training replaces the file only after its owner has removed it.
REMEDY = "Restore it, or remove it: `resume` then trains the trial again."


class Listener:
    """Is notified of events: a live table, a tracker. Each overrides the events that it uses."""

    def run_started(self, run: "Run") -> None: ...

    def trial_started(self, trial: TrialRecord) -> None: ...

    def trial_reported(self, trial: TrialRecord) -> None: ...

    def trial_moved(self, trial: TrialRecord, pace: Pace) -> None:
        """The trial made progress between two rungs."""

    def trial_ended(self, trial: TrialRecord) -> None: ...

    def run_waits(self, run: "Run") -> None:
        """`run.meta.waiting` has changed."""

    def run_ended(self, run: "Run") -> None: ...


class Run:
    """Writes and reads one run. Reads are cached by the files' stamps, so repeated reads are cheap."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self._seen: dict[Path, tuple[tuple[int, ...], Any]] = {}
        self._raised: dict[tuple[int | None, tuple[int, int] | None], StudySpec] = {}

    @classmethod
    def create(
        cls,
        results: Results,
        spec: StudySpec,
        data: Sequence[Data] = (),
        notes: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> "Run":
        """Makes the folder of a new run; if that fails, nothing of it stays.

        Args:
            notes: more fields of `Meta`: tracking, repeats, dropped, warnings.
            name: of the run, before its time; None: the study's.

        Raises:
            RecordError: the study's name or the results folder cannot be used.
        """
        now = time.time()
        paths = results.create(spec.study, datetime.fromtimestamp(now, UTC), name)
        meta = Meta(
            uid=uuid.uuid4().hex[:16],
            name=paths.name,
            study=spec.study,
            metric=spec.search.metric,
            started=now,
            task=spec.task.name,
            languages=spec.task.languages,
            source=", ".join(spec.task.sources),
            command=environment.command(),
            versions=environment.versions(),
            git=environment.git(),
            host=environment.host(),
            user=environment.user(),
            hardware=dict(environment.machine()),
            data=tuple(data),
            spec=digest(spec.to_yaml()),
            **environment.redacted(notes or {}),
        )
        try:
            paths.trials.mkdir()
            write_text(paths.spec, spec.to_yaml())
            write_json(paths.meta, sealed(plain(meta)))  # last, because a run exists when this file does
            for folder in (paths.root.parent, results.root):
                sync_folder(folder)
            results.place.push(paths.spec, paths.meta)
        except BaseException:
            shutil.rmtree(paths.root, ignore_errors=True)
            raise
        return cls(paths)

    @classmethod
    def open(cls, results: Results, name: str) -> "Run":
        """The run of that name, or the newest of the study of that name.

        Raises:
            RecordError: there is none, its run.json cannot be read, or something in its folder leads out of it.
        """
        return cls.of(results.find(name))

    @classmethod
    def of(cls, paths: RunPaths) -> "Run":
        """The run in a folder, after a check that it contains only files and folders, and a sound run.json.

        Raises:
            RecordError: see `open`.
        """
        run = cls(paths)
        refuse_links(paths.root)
        paths.results.require_own(paths.study)
        assert run.meta  # a damaged run raises here, not later
        return run

    @property
    def name(self) -> str:
        return self.paths.name

    @property
    def study(self) -> str:
        return self.paths.study

    def command(self, verb: str) -> str:
        """The command line of `verb` for this run, from the folder where this process started."""
        return f"python -m xrt.study {verb} {self.name}{self.paths.results.option}"

    @property
    def spec_yaml(self) -> str:
        """The resolved study as it was written at the start.

        Raises:
            RecordError: the file is damaged.
        """
        try:
            text = read_bytes(self.paths.spec).decode("utf-8")
        except ValueError as error:
            raise RecordError(f"{self.paths.spec}: cannot be read ({error}).") from error
        if self.meta.spec not in ("", digest(text)):  # an earlier version recorded none
            raise RecordError(
                f"{self.paths.spec}: is damaged, or was changed after the run began: its checksum is not that in "
                f"{self.paths.meta.name}. Restore it; another study is another run."
            )
        return text

    @property
    def spec(self) -> StudySpec:
        """The study as it was resolved at the start, with the bounds raised since then.

        Raises:
            RecordError: the file is damaged.
        """
        bounds = (self.meta.trials, self.meta.seeds)
        if bounds not in self._raised:
            self._raised[bounds] = self._begun.raised(*bounds)
        return self._raised[bounds]

    @cached_property
    def _begun(self) -> StudySpec:
        """The study as it was resolved at the start.

        Raises:
            RecordError: the file is damaged.
        """
        try:
            spec = StudySpec.model_validate(read_document(self.paths.spec))
        except (XrtError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise RecordError(
                f"{self.paths.spec}: is not a study of this version of xrt ({first})."
            ) from error
        assert self.spec_yaml  # the checksum last, because errors of a study name its line
        return spec

    def about(self, trial: TrialRecord) -> dict[str, Any]:
        """The identity that is written into all files of a trial."""
        return {"run": self.meta.uid, **trial.about}

    @property
    def meta(self) -> Meta:
        """The present content of run.json; another process may have changed it."""
        return self._read(self.paths.meta, self._decode_meta)

    def update_meta(self, **changes: Any) -> Meta:
        """Writes changed fields. Only for the process that holds the run."""
        meta = replace(self.meta, **environment.redacted(changes))
        write_json(self.paths.meta, sealed(plain(meta)), patience=math.inf)
        self.paths.results.place.push(self.paths.meta)
        return self.meta

    def save(self, trial: TrialRecord) -> None:
        """Writes the file of a trial; on a full disk it waits for space, so that the study does not end.

        A reason is redacted, because tracebacks may contain secrets.
        """
        if trial.reason:
            trial = replace(trial, reason=environment.redact(trial.reason))
        path = self.paths.trial(trial.id)
        write_json(path, sealed({"run": self.meta.uid, **plain(trial)}), patience=math.inf)
        self._seen[path] = (_stamp(path), trial)  # else a tracker would read it again, and keep it twice
        self.paths.results.place.push(path)

    def trial(self, id: str) -> TrialRecord:
        """One trial.

        Raises:
            RecordError: there is no such trial, or its file is damaged.
        """
        path = self.paths.trial(id)
        if not path.exists():
            known = [trial.id for trial in self.trials()]
            there = f"{known[0]} to {known[-1]}" if known else "none yet"
            raise RecordError(f"{id}: {self.name} has no such trial; there are {there}.")
        return self._read(path, self._decode_trial)

    def trials(self) -> list[TrialRecord]:
        """All trials, by id. One that has not changed since the last call is the same object.

        Raises:
            RecordError: names every damaged file.
        """
        found, damaged = self.whole_trials()
        if damaged:
            raise RecordError([line for lines in damaged for line in lines])
        return found

    def whole_trials(self) -> tuple[list[TrialRecord], list[list[str]]]:
        """The trials with whole files, by id, and the problems of each of the other files."""
        found: list[TrialRecord] = []
        damaged: list[list[str]] = []
        for path in sorted(self.paths.trials.glob("[!.]*.json"), key=lambda p: (len(p.name), p.name)):
            try:
                found.append(self._read(path, self._decode_trial))
            except RecordError as error:
                *others, last = error.problems
                damaged.append([*others, f"{last} {REMEDY}"])
        return found, damaged

    def stored(self, place: str) -> tuple[str, Any]:
        """A path of the record (relative, so that a run can be moved) as workers must name it.

        Returns:
            The path, and its pyarrow file system; None: the machines' own.
        """
        there = self.paths.results.place
        return f"{there.name(self.paths.root)}/{place}", there.fs

    def fetch(self, place: str) -> Path:
        """The same folder on this machine, downloaded if it is in the bucket."""
        self.paths.results.place.fetch(self.paths.root / place)
        return self.paths.root / place

    def fetch_answers(self, trial: TrialRecord) -> None:
        """Download the predictions of a finished trial; if the bucket cannot be reached, the next command does so."""
        if trial.checkpoint:
            with suppress(OSError, RecordError):
                self.paths.results.place.fetch(self.paths.root / trial.checkpoint, is_record)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Make this process the only one that works on the run, until the block or the process ends.

        Raises:
            RecordError: another process holds it; the message names it.
        """
        with locked(self.paths.holder) as descriptor:
            if descriptor is None:
                raise self._held(self.holder())
            who = {"pid": os.getpid(), "host": environment.host(), "since": time.time()}
            # in place, not replaced, because the lock is on this very file
            os.ftruncate(descriptor, 0)
            patiently(lambda: os.pwrite(descriptor, json.dumps(plain(who)).encode(), 0), math.inf)
            sweep(self.paths.root)
            sweep(self.paths.trials)
            with self._leased(who):
                yield

    @contextmanager
    def _leased(self, who: dict[str, Any]) -> Iterator[None]:
        """Holds a run in a bucket against other machines too; sends the whole record at the end."""
        place = self.paths.results.place
        with place.lease(self.paths.root, who) as other:
            if other is not None:
                raise self._held(other)
            try:
                try:
                    yield
                finally:
                    place.push(*records(self.paths.root))
                    place.flush()
            except Superseded:
                raise RecordError(
                    f"{self.name}: another machine took over this run while this one was silent, and continues it."
                ) from None

    def holder(self) -> dict[str, Any] | None:
        """Who works on the run now (`pid`, `host`, `since`); None if nobody does."""
        return self.paths.results.place.holder(self.paths.root)

    def refuse_if_held(self) -> None:
        """Raise, as `hold` does, if a process works on the run; call it before a long check."""
        if who := self.holder():
            raise self._held(who)

    def _held(self, who: Mapping[str, Any] | None) -> RecordError:
        by = "another process"
        if who and {"pid", "host", "since"} <= who.keys():
            since = datetime.fromtimestamp(float(who["since"]), UTC)
            by = f"process {who['pid']} on {who['host']} since {since:%Y-%m-%d %H:%M:%S} UTC"
        return RecordError(f"{self.name}: is held by {by}; wait for it, or end it first.")

    def _read(self, path: Path, decoded: Callable[[Path], T]) -> T:
        try:
            stamp = _stamp(path)
        except OSError as error:
            raise RecordError(f"{path}: cannot be read ({error.strerror}).") from error
        known = self._seen.get(path)
        if known is None or known[0] != stamp:
            known = self._seen[path] = (stamp, decoded(path))
        value: T = known[1]
        return value

    def _decode_meta(self, path: Path) -> Meta:
        value = read_json(path)
        written = value.get("format")
        if written != FORMAT:
            reader = "xrt 0.1" if written == 1 else "the version of xrt that wrote it"
            raise RecordError(
                f"{path}: record format {written}; this xrt reads {FORMAT}. Open it with {reader}."
            )
        meta = decode(Meta, value, path)
        if (meta.study, meta.name) != (self.study, self.name):
            raise RecordError(
                f"{path}: says that it is {meta.study}/{meta.name}; move the folder back to that name."
            )
        if is_broken(value):
            raise RecordError(f"{path}: {UNSOUND}; restore it.")
        return meta

    def _decode_trial(self, path: Path) -> TrialRecord:
        value = read_json(path)
        trial = decode(TrialRecord, value, path)
        if trial.id != path.stem:
            raise RecordError(f"{path}: id: {trial.id!r} is not allowed; the file's name says {path.stem!r}.")
        place = Path(trial.checkpoint or ".")
        if place.is_absolute() or ".." in place.parts:
            raise RecordError(
                f"{path}: checkpoint: {str(place)[:80]!r} is not allowed; it leaves the run's folder."
            )
        if is_broken(value):
            raise RecordError(f"{path}: {UNSOUND}.")
        if (run := value.get("run", self.meta.uid)) != self.meta.uid:
            raise RecordError(f"{path}: is a trial of another run ({run}).")
        return trial


def _stamp(path: Path) -> tuple[int, ...]:
    """A stamp that changes each time a file is replaced."""
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
