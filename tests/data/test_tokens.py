import multiprocessing
import os
import random
import time
from pathlib import Path

import pytest

from xrt.data.tokens import tokenize_cached


class Slow:
    """A slow tokenizer that counts its calls."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __call__(self, sentences, **_):
        with self.log.open("a") as file:
            file.write("asked\n")
        time.sleep(0.5)
        return {"input_ids": [[ord(letter) for letter in sentence] for sentence in sentences]}


def ask(log: Path) -> list[int]:
    return tokenize_cached(Slow(log), "slow", ["ab", "", "c"]).values.tolist()


def test_of_processes_that_start_together_one_tokenizes_for_all(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with multiprocessing.get_context("fork").Pool(4) as pool:
        got = pool.map(ask, [tmp_path / "log"] * 4, chunksize=1)
    assert got == [[97, 98, 99]] * 4
    assert (tmp_path / "log").read_text() == "asked\n"


SENTENCES = [f"{n} sentences, of many letters each" for n in range(40)]


def cached(folder: Path, sentences: list[str] = SENTENCES) -> tuple[list[int], Path]:
    found = tokenize_cached(Slow(folder / "log"), "slow", sentences).values.tolist()
    return found, max((folder / "xrt" / "tokens").glob("*.arrow"), key=lambda path: path.stat().st_mtime_ns)


def turn(path: Path, bit: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[bit // 8] ^= 1 << bit % 8
    path.write_bytes(raw)


@pytest.mark.parametrize("part", [".arrow", ".json"])
def test_a_file_in_which_a_bit_was_turned_is_made_again_and_it_is_said(tmp_path, monkeypatch, caplog, part):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    right, path = cached(tmp_path)
    size = path.with_suffix(part).stat().st_size
    draw = random.Random(3)
    for bit in [draw.randrange(8 * size) for _ in range(40)]:
        turn(path.with_suffix(part), bit)
        assert cached(tmp_path)[0] == right
        assert f"{path}: is not what was written there" in caplog.text
        caplog.clear()


@pytest.mark.parametrize("spoil", ["cut", "empty", "gone", "pipe", "another's"])
def test_a_cut_missing_or_swapped_file_is_made_again(tmp_path, monkeypatch, spoil):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    right, path = cached(tmp_path)
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif spoil == "empty":
        path.write_bytes(b"")
    elif spoil == "another's":
        other = cached(tmp_path, SENTENCES[::-1])[1]
        for end in (".arrow", ".json"):
            path.with_suffix(end).write_bytes(other.with_suffix(end).read_bytes())
    else:
        path.unlink()
        if spoil == "pipe":
            os.mkfifo(path)
    assert cached(tmp_path)[0] == right
    asked = (tmp_path / "log").read_text().count("asked")
    assert cached(tmp_path)[0] == right and (tmp_path / "log").read_text().count("asked") == asked


def test_a_file_of_an_earlier_format_which_has_no_fingerprint_is_made_again_without_a_word(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    right, path = cached(tmp_path)
    path.with_suffix(".json").unlink()
    turn(path, 999)
    assert cached(tmp_path)[0] == right and not caplog.messages
    assert path.with_suffix(".json").exists()
