"""Where the commands print: foreign text is never markup, and a closed pipe or a full disk never ends a study."""

import atexit
import errno
import os
import sys
from contextlib import suppress
from typing import IO, Any, cast

from rich.console import Console

# For terminals that show no others.
PLAIN = str.maketrans({"■": "#", "□": "-", "…": "...", "δ": "delta", "ε": "epsilon"})


NOWHERE = open(os.devnull, "w")  # noqa: SIM115  # for a process that was started with its output closed


class Output(Console):
    """A console for foreign text: brackets and colons in names and reasons are what they are, no markup."""

    def __init__(self, stream: str = "stdout", **more: Any) -> None:
        file = cast(IO[str], Stream(stream))
        super().__init__(file=file, markup=False, emoji=False, highlight=False, **more)


class Stream:
    """Standard output or error, whichever it is at the moment; a closed pipe and a full disk are no errors.

    Args:
        name: `stdout` or `stderr`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        atexit.register(self._end)

    @property
    def _now(self) -> Any:
        return getattr(sys, self._name) or NOWHERE

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)

    def write(self, text: str) -> int:
        try:
            return int(self._now.write(text))
        except UnicodeEncodeError:
            known = self.encoding or "ascii"
            return self.write(text.translate(PLAIN).encode(known, "replace").decode(known))
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._now.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        """Stop writing to a pipe that nobody reads; a full disk may have space again later."""
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            self._to_nowhere()

    def _to_nowhere(self) -> None:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())

    def _end(self) -> None:
        """Flush here: Python's own flush at exit would end with an error."""
        try:
            self._now.flush()
        except (OSError, ValueError):
            self._to_nowhere()
