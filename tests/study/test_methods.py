"""A run whose methods have changed their meaning is neither repeated nor resumed."""

from dataclasses import replace
from pathlib import Path

import pytest

from xrt.errors import SpecError
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.spec import build, load_study
from xrt.study.running import check_methods

SAMPLE = {"encoder": "mini-a", "learning_rate": 1e-3, "method": "free", "free.radius": 0.1}


def recorded(folder: Path, *versions: int) -> Run:
    """A run with a trial of `free` of each version."""
    spec = load_study("mini", ["confirm=null"])
    run = Run.create(Results(folder), spec)
    for i, version in enumerate(versions):
        config = replace(build(spec, SAMPLE, seed=i), version=version)
        run.save(TrialRecord(f"{i:04}", dict(SAMPLE), config.to_dict(), seed=i))
    return run


def test_one_line_says_what_each_method_meant(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        check_methods(recorded(tmp_path, 1, 1, 2))
    [line] = refused.value.problems
    assert "free meant something else when this was recorded (K gradients and K - 1 ascents" in line
    assert "run the study anew" in line


def test_a_run_of_the_methods_as_they_are_is_taken(tmp_path: Path) -> None:
    check_methods(recorded(tmp_path, 2, 2))
