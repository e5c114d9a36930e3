"""Where results are: a folder of this machine. `Bucket` (remote.py) is the same for a folder that mirrors a bucket."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from xrt.errors import RecordError
from xrt.record.files import is_locked, read_json

HOLDER = "holder"  # a file that names the process that works on a run; it is of one machine, so never copied


class Place:
    """A folder of this machine; the methods that transfer files of a bucket do nothing here.

    Attributes:
        fs: pyarrow's file system, for workers that write there; None: the machine's own.
        address: of a bucket; None for a folder.
    """

    fs: Any = None
    address: str | None = None

    def name(self, path: Path) -> str:
        """How workers name a path, together with `fs`."""
        return str(path)

    def push(self, *paths: Path) -> None:
        """Upload written files."""

    def later(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` once all earlier files are uploaded; it replaces earlier work of that name."""
        work()

    def flush(self) -> None:
        """Wait until everything written is in its place."""

    def fetch(self, path: Path, wanted: Callable[[Path], bool] = lambda _: True) -> None:
        """Download a folder, or the wanted files of it."""

    def remove(self, *folders: Path) -> None:
        """Remove folders, also partly removed ones."""
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    def delete(self, path: Path) -> None:
        """Remove a file, if there is one."""
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def read(self, path: Path) -> bytes | None:
        """The content of a small file; None if there is none."""
        try:
            return path.read_bytes()
        except OSError:
            return None

    def folders(self, path: Path) -> list[Path]:
        """The folders in a folder, by name."""
        try:
            return sorted(inner for inner in path.iterdir() if inner.is_dir())
        except OSError:
            return []

    def sizes(self, path: Path) -> dict[str, int]:
        """The files in a folder, with their lengths in bytes."""
        found: dict[str, int] = {}
        with suppress(OSError):
            for inner in path.iterdir():
                # A file that was renamed meanwhile has lost its temporary name.
                with suppress(FileNotFoundError):
                    found[inner.name] = inner.stat().st_size
        return found

    @contextmanager
    def lease(self, run: Path, who: Mapping[str, Any]) -> Iterator[Mapping[str, Any] | None]:
        """Hold a run against other machines: yields None, or the holder. On one machine a lock is enough."""
        yield None

    def holder(self, run: Path) -> dict[str, Any] | None:
        """Who works on a run now; None if nobody does."""
        if not is_locked(run / HOLDER):
            return None
        try:
            return read_json(run / HOLDER)
        except RecordError:  # it has the lock but has not yet written its name
            return {}
