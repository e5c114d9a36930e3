"""A toy study: three languages, a tiny encoder, real files, real Ray, real MLflow; run once for all tests here."""

import contextlib
import io
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray

from tests.conftest import made_once
from tests.robust.conftest import build
from xrt.study.__main__ import QUIET, main

WORDS = {
    "en": [
        "Anna",
        "saw",
        "the",
        "small",
        "house",
        "Peter",
        "gave",
        "Maria",
        "red",
        "book",
        "yesterday",
        "doctor",
        "met",
        "judge",
        "before",
        "storm",
    ],
    "de": [
        "Anna",
        "sah",
        "das",
        "kleine",
        "Haus",
        "Peter",
        "gab",
        "Maria",
        "rote",
        "Buch",
        "gestern",
        "Arzt",
        "traf",
        "Richter",
        "vor",
        "Sturm",
    ],
    "fr": [
        "Anna",
        "voyait",
        "la",
        "petite",
        "maison",
        "Pierre",
        "donnait",
        "Maria",
        "rouge",
        "livre",
        "hier",
        "docteur",
        "juge",
        "avant",
        "orage",
    ],
}
STUDY = """\
task: {{name: toy, languages: [en, de, fr], labels: ["0", "1"]}}
data: {{source: folder, path: {data}}}
space:
  encoder: [{encoder}]
  learning_rate: {{log: [1.0e-4, 1.0e-2]}}
  method:
    plain: {{}}
    adversarial: {{radius: {{log: [0.05, 0.3]}}, steps: [1, 2]}}
    noise: {{scale: {{log: [0.1, 1.0]}}}}
training: {{epochs: 2, batch_size: 16, max_tokens: 32}}
search: {{trials: 8, seed: 3}}
pruning: {{reduction: 2, rungs: 3}}
confirm: {{seeds: 2}}
resources: {{cpu: 1, gpu: 0}}
"""


@dataclass(frozen=True)
class Toy:
    """A folder to run commands in, with the toy study `toy.yaml` in it."""

    folder: Path

    def xrt(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end, in a process of its own, and return all that it printed.

        Its exit code must be `code`.
        """
        done = subprocess.run(
            [sys.executable, "-m", "xrt.study", *arguments],
            cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        printed = done.stdout + done.stderr
        assert done.returncode == code, printed
        return printed

    def here(self, *arguments: str, code: int = 0) -> str:
        """The same in this process, which has the libraries already; with `ray_kept` where it starts Ray."""
        printed = io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            for name, value in QUIET.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["xrt", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        assert (ended.value.code or 0) == code, printed.getvalue()
        return printed.getvalue()

    def copied(self, folder: Path) -> "Toy":
        """A copy in which a test may change what it likes. MLflow's store refuses to be moved: `--tracking later`."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Toy(folder)


def write_split(folder: Path, split: str, languages: list[str], count: int) -> None:
    """Pairs of six words: the second sentence turns the first around (label 1) or is another one (label 0).

    The two labels use different words, so that a tiny encoder learns them in a few steps.
    """
    for language in languages:
        draw = random.Random(split)  # the same draws in every language: rows are aligned
        rows = []
        for _ in range(count):
            label = draw.randrange(2)
            chosen, other = ([draw.randrange(8) + 7 * label for _ in range(6)] for _ in range(2))
            second = chosen[::-1] if label else other
            sides = [" ".join(WORDS[language][i] for i in side) for side in (chosen, second)]
            rows.append("\t".join([*sides, str(label)]))
        (folder / f"{split}-{language}.tsv").write_text("\n".join(rows) + "\n")


def spoil(file: Path, row: int, change: Callable[[str, str, str], tuple[str, str, str]]) -> None:
    """Change one row, in the ways that PAWS-X's translations are flawed."""
    lines = file.read_text().splitlines()
    lines[row] = "\t".join(change(*lines[row].split("\t")))
    file.write_text("\n".join(lines) + "\n")


def make_toy(folder: Path, store: Path | None = None) -> Toy:
    """Write data, encoder and study into `folder`; of an empty MLflow store a copy into its results."""
    data = folder / "data"
    data.mkdir(parents=True)
    write_split(data, "train", ["en"], 96)
    for split, count in (("dev", 30), ("test", 40)):
        write_split(data, split, list(WORDS), count)
    spoil(data / "dev-de.tsv", 3, lambda first, second, label: ("NS", second, label))
    spoil(data / "dev-fr.tsv", 7, lambda first, second, label: (first, second, str(1 - int(label))))
    build("bert", folder / "encoder")
    (folder / "toy.yaml").write_text(STUDY.format(data="data", encoder="encoder"))
    if store:
        (folder / "results").mkdir()
        shutil.copy(store, folder / "results")
    return Toy(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(command: list[str], folder: Path, address: str) -> Iterator[str]:
    """A server that answers while the block runs; all its processes end with the block."""
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(
            command, cwd=folder, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
    try:
        while True:
            try:
                # A connection that comes before its workers are there may never be answered.
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, f"{command} does not answer"
                time.sleep(0.3)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def ray_kept() -> Iterator[None]:
    """Commands in this process leave their Ray to the next, until the tests of the file are done."""
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A toy study that nobody has run yet; tests share it and leave no run behind."""
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """The toy study with its confirmation, run by a process of its own; tests share it, and change copies alone.

    `printed.txt` holds what it printed.
    """

    def make(folder: Path) -> None:
        printed = make_toy(folder).xrt("run", "toy.yaml")
        (folder / "printed.txt").write_text(printed)

    return Toy(made_once(tmp_path_factory, "finished", make))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, ray_kept: None) -> Toy:
    """A short search without MLflow, one trial after the other: again, it would be the same; changed in copies."""
    sets = ("search.trials=4", "search.concurrent=1", "confirm=null", "training.epochs=1")
    words = [word for one in sets for word in ("--set", one)]

    def make(folder: Path) -> None:
        make_toy(folder).here("run", "toy.yaml", *words, "--tracking", "later")

    return Toy(made_once(tmp_path_factory, "searched", make))
