"""A short table of flipped bits; `python -m tests.faults.integrity 1000` makes a long one."""

import faulthandler
import os
import signal
from pathlib import Path

import pytest

from tests.faults.integrity import Row, guarded, table


@pytest.mark.slow
def test_no_turned_bit_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rows = dict(table(16))
    assert sum(row.tried for row in rows.values()) >= 140
    assert [example for row in rows.values() for example in row.examples] == []
    for kind in ("predictions-*.arrow", "weights.safetensors", "trials/*.json"):
        assert rows[kind].noticed >= 8, "the bits are turned where somebody looks"


class Fatal:
    """At the second time the process ends as a broken library ends it, at the third it never answers."""

    mended = 0

    def once(self, row: Row, number: int) -> None:
        if number == 1:
            faulthandler.disable()  # pytest's, which would print where
            os.kill(os.getpid(), signal.SIGSEGV)
        if number == 2:
            signal.pause()
        row.noticed += 1

    def mend(self) -> None:
        self.mended += 1


def test_what_ends_or_silences_the_reader_is_counted_and_the_rest_is_tried() -> None:
    turns = Fatal()
    row = guarded(turns, 5, limit=10.0)
    assert (row.tried, row.noticed, row.died, row.hang) == (5, 3, 1, 1) and not row.sound
    assert row.examples == ["time 1: the process ended with -11", "time 2: no answer"] and turns.mended == 4
