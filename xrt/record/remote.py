"""Results in a bucket: the record of a run is written here and kept there. It knows files, not what is in them.

Every file of a record goes to the bucket as soon as it is written; whoever reads first fetches what is newer there.
While the bucket is away, the folder here is ahead of it and the next write tries again. Ray Tune's folder, with the
checkpoints, is in the bucket alone: workers write it. Read here are only the predictions in it, and what `fetch`
is asked for. Credentials come from where AWS's own tools find them, never from the address.
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
from pathlib import Path
from typing import Any

from pyarrow import fs as arrow

from xrt.data.cache import cache_folder
from xrt.errors import RecordError
from xrt.record.environment import redact
from xrt.record.files import is_locked
from xrt.record.place import HOLDER, Place

_log = logging.getLogger("xrt")

BEAT, DEAD = 20.0, 90.0  # seconds: how often a holder says that it lives, and how long its word counts
ATTEMPTS = 5
AGAIN = 30.0  # seconds between attempts while the bucket is away
BLOCK = 2**22  # bytes fetched at once
YOUNG = 3.0  # seconds; a bucket's clock has whole ones, so a file may change unseen within them
NOT_HERE = (".lock", ".tmp", HOLDER)
ELSEWHERE = {"mlartifacts"}  # folders beside the studies that MLflow's server fills


class Superseded(BaseException):
    """Another machine has taken the run over. No `Exception`: Ray Tune would take it for a trial's."""


class Bucket(Place):
    """A place in a bucket, and the folder here that mirrors it.

    Args:
        address: `s3://bucket/path`, with pyarrow's options (`?region=`, `?endpoint_override=`).

    Raises:
        RecordError: the address is of no use, or the bucket cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        if "@" in address.split("?")[0]:
            raise RecordError(
                f"results: {redact(address)}: credentials do not belong into an address; leave them where the AWS "
                "command line finds them."
            )
        try:
            self.fs, self.base = arrow.FileSystem.from_uri(address)
        except (OSError, ValueError) as error:
            raise RecordError(
                f"results: {address}: {_first_line(error)}; for example s3://bucket/path."
            ) from error
        self.base = self.base.rstrip("/")
        self.here = cache_folder() / "results" / hashlib.sha256(address.encode()).hexdigest()[:16]
        self._unsent: dict[Path, None] = {}
        self._sent: dict[Path, tuple[int, ...]] = {}
        self._next = 0.0
        self._lease: tuple[str, str] | None = None
        self._beaten, self._lost = 0.0, False

    def name(self, path: Path) -> str:
        """Where a path of the folder here is in the bucket."""
        return f"{self.base}/{path.relative_to(self.here).as_posix()}".removesuffix("/.")

    def push(self, *paths: Path) -> None:
        """Send files, and those that could not be sent before; what is left is tried again later.

        Raises:
            Superseded: another machine has taken the run over. From then on nothing is sent.
        """
        if self._lost:
            return
        if not self._is_ours():
            raise Superseded
        self._unsent |= dict.fromkeys(path for path in paths if self._sent.get(path) != _stamp(path))
        if time.monotonic() >= self._next:
            self._send()

    def flush(self) -> None:
        """Send all that is left.

        Raises:
            RecordError: the bucket is away.
        """
        if self._unsent and not self._lost and not self._send():
            raise RecordError(
                f"{self.address}: {len(self._unsent)} files could not be sent; they are in {self.here}, and `resume` "
                "on this machine sends them."
            )

    def _send(self) -> bool:
        for path in list(self._unsent):
            try:
                if stamp := _stamp(path):
                    self.write(self.name(path), path.read_bytes())
                    self._sent[path] = stamp
                del self._unsent[path]
            except OSError as error:
                if not self._next:
                    _log.warning("%s: %s. The study goes on; tried again.", self.address, _first_line(error))
                self._next = time.monotonic() + AGAIN
                return False
        self._next = 0.0
        return True

    def write(self, place: str, content: bytes) -> None:
        """One object, whole or not at all."""
        with self.fs.open_output_stream(place) as stream:
            stream.write(content)

    def pull(self) -> None:
        """Fetch what is newer in the bucket; a run that a process of this machine works on is newer here.

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
        """A folder that stays in the bucket, because it is away, does no harm."""
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
        return sorted(path / info.base_name for info in self._list(path, deep=False) if not info.is_file)

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
            # one that was replaced meanwhile was cut to its old length, or there is more of it now
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
        """Be the only one in the world that works on a run: yields None, or who else does.

        An object in the bucket says who and when last; one that has said nothing for 90 seconds is gone. Two that
        come within the same second are told apart by who wrote last. A process that was stopped for longer looks
        before it writes again: of the run that a successor has taken over it writes nothing more.
        """
        place, token, over = self.name(run / HOLDER), secrets.token_hex(8), threading.Event()

        def beat() -> None:
            self.write(place, json.dumps({**who, "token": token, "seen": time.time()}).encode())
            self._beaten = time.monotonic()

        def beats() -> None:
            while not over.wait(BEAT) and self._is_ours():
                with suppress(OSError):
                    beat()

        if other := self.holder(run):
            yield other
            return
        beat()
        time.sleep(1.0)
        if (now := self.holder(run) or {}).get("token") != token:
            yield now
            return
        self._lease, self._lost = (place, token), False
        threading.Thread(target=beats, name="lease", daemon=True).start()
        try:
            yield None
        finally:
            over.set()
            if self._is_ours():
                self.delete(run / HOLDER)
            self._lease = None

    def _is_ours(self) -> bool:
        """Whether nobody has succeeded us. Asked of the bucket only after a silence that let others think so."""
        if self._lease and not self._lost and time.monotonic() - self._beaten > DEAD / 2:
            place, token = self._lease
            with suppress(OSError, ValueError):
                # A successor that has ended has removed the object.
                gone = not self.fs.get_file_info(place).is_file
                self._lost = gone or json.loads(self._content(place)).get("token") != token
        return not self._lost

    def holder(self, run: Path) -> dict[str, Any] | None:
        """Who works on a run now; None if nobody has said so lately."""
        try:
            who: dict[str, Any] = json.loads(self.read(run / HOLDER) or b"{}")
        except ValueError:
            return None
        return who if time.time() - float(who.get("seen", 0)) < DEAD else None


def records(run: Path) -> Iterable[Path]:
    """The files of a run's record that are here."""
    return [path for path in run.rglob("*") if path.is_file() and is_record(path)]


def is_record(path: Path) -> bool:
    """Whether a file belongs to the record proper: of Ray Tune's folder only the predictions do."""
    if path.name.endswith(NOT_HERE) or ELSEWHERE & set(path.parts):
        return False
    return "tune" not in path.parts or path.name.startswith("predictions-")


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes with the file; empty where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
