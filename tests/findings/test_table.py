"""Rows of text about confirmed configurations."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.findings.findings import findings
from xrt.findings.table import voted_rows
from xrt.spec.sections import Evaluation


def test_votes_are_compared_with_the_answers_without_them_seed_by_seed(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    worked.search(run)
    worked.confirm(run, seeds=3)
    for trial in run.trials():
        if trial.phase == "confirm":
            assert trial.last is not None
            metrics = dict(trial.last.metrics)
            for mean, more in (("mixed", 0.02), ("targets", -0.01)):
                metrics[f"test/votes/{mean}"] = metrics[f"test/mean/{mean}"] + more
            run.save(replace(trial, reports=(*trial.reports[:-1], replace(trial.last, metrics=metrics))))
    found = findings(run)
    assert voted_rows(found) is None, "the study does not ask for votes"
    asked = replace(found, spec=found.spec.model_copy(update={"evaluation": Evaluation()}))
    table = voted_rows(asked)
    assert table is not None and asked.confirmation is not None
    assert len(table.rows) == len(asked.confirmation.configurations)
    assert [name for name in table.head if "%" in name][:2] == ["mixed pairs, %", "with votes, %"]
    for row in table.rows:
        change = [row.cells[i] for i, name in enumerate(table.head) if name == "change, points"]
        assert change == ["+2.0", "−1.0"]
        alone, voted = (float(cell.split()[0]) for cell in row.cells[4:6])
        assert voted - alone == pytest.approx(2, abs=0.11)
