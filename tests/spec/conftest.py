"""A study file in a working directory of its own, and what loading it says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from xrt.errors import SpecError
from xrt.spec import load_study

MINIMAL = """\
task: pawsx
space:
  encoder: xlm-roberta-base
  learning_rate: 1e-5
  method: plain
"""
Problems = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """The problems of a study file with this text and these overrides; [] when there are none."""

    def load(text: str = MINIMAL, *overrides: str) -> list[str]:
        (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
        try:
            load_study("s.yaml", overrides)
        except SpecError as error:
            return error.problems
        return []

    return load
