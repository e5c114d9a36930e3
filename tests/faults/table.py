"""The table of faults: `python -m tests.faults.table` (or `make faults`), about 20 minutes; by name: only those.

Each fault disturbs the small study (`small.yaml`) as often as is said here; its final table and all that it leaves
behind (`oracle.py`) are compared with those of an undisturbed run. Ends with 1 unless nothing was lost and nothing was
doubled. `--in FOLDER` keeps the runs, and an undisturbed one that is there already is not made again. `"driver
killed=3"` strikes three times, at other points than the times before in that folder: for a machine that is not free
for long.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from tests.faults import inject
from tests.faults.oracle import Outcome, Seen, compare
from tests.faults.small import Study

Inject = Callable[[Study, int, int], int]
LONGER = ("training.epochs=12", "search.trials=16")  # outlasts an outage of a minute
# Nothing is pruned and every arm has one trial: then no order of ends changes what is proposed.
TOGETHER = ("search.concurrent=2", "search.trials=2", "pruning=null", "training.epochs=2")
FAULTS: dict[str, tuple[Inject, int, tuple[str, ...]]] = {
    "trial killed": (inject.trials_killed, 20, ()),
    "two trials killed at once": (inject.two_trials_killed, 3, TOGETHER),
    "driver killed at its N-th write": (inject.driver_killed_at_a_write, 5, ()),
    "driver killed": (inject.driver_killed, 10, ()),
    "driver terminated": (inject.driver_terminated, 3, ()),
    "Ray killed": (inject.ray_killed, 2, ()),
    "power lost": (inject.power_lost, 5, ()),
    "MLflow away for 60 s": (inject.mlflow_away, 1, LONGER),
    "disk full for 10 s": (inject.disk_filled, 3, ()),
}


def disturbed(fault: str, place: Path, references: dict[tuple[str, ...], Seen], count: int) -> Outcome:
    """Inject a fault into a run of the small study, and compare with an undisturbed one."""
    how, times, more = FAULTS[fault]
    if more not in references:
        with Study(place / "-".join(["undisturbed", *more]).replace(".", "-"), more).held() as study:
            if study.run is None or study.run.meta.status != "finished":
                inject.none(study, 0, 0)
            references[more] = Seen.of(study)
    name = fault.replace(" ", "-")
    seed = 1 + len(list(place.glob(f"{name}-*.0.log")))
    folder = place / f"{name}-{seed}"
    disk = inject.small_disk(folder) if how is inject.disk_filled else nullcontext()
    with disk, Study(folder, more).held() as study:
        return compare(fault, how(study, count or times, seed), references[more], study)


def main(words: list[str]) -> int:
    """Print the table; 0 if it is as required."""
    if words[:1] == ["--in"]:
        return fill(Path(words[1]), words[2:])
    with tempfile.TemporaryDirectory() as place:
        return fill(Path(place), words)


def fill(place: Path, names: list[str]) -> int:
    """Inject the faults of those names, or all."""
    place.mkdir(parents=True, exist_ok=True)
    print("| fault | injected | trials lost | metrics lost | duplicates | final table equal | seconds |")
    print("|---|---:|---:|---:|---:|---|---:|")
    references: dict[tuple[str, ...], Seen] = {}
    whole = True
    for name in names or FAULTS:
        began = time.monotonic()
        fault, _, count = name.partition("=")
        row = disturbed(fault, place, references, int(count or 0))
        whole &= row.whole
        cells = (row.injected, row.lost, row.metrics_lost, row.duplicates, "yes" if row.equal else "no")
        print(f"| {row.fault} |", *(f"{c} |" for c in cells), f"{time.monotonic() - began:.0f} |", flush=True)
        print(*row.differences, sep="\n", end="\n" * bool(row.differences), file=sys.stderr, flush=True)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
