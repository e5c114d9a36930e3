"""The folder that a study was started in, found again on the machine where a trial runs. Knows no Ray.

Relative paths of a study mean that folder. On a cluster it has to be at the same place on every machine, as the
cluster files see to; where it, or anything else that the study reads or writes, is not, the trial says so.
"""

import os
import socket
from pathlib import Path
from typing import Any

from xrt.errors import DataError
from xrt.record.run import Run
from xrt.spec.trial import TrialConfig


def home_of(run: Run, trial: TrialConfig) -> dict[str, Any]:
    """Where this process stands and which places of this machine a trial needs, as plain values for its worker."""
    path = trial.source.path
    paths = [place for _, place in path] if isinstance(path, tuple) else [path]
    named = (*paths, trial.neighbours, trial.encoder)
    needed = [os.path.abspath(name) for name in named if name and Path(name).exists()]
    shared = [] if run.paths.results.place.fs else [str(run.paths.root)]
    return {"host": socket.gethostname(), "folder": os.getcwd(), "needed": shared + needed}


def enter(home: dict[str, Any]) -> None:
    """Go to that folder, if need be.

    Raises:
        DataError: a place that the trial needs is on the machine of the study, but not on this one.
    """
    missing = [place for place in home["needed"] if not Path(place).exists()]
    if missing:
        raise DataError(
            f"{socket.gethostname()}: {', '.join(missing)}: not on this machine, but on {home['host']}, where the "
            "study was started; all machines need it at the same place: a shared folder, or file_mounts."
        )
    if os.path.isdir(home["folder"]):
        os.chdir(home["folder"])
