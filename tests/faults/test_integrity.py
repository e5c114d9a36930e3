"""A short table of turned bits; `python -m tests.faults.integrity 1000` makes a long one."""

from pathlib import Path

import pytest

from tests.faults.integrity import table


@pytest.mark.slow
def test_no_turned_bit_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rows = table(7)
    assert sum(row.tried for row in rows.values()) >= 60
    assert [example for row in rows.values() for example in row.examples] == []
    for kind in ("predictions-*.arrow", "weights.safetensors", "trials/*.json"):
        assert rows[kind].noticed >= 4, "the bits are turned where somebody looks"
