"""Messages about stores that cannot or should not be used."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.errors import RecordError
from xrt.record import Run
from xrt.record.paths import Results
from xrt.report.page import write_report
from xrt.tracking.registry import deliver
from xrt.tracking.store import tables
from xrt.tracking.tracker import check, sync


@pytest.mark.parametrize("ask", [check, tables])
def test_a_store_of_another_version_of_mlflow_is_one_line_with_the_command_and_its_address(
    ask, empty_store: Path, tmp_path: Path
) -> None:
    results = Results(tmp_path)
    shutil.copy(empty_store, results.mlflow_db)
    with sqlite3.connect(results.mlflow_db) as store:
        store.execute("UPDATE alembic_version SET version_num = '39d1c3be5f05'")
    with pytest.raises(RecordError) as caught:
        ask(results)
    [said] = caught.value.problems
    assert f"mlflow db upgrade sqlite:///{results.mlflow_db.absolute()}" in said and "another version" in said
    assert "\n" not in said


def _linked(name: str):
    def plant(run: Run, outside: Path) -> None:
        path = run.paths.results.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rename(outside.parent / "was")
        path.symlink_to(outside if "mlart" in name else outside / "file")

    return plant


def _piped(run: Run, outside: Path) -> None:
    run.paths.results.mlflow_db.unlink()
    os.mkfifo(run.paths.results.mlflow_db)


def _said(statement: str):
    def plant(run: Run, outside: Path) -> None:
        sync(run)
        with sqlite3.connect(run.paths.results.mlflow_db) as store:
            store.execute("DELETE FROM experiment_tags")
            store.execute(statement.format(outside=outside))

    return plant


HOSTILE = {
    "linked store": _linked("mlflow.db"),
    "linked journal": _linked("mlflow.db-journal"),
    "linked lock": _linked(".mlflow.lock"),
    "linked artifacts": _linked("mlartifacts"),
    "linked artifacts of the study": _linked("mlartifacts/mini"),
    "pipe": _piped,
    "address of the experiment": _said("UPDATE experiments SET artifact_location = 'file://{outside}/mini'"),
    "address of the runs": _said("UPDATE runs SET artifact_uri = 'file://{outside}/a'"),
    "address with dots": _said("UPDATE runs SET artifact_uri = artifact_uri || '/../../../../../{outside}'"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_store_in_somebody_elses_results_leads_nowhere(kind: str, run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "home"
    outside.mkdir()
    (outside / "file").write_text("mine")
    worked.search(run, worked.SAMPLES[:1])
    write_report(run)
    HOSTILE[kind](run, outside)
    with pytest.raises(RecordError) as refused:
        sync(run)
        deliver(run)
    assert len(refused.value.problems) == 1 and "\n" not in str(refused.value)
    assert [path.name for path in outside.iterdir()] == ["file"] and (outside / "file").read_text() == "mine"
