"""Rebuilds the MLflow store of moved or copied results from the records.

MLflow stores absolute paths, and would continue to write into the old folder. So the whole old store is set aside, and
every run that it had is sent to a new one.
"""

import os
from collections.abc import Callable
from pathlib import Path

from xrt.errors import RecordError, XrtError
from xrt.record.files import locked
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.tracking.registry import deliver
from xrt.tracking.store import noted, refuse_store_links
from xrt.tracking.tracker import sync

ASIDE = "mlflow-moved"


def settle(results: Results, uri: str | None, say: Callable[[str], None]) -> None:
    """Rebuild the store beside the results if it belongs to another folder; does nothing if `uri` names another store.

    Call this before this process opens the store, because MLflow keeps it open.

    Raises:
        RecordError: somebody works on a run in this folder, or the store leads out of it.
    """
    if uri is not None or not results.mlflow_db.exists():
        return
    refuse_store_links(results)
    try:
        old, known = noted(results)
    except Exception:  # whatever needs the store reports that it cannot be read
        return
    if old is None:
        return
    with locked(results.root / ".mlflow.lock", patience=120.0):
        if busy := [paths.name for paths in results.runs() if results.place.holder(paths.root)]:
            raise RecordError(
                f"{results.mlflow_db}: belongs to {old}, and somebody works on {busy[0]}; wait for the end of the run."
            )
        if noted(results)[0] is None:  # another process has just rebuilt it
            return
        aside = _set_aside(results)
    say(f"The results were moved or copied from {old}: MLflow's store is made again from the records.")
    for paths in results.runs():
        try:
            run = Run.of(paths)
            if run.meta.uid in known:
                sync(run)
                deliver(run)
        except Exception as error:  # an error of one run; the others are still sent
            reason = error.problems[0] if isinstance(error, XrtError) else str(error).partition("\n")[0]
            say(f"{paths.name}: MLflow lacks some of it ({reason[:200]}); `sync` sends it.")
    say(f"The old store is in {aside}; remove it unless you have added to it yourself.")


def _set_aside(results: Results) -> Path:
    number = 1
    while (aside := results.root / f"{ASIDE}-{number}").exists():
        number += 1
    aside.mkdir()
    if results.mlartifacts.exists():
        os.replace(results.mlartifacts, aside / results.mlartifacts.name)
    # Last, so that after a kill in between the store still names the old folder.
    os.replace(results.mlflow_db, aside / results.mlflow_db.name)
    return aside
