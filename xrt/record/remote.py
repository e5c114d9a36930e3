"""Results in a bucket: a run's record is written to a local folder and uploaded. It knows files, not their contents.

While a run is held, a thread uploads every file of the record as soon as it is written, so the study does not wait for
the network; while the bucket cannot be reached, the thread retries. A reader first downloads newer files. Ray Tune's
folder, with the checkpoints, is in the bucket alone: workers write it, and only its predictions, and what `fetch`
requests, are downloaded. Credentials come from where the cloud's own tools find them, never from the address.
"""

import hashlib
import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from pyarrow import fs as arrow

from xrt.data.cache import cache_folder
from xrt.errors import RecordError
from xrt.record.environment import redact
from xrt.record.files import is_locked
from xrt.record.place import HOLDER, Place

_log = logging.getLogger("xrt")

BEAT, DEAD = 20.0, 90.0  # seconds between signs of life of a holder; seconds for which one counts
ATTEMPTS = 5
AGAIN = 30.0  # seconds between attempts while the bucket cannot be reached
BLOCK = 2**22  # bytes fetched at once
YOUNG = 3.0  # seconds; a bucket's times are whole seconds, so quick changes may go unnoticed
# Optuna's file is rebuilt from the record; it grows with every trial, and would be sent whole each time.
NOT_HERE = (".lock", ".tmp", HOLDER, "optuna.log")
ELSEWHERE = {"mlartifacts"}  # folders beside the studies that MLflow's server fills


class Superseded(BaseException):
    """Another machine has taken over the run. Not an `Exception`, which Ray Tune would attribute to a trial."""


class Bucket(Place):
    """A place in a bucket, and the folder here that mirrors it.

    Args:
        address: `s3://bucket/path` or `gs://bucket/path`, with pyarrow's options (`?region=`, `?endpoint_override=`).

    Raises:
        RecordError: the address cannot be used, or the bucket cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        if "@" in address.split("?")[0]:
            raise RecordError(
                f"results: {redact(address)}: do not put credentials into the address; leave them where the AWS "
                "command line finds them."
            )
        try:
            self.fs, self.base = arrow.FileSystem.from_uri(_in_one_request(address))
        except (OSError, ValueError) as error:
            raise RecordError(
                f"results: {address}: {_first_line(error)}; for example s3://bucket/path."
            ) from error
        self.base = self.base.rstrip("/")
        self.here = cache_folder() / "results" / hashlib.sha256(address.encode()).hexdigest()[:16]
        self._todo: dict[Path | str, Callable[[], None]] = {}
        self._sent: dict[Path, tuple[int, ...]] = {}
        self._next = 0.0
        self._news, self._sending, self._noting = threading.Event(), threading.Lock(), threading.Lock()
        self._lease: tuple[str, str] | None = None
        self._last_beat, self._lost, self._raised = 0.0, False, False

    def name(self, path: Path) -> str:
        """The name in the bucket of a path in the local folder."""
        return f"{self.base}/{path.relative_to(self.here).as_posix()}".removesuffix("/.")

    def push(self, *paths: Path) -> None:
        """Upload files, and those that failed before; failures are retried later.

        Raises:
            Superseded: another machine has taken over the run. From then on nothing is sent.
        """
        self._note({path: partial(self._upload, path) for path in paths})

    def later(self, name: str, work: Callable[[], None]) -> None:
        with self._noting:
            self._todo.pop(name, None)  # it moves behind later uploads
        self._note({name: work})

    def _note(self, todo: Mapping[Any, Callable[[], None]]) -> None:
        with self._noting:
            self._todo |= todo
        if self._lease:
            self._news.set()
        elif time.monotonic() >= self._next:
            self._send()
        self._refuse_if_lost()

    def _refuse_if_lost(self) -> None:
        if self._lost and not self._raised:
            self._raised = True
            raise Superseded

    def flush(self) -> None:
        """Send everything that is left.

        Raises:
            RecordError: the bucket cannot be reached.
            Superseded: another machine has taken over the run.
        """
        sent = self._send()
        self._refuse_if_lost()
        if not sent and (files := [path for path in self._todo if isinstance(path, Path)]):
            raise RecordError(
                f"{self.address}: {len(files)} files could not be sent; they are in {self.here}, and `resume` "
                "on this machine sends them."
            )

    def _send(self) -> bool:
        """Do all pending work in order; False if the bucket cannot be reached."""
        with self._sending:
            for key, work in list(self._todo.items()):
                if not self._is_ours():
                    return True
                try:
                    work()
                except OSError as error:
                    if not self._next:
                        _log.warning(
                            "%s: %s. The study continues; the upload is retried.",
                            self.address,
                            _first_line(error),
                        )
                    self._next = time.monotonic() + AGAIN
                    return False
                with self._noting:
                    if self._todo.get(key) is work:  # else it was replaced by newer work
                        del self._todo[key]
            self._next = 0.0
            return True

    def _upload(self, path: Path) -> None:
        stamp = _stamp(path)
        if stamp and stamp != self._sent.get(path):
            self.write(self.name(path), path.read_bytes())
            self._sent[path] = stamp

    def write(self, place: str, content: bytes) -> None:
        """Write one object, whole or not at all."""
        with self.fs.open_output_stream(place) as stream:
            stream.write(content)

    def pull(self) -> None:
        """Download newer files, except of runs that a process on this machine works on.

        Raises:
            RecordError: the bucket cannot be read.
        """
        try:
            found = self._list(self.here, deep=True)
            if not found and not self.fs.get_file_info(self.base.split("/")[0]).type:
                raise FileNotFoundError("there is no such bucket")
        except OSError as error:
            raise RecordError(f"results: {self.address}: {_first_line(error)}.") from error
        held: dict[Path, bool] = {}
        for info in found:
            path = self.here / info.path.removeprefix(f"{self.base}/")
            if not info.is_file or not is_record(path):
                continue
            run = self.here.joinpath(*path.relative_to(self.here).parts[:2])
            if run not in held:
                held[run] = is_locked(run / HOLDER)
            if not held[run]:
                self._fetch(info, path)

    def fetch(self, path: Path, wanted: Callable[[Path], bool] = lambda _: True) -> None:
        for info in self._list(path, deep=True):
            here = self.here / info.path.removeprefix(f"{self.base}/")
            if info.is_file and wanted(here):
                self._fetch(info, here)

    def remove(self, *folders: Path) -> None:
        """Remove folders here and in the bucket; one that stays in an unreachable bucket does no harm."""
        super().remove(*folders)
        for folder in folders:
            with suppress(OSError):
                self.fs.delete_dir(self.name(folder))

    def delete(self, path: Path) -> None:
        super().delete(path)
        with suppress(OSError):
            self.fs.delete_file(self.name(path))

    def read(self, path: Path) -> bytes | None:
        try:
            return self._content(self.name(path))
        except OSError:
            return None

    def _content(self, place: str) -> bytes:
        with self.fs.open_input_stream(place) as stream:
            content: bytes = stream.read()
        return content

    def folders(self, path: Path) -> list[Path]:
        # Only S3 lists folders that are mere parts of names.
        found = self._list(path, deep=self.fs.type_name != "s3")
        inside = [Path(info.path).relative_to(self.name(path)) for info in found]
        return sorted(
            {path / i.parts[0] for i, f in zip(inside, found, strict=True) if i.parts[1:] or not f.is_file}
        )

    def sizes(self, path: Path) -> dict[str, int]:
        return {info.base_name: info.size for info in self._list(path, deep=False) if info.is_file}

    def _list(self, path: Path, deep: bool) -> list[arrow.FileInfo]:
        selector = arrow.FileSelector(self.name(path), recursive=deep, allow_not_found=True)
        return list(self.fs.get_file_info(selector))

    def _fetch(self, info: arrow.FileInfo, path: Path) -> None:
        written = info.mtime.timestamp()
        if path.exists() and path.stat().st_mtime >= written:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        for _ in range(ATTEMPTS):
            with self.fs.open_input_file(info.path) as there, part.open("wb") as here:
                shutil.copyfileobj(there, here, BLOCK)
            # A file that was replaced meanwhile may be cut to its old length.
            now = self.fs.get_file_info(info.path)
            if now.is_file and now.size == part.stat().st_size:
                break
        else:
            raise RecordError(
                f"{self.address}: {info.path} changes faster than it can be fetched; try again."
            )
        written = now.mtime.timestamp()
        os.utime(part, (written, written if time.time() - written > YOUNG else 0))
        os.replace(part, path)

    @contextmanager
    def lease(self, run: Path, who: Mapping[str, Any]) -> Iterator[Mapping[str, Any] | None]:
        """Be the only machine that works on a run: yields None, or the holder.

        An object in the bucket names the holder and its last sign of life; after 90 seconds of silence another machine
        may take over. Of two that start within the same second, the last writer wins. A process that was paused for
        longer checks the object before it writes, and writes nothing more after a successor has taken over.
        """
        place, token, over = self.name(run / HOLDER), secrets.token_hex(8), threading.Event()

        def beat() -> None:
            self.write(place, json.dumps({**who, "token": token, "seen": time.time()}).encode())
            self._last_beat = time.monotonic()

        def beats() -> None:
            while not over.wait(BEAT) and self._is_ours():
                with suppress(OSError):
                    beat()

        def sends() -> None:
            while not over.is_set():
                self._news.wait(AGAIN)
                self._news.clear()
                if time.monotonic() >= self._next:
                    self._send()

        if other := self.holder(run):
            yield other
            return
        beat()
        time.sleep(1.0)
        if (now := self.holder(run) or {}).get("token") != token:
            yield now
            return
        self._lease, self._lost, self._raised = (place, token), False, False
        for work in (beats, sends):
            threading.Thread(target=work, name=f"bucket: {work.__name__}", daemon=True).start()
        try:
            yield None
        finally:
            over.set()
            self._news.set()
            if self._is_ours():
                self.delete(run / HOLDER)
            self._lease = None

    def _is_ours(self) -> bool:
        """Whether no other machine has taken over. Reads the bucket only after a silence that allows a takeover."""
        if self._lease and not self._lost and time.monotonic() - self._last_beat > DEAD / 2:
            place, token = self._lease
            with suppress(OSError, ValueError):
                # A successor removes the object when it ends.
                gone = not self.fs.get_file_info(place).is_file
                self._lost = gone or json.loads(self._content(place)).get("token") != token
        return not self._lost

    def holder(self, run: Path) -> dict[str, Any] | None:
        """The holder of a run; None without a recent sign of life."""
        try:
            who: dict[str, Any] = json.loads(self.read(run / HOLDER) or b"{}")
        except ValueError:
            return None
        return who if time.time() - float(who.get("seen", 0)) < DEAD else None


def _in_one_request(address: str) -> str:
    """The address with pyarrow's option, which only S3 has, to send a small file by one request instead of three."""
    if not address.startswith("s3://") or "allow_delayed_open" in address:
        return address
    return f"{address}{'&' if '?' in address else '?'}allow_delayed_open=true"


def records(run: Path) -> Iterable[Path]:
    """The local files of a run's record."""
    return [path for path in run.rglob("*") if path.is_file() and is_record(path)]


def is_record(path: Path) -> bool:
    """Whether a file belongs to the record; in Ray Tune's folder only predictions do."""
    if path.name.endswith(NOT_HERE) or ELSEWHERE & set(path.parts):
        return False
    return "tune" not in path.parts or path.name.startswith("predictions-")


def _stamp(path: Path) -> tuple[int, ...]:
    """A stamp that changes with the file; empty if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
