"""The exhaustive grid of `mini`, recorded once: every configuration with every seed, at every rung.

    python -m tests.bench.mini_grid record     about an hour on two cores; goes on where it was stopped
    python -m tests.bench.mini_grid pack       writes mini_grid.arrow, which is in the repository

From it searches (arms) and rung samples (rung_order) are compared without training. A row is a trial at a rung: its
configuration, all that it reported, and at the last rung its predictions for the whole dev split, a bit each.
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import feather

from xrt.data import TASKS
from xrt.robust.predictions import Predictions
from xrt.search.rungs import Sampling
from xrt.search.trial import RungReport, begin, use_threads
from xrt.spec import StudySpec, build, load_study
from xrt.spec.values import ends

FILE = Path(__file__).with_suffix(".arrow")
EARLIER = "pruning.rungs=3"  # one rung more than the study has: whether it helps can be looked up
SEEDS = (101, 102, 103)
RATES = (7.5e-4, 1.5e-3, 3e-3)
METHODS: list[dict[str, Any]] = [
    {"method": "plain"},
    {"method": "synonyms", "synonyms.copies": 1},
    *({"method": "noise", "noise.scale": scale} for scale in (0.2, 0.4, 0.8, 1.5, 3.0)),
    *(
        {"method": "adversarial", "adversarial.radius": radius, "adversarial.steps": steps}
        for steps, radii in ((1, (0.01, 0.03, 0.05, 0.1, 0.2, 0.4)), (3, (0.03, 0.05, 0.1)))
        for radius in radii
    ),
]


def rung_rows() -> int:
    """How many examples of a pair of languages a rung of the study evaluates."""
    spec = load_study("mini", [])
    sampling = Sampling(spec.task.pairs(), spec.task.sources, spec.metric)
    return sampling.rows(
        rungs=len(spec.rungs),
        epochs=ends(spec.training.epochs)[0],
        training_rows=spec.data.train_rows or 0,
        available=sys.maxsize,
    )


@cache
def study() -> StudySpec:
    """The study, with its rungs as large as they are there."""
    return load_study("mini", [EARLIER, f"pruning.rung_rows={rung_rows()}"])


def configurations() -> list[dict[str, Any]]:
    """All configurations, as samples of the mini study's space."""
    encoders = ("mini-a", "mini-b")
    return [
        {"encoder": e, "learning_rate": rate, **method}
        for e, rate, method in product(encoders, RATES, METHODS)
    ]


@dataclass(frozen=True)
class Grid:
    """The recorded grid: configurations C, seeds S, rungs R.

    Attributes:
        shares: of the training at each rung.
        values: by metric, (C, S, R), at the last rung of the whole dev split; NaN where a rung does not report it, or
            the trial failed before.
        right: (C, S, P, N) whether each prediction for the whole dev split was right, P pairs as in `pairs`.
    """

    configurations: list[dict[str, Any]]
    seeds: tuple[int, ...]
    shares: tuple[float, ...]
    values: dict[str, npt.NDArray[np.float64]]
    pairs: tuple[tuple[str, str], ...]
    right: npt.NDArray[np.bool_]


def load() -> Grid:
    """Read the file that `pack` wrote."""
    table = feather.read_table(FILE)
    about = json.loads(table.schema.metadata[b"about"])
    shape = (len(about["configurations"]), len(about["seeds"]), len(about["shares"]))
    place = tuple(table.column(name).to_numpy() for name in ("configuration", "seed", "rung"))
    values = {}
    for name in table.column_names:
        if "/" in name:
            values[name] = np.full(shape, np.nan)
            values[name][place] = table.column(name).to_numpy()
    right = np.zeros((*shape[:2], len(about["pairs"]), about["examples"]), bool)
    for c, s, bits in zip(*place[:2], table.column("right").to_pylist(), strict=True):
        if bits is not None:
            flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=right[c, s].size)
            right[c, s] = flat.reshape(right[c, s].shape)
    pairs = tuple((a, b) for a, b in about["pairs"])
    return Grid(about["configurations"], tuple(about["seeds"]), tuple(about["shares"]), values, pairs, right)


def record(folder: Path, jobs: int = 2) -> None:
    """Run the missing trials, one process per core."""
    folder.mkdir(parents=True, exist_ok=True)
    todo = [(c, s) for s in range(len(SEEDS)) for c in range(len(configurations()))]
    todo = [(c, s) for c, s in todo if not _place(folder, c, s).exists()]
    with ProcessPoolExecutor(jobs, get_context("spawn"), use_threads, (1,)) as pool:
        for i, line in enumerate(pool.map(_trial, *zip(*todo, strict=True), [folder] * len(todo)), 1):
            print(f"{i} of {len(todo)}: {line}", flush=True)


def _place(folder: Path, configuration: int, seed: int) -> Path:
    return folder / f"{configuration:03d}-{seed}.arrow"


def _trial(configuration: int, seed: int, folder: Path) -> str:
    """Run one trial, and write its rows into a file of its own."""
    config = build(study(), configurations()[configuration], SEEDS[seed])
    rows: list[dict[str, Any]] = []
    for rung in begin(config):
        if not isinstance(rung, RungReport):
            continue
        where = {"configuration": configuration, "seed": seed, "rung": rung.rung, "right": None}
        rows.append({**where, **rung.metrics})
        if rung.share == 1:
            rows[-1]["right"] = _predictions(rung)
    part = _place(folder, configuration, seed).with_suffix(".part")
    names = dict.fromkeys(name for row in rows for name in row)  # the last rung reports more
    feather.write_feather(pa.table({name: [row.get(name) for row in rows] for name in names}), part)
    part.rename(part.with_suffix(".arrow"))
    return f"{config.encoder} {config.method} {dict(config.params)} {rows[-1]['dev/mean/mixed']:.3f}"


def _predictions(rung: RungReport) -> bytes:
    with TemporaryDirectory() as folder:
        assert rung.save is not None
        rung.save(Path(folder))
        found = Predictions.open(Path(folder) / "predictions-dev.arrow")
    assert found.pairs == TASKS["mini"].pairs() and (found.labels >= 0).all()  # generated: nothing is missing
    return np.packbits(found.predicted == found.labels).tobytes()


def pack(folder: Path) -> None:
    """All rows in one compressed file: of the seeds that every configuration has been trained with."""
    every = range(len(configurations()))
    seeds = [s for s in range(len(SEEDS)) if all(_place(folder, c, s).exists() for c in every)]
    files = [_place(folder, c, s) for c in every for s in seeds]
    table = pa.concat_tables([feather.read_table(f) for f in files], promote_options="permissive")
    small = [pa.float32() if pa.types.is_floating(f.type) else f.type for f in table.schema]
    small = [pa.int16() if pa.types.is_integer(t) else t for t in small]
    table = table.cast(pa.schema(list(zip(table.column_names, small, strict=True))))
    spec = study()
    about = {
        "configurations": configurations(),
        "seeds": [SEEDS[s] for s in seeds],
        "shares": spec.rungs,
        "pairs": spec.task.pairs(),
        "examples": len(next(_bits(table))) * 8 // len(spec.task.pairs()),
    }
    table = table.combine_chunks().replace_schema_metadata({"about": json.dumps(about)})
    feather.write_feather(table, FILE, compression="zstd", compression_level=19)
    print(f"{table.num_rows} rows, {FILE.stat().st_size / 1e6:.2f} MB")


def _bits(table: pa.Table) -> Iterator[bytes]:
    return (bits for bits in table.column("right").to_pylist() if bits is not None)


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else "build/mini_grid")
    {"record": record, "pack": pack}[what](where)
