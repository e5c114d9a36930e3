"""Where results are: a folder of this machine. `Bucket` (remote.py) is the same for a folder that mirrors a bucket."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from xrt.errors import RecordError
from xrt.record.files import is_locked, read_json

HOLDER = "holder"  # names a file that is never copied: it says who works on a run, and is of one machine


class Place:
    """A folder of this machine. What a bucket has to be asked for is here already.

    Attributes:
        fs: pyarrow's file system, for those who write there themselves; None: the machine's own.
        address: of a bucket; None: a folder has its path alone.
    """

    fs: Any = None
    address: str | None = None

    def name(self, path: Path) -> str:
        """How workers name a path, together with `fs`."""
        return str(path)

    def push(self, *paths: Path) -> None:
        """Files have been written."""

    def flush(self) -> None:
        """All that was written must be in its place."""

    def fetch(self, path: Path, wanted: Callable[[Path], bool] = lambda _: True) -> None:
        """Bring a folder to this machine, or the wanted files of it."""

    def remove(self, *folders: Path) -> None:
        """Remove folders, whatever is left of them."""
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
        try:
            return {inner.name: inner.stat().st_size for inner in path.iterdir()}
        except OSError:
            return {}

    @contextmanager
    def lease(self, run: Path, who: Mapping[str, Any]) -> Iterator[Mapping[str, Any] | None]:
        """Hold a run against other machines: yields None, or who else does. A lock serves for one machine."""
        yield None

    def holder(self, run: Path) -> dict[str, Any] | None:
        """Who works on a run now; None if nobody does."""
        if not is_locked(run / HOLDER):
            return None
        try:
            return read_json(run / HOLDER)
        except RecordError:  # it has the lock and not yet written its name
            return {}
