"""Results that were moved or copied: nothing goes to the old folder, and the store is rebuilt from the records."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.findings import worked
from tests.tracking.conftest import dump, fill, in_a_new_process
from xrt.errors import RecordError
from xrt.record import Results, Run
from xrt.report.page import write_report
from xrt.tracking.moved import settle
from xrt.tracking.registry import deliver
from xrt.tracking.tracker import check, sync


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# In a process of its own: MLflow keeps open what it has opened. Once is enough, for each takes its seconds.
SETTLE = """
import json
from tests.tracking.conftest import dump
from xrt.tracking.moved import settle
from xrt.tracking.store import Store

said, again = [], []
settle(run.paths.results, None, said.append)
lacked = bool(sync(run))
settle(run.paths.results, None, again.append)
runs = map(Run, run.paths.results.runs())
known = {r.name: len(Store(r.paths.results, r.study, None).runs(r.meta.uid)) for r in runs}
print(json.dumps({"said": said, "lacked": lacked, "again": again, "known": known, "shown": dump(run)}))
"""


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_of_a_results_folder_that_was_moved_or_copied_nothing_is_written_to_the_old_place(
    run: Run, tmp_path: Path, how: Any
) -> None:
    fill(run)
    sync(run)
    old, new = run.paths.results.root, tmp_path / "elsewhere"
    shown = dump(run)
    how(old, new)
    before = files(old) if old.exists() else None
    there = Run.open(Results.at(new), run.name)
    for send in (sync, deliver, lambda run: check(run.paths.results)):
        with pytest.raises(RecordError, match=f"belongs to {old}; the results folder was moved or copied"):
            send(there)
    stored = (new / "mlflow.db").read_bytes()
    made = json.loads(in_a_new_process(there, SETTLE))
    assert (
        f"moved or copied from {old}" in made["said"][0] and str(new / "mlflow-moved-1") in made["said"][-1]
    )
    assert (new / "mlflow-moved-1" / "mlflow.db").read_bytes() == stored, "kept, for what others added to it"
    assert not made["lacked"], "the new store has everything"
    assert made["shown"] == json.loads(json.dumps(shown))
    assert made["again"] == [], "once"
    assert (files(old) if old.exists() else None) == before


def test_a_store_made_again_has_the_reports_and_the_runs_that_it_had_but_for_those_that_are_damaged(
    run: Run, tmp_path: Path
) -> None:
    damaged, later = (Run.create(run.paths.results, worked.SPEC, run.meta.data) for _ in range(2))
    for one in (run, damaged, later):
        fill(one)
    for one in (run, damaged):
        sync(one)
    new = tmp_path / "elsewhere"
    shutil.copytree(run.paths.results.root, new)
    there = Run.open(Results.at(new), run.name)
    write_report(there)
    Run.open(Results.at(new), damaged.name).paths.trial("0002").write_text("{")
    made = json.loads(in_a_new_process(there, SETTLE))
    assert made["known"] == {run.name: 7, damaged.name: 0, later.name: 0}
    assert [line.partition(":")[0] for line in made["said"][1:-1]] == [damaged.name] and not made["lacked"]
    [report] = (new / "mlartifacts").rglob("report.html")
    assert report.read_bytes() == there.paths.report.read_bytes()
    assert not (run.paths.results.root / "mlartifacts").exists()


def test_a_store_of_a_folder_in_which_somebody_works_is_not_set_aside(run: Run, tmp_path: Path) -> None:
    fill(run)
    sync(run)
    new = tmp_path / "elsewhere"
    shutil.copytree(run.paths.results.root, new)
    there = Run.open(Results.at(new), run.name)
    with there.hold(), pytest.raises(RecordError, match=f"somebody works on {run.name}"):
        settle(there.paths.results, None, print)
    assert (new / "mlflow.db").exists() and not (new / "mlflow-moved-1").exists()


def test_the_same_results_folder_by_another_name_is_no_other(run: Run, tmp_path: Path) -> None:
    fill(run)
    sync(run)
    (tmp_path / "link").symlink_to(run.paths.results.root)
    assert not sync(Run.open(Results.at(tmp_path / "link"), run.name))
