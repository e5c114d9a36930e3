"""Links out of a run's folder are not followed by readers, writers or commands."""

import contextlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xrt.errors import RecordError
from xrt.record.files import is_locked, locked, read_json, write_json
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.spec import load_study
from xrt.study.__main__ import main

NAMES = [
    *(
        "spec.yaml",
        "run.json",
        "trials",
        "trials/0000.json",
        "trials/0001.json",
        "optuna.log",
        "optuna.log.lock",
    ),
    *(
        "tune",
        "tune/search-1",
        "holder",
        "tracking.lock",
        "report.html",
        "report.md",
        "figures",
        "figures/a.svg",
    ),
    *(".run.json.1.tmp", "anything"),
]
KINDS = ["file", "folder", "nothing", "pipe"]
COMMANDS = [
    *(
        ["resume", "RUN"],
        ["report", "RUN"],
        ["sync", "RUN"],
        ["export", "RUN", "out"],
        ["run", "--from", "RUN"],
    ),
    *(["best", "RUN"], ["status", "RUN"], ["trial", "RUN", "0000"], ["compare", "RUN", "RUN"]),
]
SECRET = "ssh-ed25519 AAAA me@home"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create(Results.at(tmp_path / "results"), load_study("mini", ["confirm=null"]))
    made.save(TrialRecord("0000", {}, {}, 7))
    return made


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What a link leads to."""
    place = tmp_path / "home"
    (place / "folder").mkdir(parents=True)
    (place / "folder" / "0000.json").write_text(SECRET)
    (place / "file").write_text(SECRET)
    return place


def plant(path: Path, outside: Path, kind: str) -> None:
    """Replace a file or folder of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.rename(outside.parent / "was")
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(outside / kind)


def untouched(outside: Path) -> bool:
    found = {p.relative_to(outside).as_posix(): p.read_text() for p in outside.rglob("*") if p.is_file()}
    return found == {"file": SECRET, "folder/0000.json": SECRET}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_run_with_a_link_of_any_name_is_refused(run: Run, outside: Path, name: str, kind: str) -> None:
    plant(run.paths.root / name, outside, kind)
    with pytest.raises(RecordError) as refused:
        Run.open(run.paths.results, run.name)
    assert str(run.paths.root / name) in str(refused.value) or name == "run.json"
    assert untouched(outside)


@pytest.mark.parametrize("name", ["holder", "tracking.lock", "run.json", "trials"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_command_ends_with_one_line_and_touches_nothing(
    run: Run, outside: Path, command: list[str], name: str, monkeypatch, capfd
) -> None:
    plant(run.paths.root / name, outside, "folder" if name == "trials" else "file")
    words = [run.name if word == "RUN" else word for word in command]
    monkeypatch.chdir(outside.parent)
    monkeypatch.setattr(sys, "argv", ["xrt", *words, "--results", str(run.paths.results.root)])
    with pytest.raises(SystemExit) as ended:
        main()
    printed, told = capfd.readouterr()
    assert (ended.value.code, printed, told.count("\n")) == (2, "", 1), told
    assert untouched(outside) and not (outside.parent / "out").exists()


@pytest.mark.parametrize("use", [read_json, is_locked, lambda path: locked(path).__enter__()])
@pytest.mark.parametrize("kind", ["file", "nothing", "pipe"])
def test_no_file_is_opened_through_a_link_and_no_pipe_is_waited_for(
    tmp_path: Path, outside: Path, kind: str, use: Callable
) -> None:
    plant(tmp_path / "a", outside, kind)
    try:
        assert use(tmp_path / "a") is False
    except RecordError as error:
        assert str(tmp_path / "a") in str(error)
    assert untouched(outside)


def test_a_write_replaces_a_link_and_leaves_what_it_led_to(tmp_path: Path, outside: Path) -> None:
    plant(tmp_path / "a.json", outside, "file")
    write_json(tmp_path / "a.json", {"a": 1})
    assert read_json(tmp_path / "a.json") == {"a": 1} and untouched(outside)


def test_a_lock_is_not_written_to_by_another_name_of_a_file(tmp_path: Path, outside: Path) -> None:
    os.link(outside / "file", tmp_path / "holder")
    with pytest.raises(RecordError, match="holder: cannot be written"), locked(tmp_path / "holder"):
        pass
    assert untouched(outside)


def test_the_folder_of_a_study_may_not_be_a_link(run: Run, outside: Path) -> None:
    results = run.paths.results
    run.paths.root.parent.rename(outside / "mini")
    run.paths.root.parent.symlink_to(outside / "mini")
    with pytest.raises(RecordError, match=f"{run.paths.root.parent}: is a link"):
        Run.open(results, run.name)
    before = sorted(outside.rglob("*"))
    with pytest.raises(RecordError, match=f"{run.paths.root.parent}: is a link"):
        Run.create(results, load_study("mini", ["confirm=null"]))
    assert sorted(outside.rglob("*")) == before


def test_a_run_that_is_itself_a_link_is_refused(run: Run, outside: Path) -> None:
    run.paths.root.rename(outside / "moved")
    run.paths.root.symlink_to(outside / "moved")
    with pytest.raises(RecordError, match=f"{run.paths.root}: is a link"):
        Run.open(run.paths.results, run.name)


def test_a_socket_among_the_files_of_a_run_is_refused(run: Run) -> None:
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(run.paths.root):
        listening.bind("anything")
    with pytest.raises(RecordError, match="anything: is a link, a pipe or a device"):
        Run.open(run.paths.results, run.name)
