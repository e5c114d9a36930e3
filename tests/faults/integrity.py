"""The table of turned bits: `python -m tests.faults.integrity [NUMBER]`, by default 60 in each kind of file.

Two finished runs are made once: one with a search and its confirmation, one with a real encoder to export. Then single
bits are turned, seeded, in every kind of file that a run has, and all that reads is asked: list, status, best, report,
export, and a trial's tokens of the token cache. What they say must be what they said of the sound run, or name the
damaged file. Ends with 1 where a turned bit was silently wrong, or made a traceback or a hang.
"""

import contextlib
import hashlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.findings import worked
from tests.robust.conftest import build
from tests.tracking.trained import trained_trial
from xrt.data.cache import cache_folder
from xrt.data.tokens import tokenize_cached
from xrt.errors import XrtError
from xrt.findings.findings import findings
from xrt.record.run import Run
from xrt.report.page import write_report
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


Reader = Callable[[Run, Path], Said]
QUICK: tuple[Reader, ...] = (the_list, the_status, the_best)
READERS: tuple[Reader, ...] = (*QUICK * 5, the_report)  # in turn; to draw takes as long as all the others
EXPORT: tuple[Reader, ...] = (the_export,)


def make(place: Path) -> tuple[Run, Run]:
    """A run with a search, a confirmation and a report, by hand; and one with a real encoder that can be exported."""
    run = worked.make(place / "results")
    worked.search(run, worked.SAMPLES[:2])
    worked.confirm(run, seeds=2)
    write_report(run)
    other = worked.make(place / "others")
    trained_trial(other, build("bert", place / "encoder"))
    return run, other


def kinds(run: Run, other: Run) -> Iterator[tuple[str, Run, list[Path], tuple[Reader, ...]]]:
    """Every kind of file of a run, with those who read it."""
    root, tune = run.paths.root, run.paths.tune
    yield "run.json", run, [run.paths.meta], READERS
    yield "spec.yaml", run, [run.paths.spec], READERS
    yield "trials/*.json", run, sorted(run.paths.trials.glob("*.json")), READERS
    yield "predictions-*.arrow", run, sorted(tune.rglob("predictions-*.arrow")), READERS
    written = [*root.glob("report.*"), *root.glob("table.*"), *root.glob("figures/*")]
    yield "report, tables, figures", run, sorted(written), QUICK
    record = [other.paths.meta, other.paths.spec, *other.paths.trials.glob("*.json")]
    yield "record of what is exported", other, record, EXPORT
    yield "weights.safetensors", other, sorted(other.paths.tune.rglob("*.safetensors")), EXPORT
    yield "progress.json", other, sorted(other.paths.tune.rglob("progress.json")), EXPORT


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


def judge(row: Row, path: Path, read: Callable[[], Said], sound: str) -> bool:
    """Whether the reader noticed; counts what must not be."""
    try:
        with limited(LIMIT):
            said, damaged = read()
    except XrtError as error:
        if any(name in str(error) for name in (path.name, str(path.parent))):
            return True
        row.wrong += 1
        row.examples.append(f"{path}: is not named: {error}")
        return False
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


def disturb(place: Path, number: int, draw: random.Random) -> dict[str, Row]:
    """Turn `number` bits in each kind of file, one at a time."""
    rows: dict[str, Row] = {}
    for kind, run, files, readers in kinds(*make(place)):
        row = rows[kind] = Row()
        sound = {read: read(Run(run.paths), place)[0] for read in set(readers)}
        for turn_number in range(number):
            path, read = draw.choice(files), readers[turn_number % len(readers)]
            raw = turn(path, draw)
            row.tried += 1
            row.noticed += judge(row, path, partial(read, Run(run.paths), place), sound[read])
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
        return disturb(place, number, draw) | {"token cache": tokens(place, number, draw)}


def main(words: list[str]) -> int:
    """Print the table; 0 when it is as it must be."""
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
