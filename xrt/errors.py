"""The exceptions of xrt, one family: each message says what was given, what is allowed, what to do.

The command line prints the problems, one line each, and ends with `exit_code`; nobody meets a traceback
for a mistake in a file. Programming mistakes are not in this family: they stay assertions.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class XrtError(Exception):
    """A problem that its reader can solve. `problems` holds every one that was found, one line each."""

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["XrtError"], tuple[list[str]]]:
        return type(self), (self.problems,)


class SpecError(XrtError):
    """A study file, an override or a name on the command line that cannot be used."""


class DataError(XrtError):
    """A data set that is missing, truncated, or not what its task says."""


class EncoderError(XrtError):
    """An encoder that cannot be loaded, or cannot do what the trial asks of it."""


class RecordError(XrtError):
    """A run's folder that is missing, damaged, or held by somebody else."""


class TrainingError(XrtError):
    """A trial whose numbers went wrong (NaN, Inf): the trial fails, the study goes on."""

    exit_code = 1


def is_outside(error: BaseException | None) -> bool:
    """Whether a trial failed for lack of something outside it: a disk, a folder, a network, a cache.

    Data and encoders were checked before the first trial, so a later problem with them comes from outside.
    """
    while error is not None:
        if isinstance(error, OSError | DataError | EncoderError | RecordError):
            return True
        error = error.__cause__
    return False


def closest(given: object, allowed: Iterable[str]) -> str:
    """' Did you mean "x"?' for the allowed name nearest to `given`, or '' when none is near."""
    near = get_close_matches(str(given), list(allowed), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""
