"""Optuna's journal, which a kill or a full disk cannot spoil: it is a file to which each change adds a line.

Optuna passes over half a line at the end of it, and then appends to that half line: from there on nothing can be
read. Here what is half is cut off, when the file is opened and when a write has failed. Whoever opens it is the only
one who writes (the run is held), so that there is no lock; and nothing waits for the disk: what a power loss takes from
the end, the record of the run gives back.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from xrt.record.files import patiently


class Journal(JournalFileBackend):
    """The journal in a file, mended when it is opened; a write waits for space on a full disk as long as it takes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with suppress(OSError):
            os.unlink(f"{file}.lock")  # of a process that was killed while it wrote
        if file.exists():
            os.truncate(file, _sound(file))
        super().__init__(str(file))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        patiently(lambda: self._append(logs), float("inf"))

    def _append(self, logs: list[dict[str, Any]]) -> None:
        size = self._file.stat().st_size
        try:
            with self._file.open("ab") as file:
                file.write(b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs))
        except BaseException:  # Ctrl-C too
            os.truncate(self._file, size)
            raise


def _sound(file: Path) -> int:
    """How many bytes from the start are whole lines of JSON."""
    sound = 0
    with file.open("rb") as lines:
        for line in lines:
            try:
                whole = line.endswith(b"\n") and isinstance(json.loads(line), dict)
            except ValueError:
                whole = False
            if not whole:
                break
            sound += len(line)
    return sound
