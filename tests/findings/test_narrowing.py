"""The next study lies where the best trials of a run are, inside the old one."""

from pathlib import Path

import pytest

from tests.findings import worked
from xrt.errors import RecordError
from xrt.findings.findings import findings
from xrt.findings.narrowing import narrow
from xrt.findings.ranking import ranked
from xrt.spec.study import StudySpec
from xrt.spec.values import Range


def test_the_next_study_holds_the_best_trial_of_every_arm_and_is_inside_the_old_one(tmp_path: Path) -> None:
    run = worked.make(tmp_path / "results")
    worked.search(run)
    found = findings(run)
    spec = narrow(found)
    assert StudySpec.model_validate(spec.to_plain()) == spec and spec.study == f"{run.spec.study}-narrow"
    assert spec.search.seed != run.spec.search.seed
    old, new, smaller = dict(run.spec.values()), dict(spec.values()), 0
    for name, value in new.items():
        before = old[name]
        if isinstance(value, Range) and isinstance(before, Range):
            assert before.low <= value.low < value.high <= before.high
            smaller += (value.low, value.high) != (before.low, before.high)
    assert smaller, "some range became smaller"
    for arm in spec.arms:
        for name, number in ranked(found.trials, found.spec.metric, arm=arm)[0].params.items():
            if isinstance(value := new.get(name), Range):
                assert value.low <= number <= value.high


def test_a_run_without_reports_has_nothing_to_narrow_around(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="nothing to narrow around"):
        narrow(findings(worked.make(tmp_path / "results")))
