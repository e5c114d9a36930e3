"""A thousand damaged files, for every reader: `python -m tests.faults.fuzz 30` tries them for half an hour."""

from pathlib import Path

from tests.faults.fuzz import READERS, Fuzzer


def test_a_damaged_file_is_read_or_is_an_error_of_one_line(tmp_path: Path) -> None:
    fuzzer = Fuzzer(tmp_path)
    tries = [fuzzer.attempt(seed) for seed in range(1000)]
    assert [(seed, *tried) for seed, tried in enumerate(tries) if tried[1]] == []
    assert {name for name, _ in tries} == set(READERS)
