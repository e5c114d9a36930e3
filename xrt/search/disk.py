"""A bound on the disk space of a study, compared with the free space before it starts. Knows no Ray.

each trial at once    its two newest checkpoints and the one being written: weights and AdamW's two moments, and with
                      `training.keep` the weights that are kept
kept to the end       weights of the best, of the best under English dev, of each confirmed configuration
every finished trial  its predictions of the whole dev split; in a confirmation of test too
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from xrt.errors import RecordError, SpecError
from xrt.search.checkpoints import RUNNING
from xrt.search.confirm import most_configurations
from xrt.search.packing import here, trial_resources
from xrt.spec.study import StudySpec
from xrt.spec.values import Choice

SPARE = 64 * 2**20  # bytes for records, Optuna, MLflow's store and the report
ANSWER = 2  # bytes of a prediction and its label


def slots(spec: StudySpec) -> int:
    """How many trials run at once, by `packing`, on the known machines.

    Raises:
        SpecError: no trial can run.
    """
    workers, waiting = here(), spec.search.trials
    try:
        packed = [trial_resources(spec, workers, name, waiting) for name in spec.space.encoders]
        at_once = max(1, *(workers.slots(each) for each in packed))
    except SpecError:
        if not os.environ.get("RAY_ADDRESS"):
            raise
        # Machines elsewhere, not described by XRT_WORKERS.
        at_once = max(1, workers.cpus // spec.resources.cpu)
    return min(at_once, waiting, spec.search.concurrent or at_once)


def most(spec: StudySpec, weights: int, rows: Mapping[str, int], at_once: int) -> int:
    """The bound in bytes, for encoders of `weights` bytes and `rows` examples of each split."""
    confirmed = most_configurations(spec)
    trainings = confirmed * (spec.confirm.seeds[1] if spec.confirm else 0)
    running = at_once * (RUNNING + 1) * parts(spec) * weights
    kept = (min(spec.checkpoints.keep, spec.search.trials) + 1 + confirmed + 1) * weights
    cells = len(spec.task.pairs()) * ANSWER
    answers = cells * (spec.search.trials * rows["dev"] + trainings * (rows["dev"] + rows.get("test", 0)))
    return running + kept + answers + SPARE


def parts(spec: StudySpec) -> int:
    """The size of a running trial's checkpoint, in sizes of its weights."""
    return 3 + (spec.training.keep != Choice(("last",)))


def check_disk(spec: StudySpec, root: Path, weights: int, rows: Mapping[str, int]) -> str:
    """One line with the bound and the free space.

    Raises:
        RecordError: less space is free than the bound.
    """
    bound, free = most(spec, weights, rows, slots(spec)), shutil.disk_usage(_existing(root)).free
    scratch, place = slots(spec) * parts(spec) * weights, Path(tempfile.gettempdir())
    line = f"Disk: at most {_gib(bound)} in {root}, {_gib(free)} free"
    if bound > free:
        raise RecordError(
            f"{line}; free some, give --results FOLDER, or lower checkpoints.keep or search.concurrent."
        )
    if scratch > (there := shutil.disk_usage(place).free):
        raise RecordError(
            f"Disk: {_gib(scratch)} for checkpoints in {place}, {_gib(there)} free; set TMPDIR."
        )
    return f"{line}."


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
