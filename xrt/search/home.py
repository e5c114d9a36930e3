"""Enters the study's working folder on the machine where a trial runs. Knows no Ray.

Relative paths of a study start from that folder. On a cluster it has to have the same path on every machine, as the
cluster files ensure. If it, or any other path of the study, is missing, the trial fails and names it.
"""

import os
import socket
from pathlib import Path
from typing import Any

from xrt.errors import DataError
from xrt.record.run import Run
from xrt.spec.trial import TrialConfig


def home_of(run: Run, trial: TrialConfig) -> dict[str, Any]:
    """This process's working folder and the paths that a trial needs, as plain values for its worker."""
    path = trial.source.path
    paths = [place for _, place in path] if isinstance(path, tuple) else [path]
    named = (*paths, trial.neighbours, trial.encoder)
    needed = [os.path.abspath(name) for name in named if name and Path(name).exists()]
    shared = [] if run.paths.results.place.fs else [str(run.paths.root)]
    return {"host": socket.gethostname(), "folder": os.getcwd(), "needed": shared + needed}


def enter(home: dict[str, Any]) -> None:
    """Go to that folder, if necessary.

    Raises:
        DataError: a path that the trial needs exists on the study's machine, but not on this one.
    """
    missing = [place for place in home["needed"] if not Path(place).exists()]
    if missing:
        raise DataError(
            f"{socket.gethostname()}: {', '.join(missing)}: not on this machine, but on {home['host']}, where the "
            "study was started; all machines need it at the same place: a shared folder, or file_mounts."
        )
    if os.path.isdir(home["folder"]):
        os.chdir(home["folder"])
