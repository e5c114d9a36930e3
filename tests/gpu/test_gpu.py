import json
import subprocess
import sys

import pytest

from tests.gpu.__main__ import SECTIONS, main

NEED_A_CARD = {"launches", "memory", "shortage", "packing"}


@pytest.mark.slow
def test_the_acceptance_run_itself_works_on_a_cpu(tmp_path, capsys):
    """All but `run mini`, whose kind has tests of its own."""
    sections = [name for name in SECTIONS if name != "study"]
    assert main([*sections, "--cpu", "--out", str(tmp_path)]) == 0
    told, shown = json.loads((tmp_path / "gpu.json").read_text())["sections"], capsys.readouterr().out
    assert [one["section"] for one in told] == sections and not any(one["error"] for one in told)
    assert {one["section"] for one in told if not one["figures"]} == NEED_A_CARD
    assert shown == (tmp_path / "gpu.log").read_text() and shown.count("needs a card") == len(NEED_A_CARD)


def test_a_section_that_fails_is_a_line_and_the_next_begins(tmp_path, capsys, monkeypatch):
    def broken(card):
        """A section that raises."""
        raise RuntimeError("the card is on fire")
        yield

    monkeypatch.setitem(SECTIONS, "precision", broken)
    assert main(["precision", "clock", "--cpu", "--out", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "failed: RuntimeError: the card is on fire" in shown and "copy on the device" in shown


def test_without_a_card_it_says_so_in_a_line(tmp_path):
    words = [sys.executable, "-m", "tests.gpu", "--out", str(tmp_path)]
    hidden = {"CUDA_VISIBLE_DEVICES": "", "PATH": ""}
    done = subprocess.run(words, capture_output=True, text=True, env=hidden, check=False)
    assert done.returncode == 2 and done.stderr.startswith("no card: ") and done.stderr.count("\n") == 1
    assert not done.stdout
