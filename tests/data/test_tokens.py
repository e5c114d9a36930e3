import multiprocessing
import time
from pathlib import Path

from xrt.data.tokens import tokenize_cached


class Slow:
    """A tokenizer that takes its time and notes that it was asked."""

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
