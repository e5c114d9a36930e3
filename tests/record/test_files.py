"""Files that are whole or absent."""

import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from xrt.errors import RecordError
from xrt.record.files import (
    is_locked,
    locked,
    patiently,
    plain,
    read_json,
    refuse_links,
    sweep,
    write_json,
    write_text,
)  # fmt: skip
from xrt.record.values import Report


def test_a_write_leaves_the_file_and_nothing_else(tmp_path: Path) -> None:
    for text in ("first", "zweite ä"):
        write_text(tmp_path / "a.txt", text)
        assert (tmp_path / "a.txt").read_text("utf-8") == text
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failed_write_keeps_the_old_file_and_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "folder.json" / "kept").touch()
    with pytest.raises(RecordError, match=r"folder\.json: cannot be written .*free some space"):
        write_json(tmp_path / "folder.json", {})
    assert os.listdir(tmp_path) == ["folder.json"]


def test_a_reader_never_sees_a_torn_file_of_a_killed_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    code = (
        "import sys; from pathlib import Path; from xrt.record.files import write_json\n"
        "for i in range(10**9): write_json(Path(sys.argv[1]), {'i': i, 'text': 'x' * 200_000})"
    )
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
        while not path.exists():
            time.sleep(0.01)
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            assert len(read_json(path)["text"]) == 200_000
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert len(read_json(path)["text"]) == 200_000


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    slept: list[float] = []
    attempts = iter([OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "quota"), None])

    def action() -> str:
        if error := next(attempts):
            raise error
        return "done"

    assert patiently(action, patience=5, sleep=slept.append) == "done"
    assert slept == [1.0, 1.0]


@pytest.mark.parametrize(("number", "tries"), [(errno.ENOSPC, 4), (errno.EACCES, 1)])
def test_a_disk_that_stays_full_and_any_other_error_are_raised(number: int, tries: int) -> None:
    tried = []

    def action() -> None:
        tried.append(1)
        raise OSError(number, "no")

    with pytest.raises(OSError, match="no"):
        patiently(action, patience=3, sleep=lambda seconds: None)
    assert len(tried) == tries


def test_json_has_no_bare_nan_and_numbers_of_numpy_become_numbers(tmp_path: Path) -> None:
    value = {
        "nan": float("nan"),
        "up": np.float64("inf"),
        "down": -np.inf,
        "half": np.float32(0.5),
        "count": np.int64(3),
        "list": (1, None, True),
        "odd": b"\xff".decode("utf-8", "surrogateescape"),
        "value": Report(0, 0.5, 3, 1.5, {"dev/acc/de": np.nan}),
    }
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text("ascii")
    assert not re.search(r'(?<!")(NaN|Infinity)', text.replace("-Infinity", "Infinity"))
    assert json.loads(text) == {
        **{"nan": "NaN", "up": "Infinity", "down": "-Infinity", "half": 0.5, "count": 3},
        **{"list": [1, None, True], "odd": "\\udcff"},
        "value": {"rung": 0, "share": 0.5, "step": 3, "time": 1.5, "metrics": {"dev/acc/de": "NaN"}},
    }
    with pytest.raises(TypeError, match="no place in a record"):
        plain({"a": object()})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b'{"a": 1', "truncated or not JSON"),
        (b'{"a": 1, "a": 2}', "a key stands there twice"),
        (b'{"a": NaN}', "a bare NaN"),
        (b'{"a": -Infinity}', "a bare -Infinity"),
        (b'{"a": "\xff"}', "truncated or not JSON"),
        (b"\xff\xfe{\x00}\x00", "truncated or not JSON"),
        (b"[1]", "holds a list"),
        (b"null", "holds a NoneType"),
        (b"[" * 100_000, "truncated or not JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "truncated or not JSON"),
        (b"\x00" * 100, "truncated or not JSON"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "0001.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=re.escape(message)) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_missing_looped_and_huge_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.json").symlink_to("loop.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(65 * 2**20)
    for name, message in [("none", "No such file"), ("loop", "symbolic links"), ("huge", "more than 64 MiB")]:
        with pytest.raises(RecordError, match=message):
            read_json(tmp_path / f"{name}.json")


def test_only_old_temporary_files_are_swept(tmp_path: Path) -> None:
    for name in (".old.tmp", ".new.tmp", "kept.tmp", ".kept"):
        (tmp_path / name).touch()
        if name != ".new.tmp":
            os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".kept", ".new.tmp", "kept.tmp"]


def test_a_lock_has_one_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    with locked(path) as first:
        assert first is not None
        assert is_locked(path)
        with locked(path, patience=0.1) as second:
            assert second is None
    assert not is_locked(path)


def test_a_look_at_a_lock_does_not_keep_anybody_from_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with locked(path, patience=0.0) as refused:
            assert refused is None
    with locked(path, patience=0.0) as taken:
        assert taken is not None


def test_a_run_is_looked_through_while_its_files_are_replaced(tmp_path: Path) -> None:
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            write_json(tmp_path / "a.json", {"i": 1})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2000):
            refuse_links(tmp_path)
    finally:
        over.set()
        writer.join()
