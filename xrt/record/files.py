"""Files that are whole or absent: atomic writes, JSON without bare NaN, locks. It knows nothing of runs.

A file is written under another name in the same folder, synced, and moved over the old one; for a new name the folder
is synced too. So a kill or a power loss leaves the old file or the new one, never half of either. A write waits while
the disk is full, because a study of days must not end for a minute without space.
Not covered: file systems other than POSIX, local or mounted. Another kind needs a replacement of this file.
"""

import errno
import fcntl
import json
import logging
import math
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import to_json

from xrt.data.integrity import opened
from xrt.errors import RecordError

T = TypeVar("T")
_log = logging.getLogger("xrt")

PATIENCE = 90.0  # seconds that a write waits for space on a full disk
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)  # somebody else's, or a read-only disk
LARGEST = 64 * 2**20  # bytes; every file of a record is far smaller, so a larger one is not ours


def write_text(path: Path, text: str, patience: float = PATIENCE) -> None:
    """Replaces the file at once.

    Raises:
        RecordError: the disk stayed full for `patience` seconds, or cannot be written.
    """
    try:
        patiently(lambda: _replace(path, text.encode()), patience)
    except OSError as error:
        cure = "work on a copy of your own" if error.errno in CLOSED else "free some space or mend the folder"
        raise RecordError(f"{path}: cannot be written ({error.strerror}); {cure}.") from error


def refuse_closed(folder: Path) -> None:
    """Raise RecordError if a folder cannot be written, before a long computation whose result would be lost."""
    try:
        # The system's own word: a folder on a read-only disk is closed for another reason than somebody else's.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno in CLOSED:
            raise RecordError(
                f"{folder}: cannot be written ({error.strerror}); work on a copy of your own."
            ) from error


def write_json(path: Path, value: object, patience: float = PATIENCE) -> None:
    """Replaces the file at once; `plain` converts numbers that JSON lacks."""
    # pydantic's encoder: with an indent, Python's own is ten times as slow, and the driver does little else.
    write_text(path, to_json(plain(value), indent=1).decode() + "\n", patience)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file.

    Raises:
        RecordError: the file is missing, empty, truncated, too large, not UTF-8, or not one JSON object.
    """
    content = read_bytes(path)
    if not content:
        raise RecordError(f"{path}: is empty; a JSON object is expected.")
    if len(content) > LARGEST:
        raise RecordError(f"{path}: has more than {LARGEST // 2**20} MiB; it was not written by xrt.")
    try:
        value = json.loads(
            content.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: is truncated or not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path}: holds a {type(value).__name__}; a JSON object is expected.")
    return value


def read_bytes(path: Path) -> bytes:
    """The content of a file, up to `LARGEST` + 1 bytes.

    Raises:
        RecordError: it cannot be read, or is a link, a pipe, a device.
    """
    try:
        with os.fdopen(opened(path, os.O_RDONLY), "rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}).") from error


def refuse_links(*roots: Path, what: str = "a run holds files and folders alone") -> None:
    """Require that paths, and everything below them, are files or folders; a path may be missing.

    Raises:
        RecordError: names the first link, pipe or device.
    """
    for root in roots:
        below = (Path(top, name) for top, folders, files in os.walk(root) for name in (*folders, *files))
        for path in (root, *below) if os.path.lexists(root) else ():
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                # The process that works on the run has renamed or removed it meanwhile.
                continue
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise RecordError(
                    f"{path}: is a link, a pipe or a device, and may lead out of {root}; {what}. Remove it, or put "
                    "there what it leads to."
                )


def plain(value: object) -> Any:
    """The value in JSON's own types. NaN and the infinities become "NaN", "Infinity", "-Infinity".

    `float` reads these strings back. numpy's numbers count as numbers, and dataclasses become objects of
    their fields. Lone surrogates (from file names that are not UTF-8) become escapes, because readers refuse them.
    """
    if type(value) is float:  # most of a record; the checks below take longer
        return _number(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return _number(float(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{value!r} has no place in a record; give numbers, strings, lists and mappings.")


def patiently(
    action: Callable[[], T], patience: float = PATIENCE, sleep: Callable[[float], None] = time.sleep
) -> T:
    """Retries every second while the disk is full, for at most `patience` seconds; logs once that it waits."""
    waited = 0.0
    while True:
        try:
            return action()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or waited >= patience:
                raise
            if not waited:
                _log.warning("%s: %s; waiting for space.", error.filename or "results", error.strerror)
        sleep(1.0)
        waited += 1.0


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path, older: float = 600.0) -> None:
    """Removes temporary files of killed writers, `older` than so many seconds."""
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > older:
                path.unlink()


@contextmanager
def locked(path: Path, patience: float = 0.5) -> Iterator[int | None]:
    """Hold the exclusive lock of a file: yields its descriptor, or None if another process holds it.

    The lock belongs to the open file and ends with the process, however it ends. The file itself stays, because
    after its removal a third process could lock a new file of that name.

    Raises:
        RecordError: the file cannot be made, or is a link.
    """
    try:
        descriptor = opened(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written ({error.strerror}).") from error
    try:
        yield descriptor if _lock(descriptor, patience) else None
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file now."""
    try:
        descriptor = opened(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int, patience: float) -> bool:
    """Tries for `patience` seconds, because an `is_locked` elsewhere holds the lock for a moment."""
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.05)
        else:
            return True


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new = not path.exists()
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if new:  # an old name leads to a whole file in any case
        sync_folder(path.parent)


def _number(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands there twice")
    return value


def _no_constant(token: str) -> None:
    raise ValueError(f"a bare {token}")
