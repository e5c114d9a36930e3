"""What every test of the repository itself starts from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.bucket"]
ROOT = Path(__file__).resolve().parent.parent

# Folders whose tests take longest, so that no process is left alone with them at the end.
FIRST = ("faults", "study", "search")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that take long come first."""
    places = {item: item.path.relative_to(ROOT / "tests").parts[0] for item in items}
    items.sort(key=lambda item: FIRST.index(places[item]) if places[item] in FIRST else len(FIRST))


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
