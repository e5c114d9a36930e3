"""`list` with damaged runs: each is one line, the others are shown, and nothing blocks."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.record import Run
from xrt.study.__main__ import main


def piped(path: Path) -> None:
    if path.exists():
        path.rename(path.parent.parent.parent / "was")
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


CASES: list[tuple[str, Callable[[Path], None]]] = [
    *((name, piped) for name in ("run.json", "spec.yaml", "trials", "trials/0000.json", "optuna.log")),
    *((name, piped) for name in ("tune/search-1", "anything")),
    *((name, device) for name in ("run.json", "spec.yaml", "trials/0000.json", "report.html")),
    *((name, torn) for name in ("run.json", "spec.yaml", "trials/0000.json")),
]


@pytest.mark.parametrize(("name", "spoil"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_damaged_run_is_one_line_and_the_others_are_shown(
    name: str, spoil: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    runs: list[Run] = [worked.make(tmp_path / "results") for _ in range(3)]
    for run in runs:
        worked.search(run, worked.SAMPLES[:1])
    (runs[1].paths.tune / "search-1").parent.mkdir(exist_ok=True)
    spoil(runs[1].paths.root / name)
    monkeypatch.setattr(sys, "argv", ["xrt", "list", "--results", str(tmp_path / "results")])
    with pytest.raises(SystemExit) as ended:
        main()
    printed, told = capfd.readouterr()
    assert not ended.value.code and told.count("\n") == 1, told
    assert str(runs[1].paths.root / name) in told
    # What the other trials of such a run say is shown, too.
    assert [run.name in printed.split() for run in runs] == [
        True,
        name == "trials/0000.json" and spoil is torn,
        True,
    ]
