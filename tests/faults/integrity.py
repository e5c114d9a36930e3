"""The table of flipped bits: `python -m tests.faults.integrity [NUMBER]`, by default 60 in each kind of file.

Two finished runs are made once: one with a search and its confirmation, one with a real encoder to export. Then single
bits are flipped, seeded, in every kind of file of a run, and all readers run: list, status, best, report, export, and a
trial's tokens of the token cache. Their output must be that of the sound run, or name the damaged file. Exits with 1 if
a flipped bit was silently wrong, or caused a traceback, a hang, or the end of the process.

The readers work in a process that is forked once per kind, so that a flipped bit costs no start of Python. This process
counts what ends or blocks that one, and forks another for the rest.
"""

import contextlib
import copy
import hashlib
import io
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import torch
from rich.console import Console
from transformers.utils.logging import disable_progress_bar

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
    """The counts of one kind of file."""

    tried: int = 0
    noticed: int = 0
    wrong: int = 0
    traceback: int = 0
    hang: int = 0
    died: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not (self.wrong or self.traceback or self.hang or self.died)


def shown(value: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(value)
    return out.getvalue()


def the_list(run: Run, place: Path) -> Said:
    found = findings(run, partly=True)
    return shown(runs_table([found])), found.damaged


def the_status(run: Run, place: Path) -> Said:
    found = findings(run, partly=True)
    return shown(trial_table(found.searched, found.spec)) + found.answer.sentence, found.damaged


def the_best(run: Run, place: Path) -> Said:
    found = findings(run, partly=True)
    return shown(last_words(found, "")), found.damaged


def the_report(run: Run, place: Path) -> Said:
    found = findings(run, partly=True)
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
READERS: tuple[Reader, ...] = (
    *QUICK * 15,
    the_report,
)  # in turn; to draw takes as long as many of the others
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


@dataclass
class Kind:
    """A kind of file: its files in a run, and its readers."""

    name: str
    run: Run
    files: list[Path]
    readers: tuple[Reader, ...]
    anew: bool = False  # the file is read once in the life of a run: each reader opens the run itself


def kinds(run: Run, other: Run) -> Iterator[Kind]:
    """Every kind of file of a run."""
    root, tune = run.paths.root, run.paths.tune
    yield Kind("run.json", run, [run.paths.meta], READERS, anew=True)
    yield Kind("spec.yaml", run, [run.paths.spec], READERS, anew=True)
    yield Kind("trials/*.json", run, sorted(run.paths.trials.glob("*.json")), READERS)
    yield Kind("predictions-*.arrow", run, sorted(tune.rglob("predictions-*.arrow")), READERS)
    written = [*root.glob("report.*"), *root.glob("table.*"), *root.glob("figures/*")]
    yield Kind("report, tables, figures", run, sorted(written), QUICK)
    record = [other.paths.meta, other.paths.spec, *other.paths.trials.glob("*.json")]
    yield Kind("record of what is exported", other, record, EXPORT, anew=True)
    yield Kind("weights.safetensors", other, sorted(other.paths.tune.rglob("*.safetensors")), EXPORT)
    yield Kind("progress.json", other, sorted(other.paths.tune.rglob("progress.json")), EXPORT)


def reopened(run: Run) -> Run:
    """The run as a process that has read its study sees it: a file that changes is read again, the study is not."""
    again = copy.copy(run)
    again._seen = dict(run._seen)
    return again


def turn(path: Path, draw: random.Random) -> None:
    """Flip a bit."""
    raw = path.read_bytes()
    turned = bytearray(raw)
    bit = draw.randrange(8 * len(raw))
    turned[bit // 8] ^= 1 << bit % 8
    path.write_bytes(turned)


class Hang(BaseException):
    """A reader did not return."""


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
    """Whether the reader noticed the damage; counts wrong outcomes."""
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


class Turns:
    """Flips bits in the files of a kind, one at a time, and reads the run after each."""

    def __init__(self, kind: Kind, place: Path, seed: int) -> None:
        self._kind, self._place, self._seed, self._warm = kind, place, seed, Run(kind.run.paths)
        self._raw = {path: path.read_bytes() for path in kind.files}
        self._sound = {read: read(self._warm, place)[0] for read in dict.fromkeys(kind.readers)}

    def mend(self) -> None:
        """Undo the changes of an ended process."""
        for path, raw in self._raw.items():
            path.write_bytes(raw)

    def once(self, row: Row, number: int) -> None:
        """Disturb, the time of that number, and count what comes of it."""
        kind, draw = self._kind, random.Random(f"{self._seed} {self._kind.name} {number}")
        path, read = draw.choice(kind.files), kind.readers[number % len(kind.readers)]
        run = Run(kind.run.paths) if kind.anew else reopened(self._warm)
        turn(path, draw)
        row.noticed += judge(row, path, partial(read, run, self._place), self._sound[read])
        path.write_bytes(self._raw[path])


class TokenTurns:
    """The same for the token cache, which repairs itself, so nothing is noticed."""

    SENTENCES = tuple(f"the sentence number {n}" for n in range(50))

    def __init__(self, seed: int) -> None:
        self._seed, self._folder, self._sound = seed, cache_folder() / "tokens", self._read()[0]

    def mend(self) -> None:
        self._read()

    def once(self, row: Row, number: int) -> None:
        draw = random.Random(f"{self._seed} tokens {number}")
        path = draw.choice([p for p in sorted(self._folder.iterdir()) if p.suffix in (".arrow", ".json")])
        turn(path, draw)
        judge(row, path, self._read, self._sound)
        row.noticed += path.exists()

    def _read(self) -> Said:
        def tokenizer(sentences: Any, **_: Any) -> dict[str, Any]:
            return {"input_ids": [[ord(letter) for letter in sentence] for sentence in sentences]}

        found = tokenize_cached(tokenizer, "digest", list(self.SENTENCES))
        return f"{found.values.tolist()} {found.offsets.tolist()}", []


class Disturbing(Protocol):
    """What `guarded` runs in a process of its own."""

    def once(self, row: Row, number: int) -> None: ...

    def mend(self) -> None: ...


def guarded(turns: Disturbing, number: int, limit: float = LIMIT + 60) -> Row:
    """Disturb `number` times in a process of its own; what ends that process, or silences it, is counted here."""
    row = Row()
    while row.tried < number:
        turns.mend()
        with _forked(turns, row, number) as (worker, answers):
            try:
                while row.tried < number:
                    if not answers.poll(limit):
                        raise TimeoutError
                    row = answers.recv()
            except EOFError:
                worker.join()
                row.examples.append(f"time {row.tried}: the process ended with {worker.exitcode}")
                row.tried, row.died = row.tried + 1, row.died + 1
            except TimeoutError:
                row.examples.append(f"time {row.tried}: no answer")
                row.tried, row.hang = row.tried + 1, row.hang + 1
    turns.mend()
    return row


@contextlib.contextmanager
def _forked(turns: Disturbing, row: Row, number: int) -> Iterator[tuple[BaseProcess, Connection]]:
    here, there = multiprocessing.Pipe(duplex=False)
    worker = multiprocessing.get_context("fork").Process(target=_work, args=(turns, row, number, there))
    worker.start()
    there.close()
    try:
        yield worker, here
    finally:
        worker.kill()
        worker.join()


def _work(turns: Disturbing, row: Row, number: int, there: Connection) -> None:
    for time in range(row.tried, number):
        turns.once(row, time)
        row.tried += 1
        there.send(row)


def table(number: int, seed: int = 0) -> Iterator[tuple[str, Row]]:
    """All kinds of file, each disturbed `number` times: a row as soon as it is known."""
    # One thread each: those of a library do not survive a fork.
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for kind in kinds(*make(place)):
            yield kind.name, guarded(Turns(kind, place, seed), number)
    yield "token cache", guarded(TokenTurns(seed), number)


def main(words: list[str]) -> int:
    """Print the table; 0 if it is as required."""
    logging.getLogger("xrt").setLevel(logging.ERROR)  # a line for every healed file
    disable_progress_bar()
    print("| kind of file | bits turned | noticed | silently wrong | traceback | hang | died |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        for kind, row in table(int(words[0]) if words else 60):
            cells = (row.tried, row.noticed, row.wrong, row.traceback, row.hang, row.died)
            print(f"| {kind} |", *(f"{cell} |" for cell in cells), flush=True)
            print(*row.examples[:5], sep="\n", end="\n" * bool(row.examples), file=sys.stderr)
            rows.append(row)
    return 0 if all(row.sound for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
