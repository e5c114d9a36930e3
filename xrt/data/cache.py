"""The folder on this machine where derived data is kept, and files that appear in it whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xrt.data.network import reason
from xrt.errors import DataError


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/xrt`, by default `~/.cache/xrt`: everything in it can be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xrt"


def check_cache() -> None:
    """Whether derived data can be kept on this machine: trials read their token ids from there.

    Raises:
        DataError: the folder cannot be written.
    """
    try:
        folder = cache_folder() / "tokens"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:  # the latter: an account without a home
        raise DataError(
            f"cache: {reason(error)}; trials keep token ids there. Set XDG_CACHE_HOME to a folder that can be written."
        ) from error


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and is deleted when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
