"""Bytes that nobody wrote, for everything that reads files: `python -m tests.faults.fuzz [MINUTES] [SEED]`.

A good file is flipped, cut, doubled or spliced at random places and read again. Right is a value, or an `XrtError`
whose problems are one line each. Anything else is a finding, printed with the seed that makes it again: another error,
a problem of several lines, more than `LIMIT` seconds. Ends with 1 where there is a finding.
"""

import gzip
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.integrity import Hang, limited
from tests.findings.worked import SAMPLES, confirm, make, search
from xrt.data import Source, Task, load
from xrt.errors import XrtError
from xrt.findings.findings import findings
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.robust.predictions import Predictions
from xrt.spec import load_study
from xrt.spec.loading import SHIPPED

LIMIT = 20  # seconds for one file of a few kB
TASK = Task("toy", ("en", "de"), ("0", "1"))
TASTY = [
    *(
        b"\0",
        b"\xff\xfe",
        b"\t",
        b"\n",
        b'"',
        b"{",
        b"[",
        b"&a",
        b"*a",
        b"!!python/object",
        b"1e999",
        b"-",
        b":",
    ),
    b"\x1b[31m",
]


@dataclass(frozen=True)
class Reader:
    """What reads a file, and a good one.

    Attributes:
        begin: writes good files below a folder; returns those that are to be damaged.
        read: reads the folder again.
    """

    begin: Callable[[Path], list[Path]]
    read: Callable[[Path], object]


def rows(language: str) -> list[dict[str, str]]:
    return [
        {
            "id": str(i),
            "sentence1": f"{language} one {i}",
            "sentence2": f"{language} two {i}",
            "label": str(i % 2),
        }
        for i in range(12)
    ]


def written(end: str, write: Callable[[Path, list[dict[str, str]]], object]) -> Callable[[Path], list[Path]]:
    def begin(folder: Path) -> list[Path]:
        files = [
            folder / f"{split}-{language}{end}" for split in ("train", "dev") for language in ("en", "de")
        ]
        for file in files:
            write(file, rows(file.name.split("-")[1][:2]))
        return files

    return begin


def read_data(end: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        source = Source("folder", f"{folder}/{{split}}-{{language}}{end}")
        return [load(TASK, source, split) for split in ("train", "dev")]

    return read


def tsv(mark: str) -> Callable[[Path, list[dict[str, str]]], object]:
    def write(file: Path, some: list[dict[str, str]]) -> object:
        lines = [mark.join(some[0]), *(mark.join(row.values()) for row in some)]
        return file.write_text("\n".join(lines) + "\n")

    return write


def json_lines(file: Path, some: list[dict[str, str]]) -> object:
    return file.write_text("".join(json.dumps(row) + "\n" for row in some))


def zipped(file: Path, some: list[dict[str, str]]) -> object:
    return file.write_bytes(gzip.compress("\n".join("\t".join([*row.values()][1:]) for row in some).encode()))


def parquet(file: Path, some: list[dict[str, str]]) -> object:
    return pq.write_table(pa.Table.from_pylist(some), file)


def a_study(folder: Path) -> list[Path]:
    file = folder / "study.yaml"
    file.write_bytes((SHIPPED / "mini.yaml").read_bytes())
    return [file]


def finished(folder: Path) -> Run:
    run = make(folder)
    search(run, SAMPLES[:4])
    confirm(run, seeds=2)
    return run


def a_run(folder: Path) -> list[Path]:
    run = finished(folder)
    return [run.paths.meta, run.paths.spec, *sorted(run.paths.trials.glob("*.json"))]


def read_run(folder: Path) -> object:
    [meta] = folder.rglob("run.json")
    return findings(Run.open(Results(folder), meta.parent.name)).answer


def predictions(folder: Path) -> list[Path]:
    run = finished(folder)
    return sorted(run.paths.root.rglob("predictions-*.arrow"))[:1]


def read_predictions(folder: Path) -> object:
    [file, *_] = sorted(folder.rglob("predictions-*.arrow"))
    return Predictions.open(file).counts


READERS = {
    "study": Reader(a_study, lambda folder: load_study(str(folder / "study.yaml"))),
    "tsv": Reader(written(".tsv", tsv("\t")), read_data(".tsv")),
    "csv": Reader(written(".csv", tsv(",")), read_data(".csv")),
    "jsonl": Reader(written(".jsonl", json_lines), read_data(".jsonl")),
    "gz": Reader(written(".tsv.gz", zipped), read_data(".tsv.gz")),
    "parquet": Reader(written(".parquet", parquet), read_data(".parquet")),
    "record": Reader(a_run, read_run),
    "predictions": Reader(predictions, read_predictions),
}


def damaged(content: bytes, draw: random.Random) -> bytes:
    """One to four changes at random places."""
    some = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at, end = sorted((draw.randint(0, len(some)), draw.randint(0, len(some))))
        how = draw.randrange(6)
        if how == 0 and at < len(some):
            some[at] ^= 1 << draw.randrange(8)
        elif how == 1:
            del some[at : min(end, at + 64)]
        elif how == 2:
            some[at:at] = some[at : min(end, at + 64)]
        elif how == 3:
            some[at:at] = draw.choice(TASTY)
        elif how == 4:
            some[at:at] = draw.randbytes(draw.randint(1, 16))
        else:
            del some[at:]
    return bytes(some)


def wrong(read: Callable[[Path], object], folder: Path) -> str | None:
    """The problem with how a folder was read; None if there is none."""
    try:
        with limited(LIMIT):
            read(folder)
    except XrtError as error:
        long = [problem for problem in error.problems if "\n" in problem or len(problem) > 2000]
        return f"a problem of several lines, or a long one: {long[0][:300]!r}" if long else None
    except Hang:
        return f"takes more than {LIMIT} s"
    except Exception as error:  # that is what is looked for
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


class Fuzzer:
    """Damages one file of one reader after the other; each try is a function of its seed alone."""

    def __init__(self, place: Path) -> None:
        self.folders = {name: place / name for name in READERS}
        self.good: dict[str, dict[Path, bytes]] = {}
        for name, reader in READERS.items():
            self.folders[name].mkdir(parents=True)
            self.good[name] = {file: file.read_bytes() for file in reader.begin(self.folders[name])}
            assert self.good[name] and wrong(reader.read, self.folders[name]) is None
            assert READERS[name].read(self.folders[name]) is not None

    def attempt(self, seed: int) -> tuple[str, str | None]:
        """Which reader read a damaged file, and what was wrong."""
        draw = random.Random(seed)
        name = draw.choice(sorted(READERS))
        file = draw.choice(sorted(self.good[name]))
        file.write_bytes(damaged(self.good[name][file], draw))
        try:
            return name, wrong(READERS[name].read, self.folders[name])
        finally:
            file.write_bytes(self.good[name][file])


def main(minutes: float = 1.0, seed: int = 0) -> int:
    tries: Counter[str] = Counter()
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        fuzzer, end = Fuzzer(Path(place)), time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            name, what = fuzzer.attempt(seed)
            tries[name] += 1
            if what:
                found[name] += 1
                print(f"seed {seed}: {name}: {what}", flush=True)
            seed += 1
    print(f"{'reader':12} {'tried':>7} {'findings':>9}")
    for name in READERS:
        print(f"{name:12} {tries[name]:7} {found[name]:9}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3])))
