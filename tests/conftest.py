"""Fixtures of all tests."""

import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path

import pytest
from filelock import FileLock

pytest_plugins = ["tests.bucket"]
ROOT = Path(__file__).resolve().parent.parent

# Whatever takes longest comes first, so that no process is left alone with it at the end: folders and files. The
# files of tests/study that share the finished study follow each other: it is there when the next one wants it.
FIRST = (
    "faults/test_faults.py",
    "study/test_run.py",
    "study/test_commands.py",
    "study/test_elsewhere.py",
    "study/test_ui.py",
    "study/test_resume.py",
    "study/test_bucket.py",
    "search/test_cluster.py",
    "search/test_here.py",
    "study",
    "faults",
    "search",
    "robust/test_training.py",
    "tracking",
)


def pytest_configure() -> None:
    """Ctrl-C reaches the tests and what they start, also where a shell began them in the background and ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first."""

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(ROOT / "tests")
        return min(FIRST.index(name) if name in FIRST else len(FIRST) for name in (str(path), path.parts[0]))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """A test that draws without a seed of its own draws the same whatever ran before it in its process."""
    random.seed(0)
    for name, seed in (("numpy", "random.seed"), ("torch", "manual_seed")):
        if name in sys.modules:  # most tests need neither, and both take long to load
            attrgetter(seed)(sys.modules[name])(0)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that one process of the tests makes for all of them."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # above the folders of all processes
    folder, done = shared / name, shared / f"{name}.done"
    with FileLock(shared / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory, own_places: None) -> Path:
    """An MLflow store without runs: to make its tables takes seconds, to copy it does not."""

    def make(folder: Path) -> None:
        from xrt.record.paths import Results
        from xrt.tracking.tracker import check

        check(Results.at(folder))

    return made_once(tmp_path_factory, "empty", make) / "mlflow.db"


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read nor fill the caches and results of whoever runs them; their subprocesses neither."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("XRT_RESULTS", raising=False)
        patch.delenv("RAY_ADDRESS", raising=False)
        yield
