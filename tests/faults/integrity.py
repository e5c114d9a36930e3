"""The table of turned bits: `python -m tests.faults.integrity [NUMBER]`, by default 60 in each kind of file.

A finished toy run is made once (a real trial with its checkpoint, predictions of a whole search and confirmation).
Then single bits are turned, seeded, in every kind of file that a run has, and all that reads is asked: list, status,
best, report, export, and for the token cache a trial's tokens. What they say must be what they said of the sound run,
or name the damaged file. Ends with 1 where a flip was silently wrong, made a traceback or a hang.
"""

import contextlib
import hashlib
import io
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.findings import worked
from tests.robust.conftest import build
from tests.tracking.trained import trained_trial
from xrt.data.tokens import tokenize_cached
from xrt.errors import XrtError
from xrt.findings.findings import findings
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.report.page import write_report
from xrt.study.reading import list_runs
from xrt.study.tables import last_words, runs_table, trial_table
from xrt.tracking.export import export

LIMIT = 120  # seconds; a reader that takes longer hangs
Said = tuple[str, list[str]]  # what a reader says, and what it says of damage


@dataclass
class Row:
    """Of one kind of file."""

    tried: int = 0
    noticed: int = 0
    wrong: int = 0
    traceback: int = 0
    hang: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not (self.wrong or self.traceback or self.hang)


def shown(value: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(value)
    return out.getvalue()


def the_list(run: Run, place: Path) -> Said:
    found = findings(run)
    return shown(runs_table([found])), found.damaged


def the_status(run: Run, place: Path) -> Said:
    found = findings(run)
    return shown(trial_table(found.searched, found.spec)) + found.answer.sentence, found.damaged


def the_best(run: Run, place: Path) -> Said:
    found = findings(run)
    return shown(last_words(found, "")), found.damaged


def the_report(run: Run, place: Path) -> Said:
    found = findings(run)
    write_report(run, found)
    paths = run.paths
    files = (paths.report, paths.report_markdown, paths.table_csv, *sorted(paths.figures.glob("*.svg")))
    return "".join(path.read_text() for path in files), found.damaged


def the_export(run: Run, place: Path) -> Said:
    out = export(run, None, place / "out")
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.rglob("*")) if p.is_file()]
    shutil.rmtree(out)
    return " ".join(digests), []


READERS = (the_list, the_status, the_best, the_report, the_export)


def make(place: Path) -> Run:
    """A finished run: a search of two trials and two seeds of the confirmation, one of which has real weights."""
    run = worked.make(place / "results")
    worked.search(run, worked.SAMPLES[:2])
    worked.confirm(run, ids=("0001",), seeds=2)
    trained_trial(run, build("bert", place / "encoder"))
    write_report(run)
    return run


def kinds(run: Run) -> dict[str, list[Path]]:
    """Every kind of file of the run."""
    tune, root = run.paths.tune, run.paths.root
    return {
        "run.json": [run.paths.meta],
        "spec.yaml": [run.paths.spec],
        "trials": sorted(run.paths.trials.glob("*.json")),
        "predictions": sorted(tune.rglob("predictions-*.arrow")),
        "weights": sorted(tune.rglob("*.safetensors")),
        "progress.json": sorted(tune.rglob("progress.json")),
        "report and figures": sorted([*root.glob("report.*"), *root.glob("table.*"), *root.glob("figures/*")]),
    }


def turn(path: Path, draw: random.Random) -> bytes:
    """Turn a bit; returns what was there."""
    raw = path.read_bytes()
    turned = bytearray(raw)
    bit = draw.randrange(8 * len(raw))
    turned[bit // 8] ^= 1 << bit % 8
    path.write_bytes(turned)
    return raw


class Hang(BaseException):
    """A reader did not come back."""


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def readers_of(kind: str) -> tuple[Callable[[Run, Path], Said], ...]:
    """Those that read such a file; all read the record, weights are read by export alone."""
    if kind in ("weights", "progress.json"):
        return (the_best, the_export)
    return READERS[:3] if kind == "report and figures" else READERS


def judge(row: Row, path: Path, read: Callable[[], Said], sound: str) -> bool:
    """Whether the reader noticed; counts what must not be."""
    try:
        with limited(LIMIT):
            said, damaged = read()
    except XrtError as error:
        return bool(error.problems)
    except Hang:
        row.hang += 1
        row.examples.append(f"{path}: hang")
        return False
    except Exception as error:  # what a user would meet as a traceback
        row.traceback += 1
        row.examples.append(f"{path}: {type(error).__name__}: {error}")
        return False
    if any(str(path) in line for line in damaged):
        return True
    if said != sound:
        row.wrong += 1
        row.examples.append(f"{path}: other words, and none about it")
    return False


def disturb(run: Run, place: Path, number: int, draw: random.Random) -> dict[str, Row]:
    """Turn `number` bits in each kind of file, one at a time."""
    sound = {read: read(Run(run.paths), place)[0] for read in READERS}
    rows: dict[str, Row] = {}
    for kind, files in kinds(run).items():
        row = rows[kind] = Row()
        readers = readers_of(kind)
        for turn_number in range(number):
            path = draw.choice(files)
            raw = turn(path, draw)
            read = readers[turn_number % len(readers)]
            row.tried += 1
            row.noticed += judge(row, path, lambda read=read: read(Run(run.paths), place), sound[read])
            path.write_bytes(raw)
    return rows


def tokens(place: Path, number: int, draw: random.Random) -> Row:
    """The same of the token cache: it is healed, so that nothing is to be noticed."""

    def tokenizer(sentences: Any, **_: Any) -> dict[str, Any]:
        return {"input_ids": [[ord(letter) for letter in sentence] for sentence in sentences]}

    def read() -> Said:
        found = tokenize_cached(tokenizer, "digest", sentences)
        return f"{found.values.tolist()} {found.offsets.tolist()}", []

    sentences, row = [f"the sentence number {n}" for n in range(50)], Row()
    sound = read()[0]
    from xrt.data.cache import cache_folder

    folder = cache_folder() / "tokens"
    for _ in range(number):
        path = draw.choice([p for p in sorted(folder.iterdir()) if p.suffix in (".arrow", ".json")])
        turn(path, draw)
        row.tried += 1
        judge(row, path, read, sound)
        row.noticed += path.exists()
    return row


def table(number: int, seed: int = 0) -> dict[str, Row]:
    """All kinds of file, each disturbed `number` times."""
    with tempfile.TemporaryDirectory() as folder:
        place, draw = Path(folder), random.Random(seed)
        rows = disturb(make(place), place, number, draw)
        return rows | {"token cache": tokens(place, number, draw)}


def main(words: list[str]) -> int:
    """Print the table; 0 when it is as it must be."""
    import os

    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        rows = table(int(words[0]) if words else 60)
    print("| kind of file | bits turned | noticed | silently wrong | traceback | hang |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind, row in rows.items():
        cells = (row.tried, row.noticed, row.wrong, row.traceback, row.hang)
        print(f"| {kind} |", *(f"{cell} |" for cell in cells))
    for row in rows.values():
        print(*row.examples[:5], sep="\n", end="\n" * bool(row.examples), file=sys.stderr)
    return 0 if all(row.sound for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
