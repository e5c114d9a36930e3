"""`delete` removes a run and its entries in MLflow, nothing else, and not while a process works on it."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.findings import worked
from tests.robust.conftest import build
from tests.tracking.trained import trained_trial
from xrt.findings.findings import findings
from xrt.record import Run
from xrt.study.__main__ import main
from xrt.tracking.projection import NOTE, parent
from xrt.tracking.registry import deliver
from xrt.tracking.tracker import sync


def told(run: Run, *words: str, code: int = 0, capfd: pytest.CaptureFixture[str]) -> str:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["xrt", *words, "--results", str(run.paths.results.root)])
        main()
    out, err = capfd.readouterr()
    assert (ended.value.code or 0) == code, out + err
    return out + err


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_deleted_run_is_gone_and_nothing_else_is(tmp_path: Path, capfd) -> None:
    stays, goes = (worked.make(tmp_path) for _ in range(2))
    for run in (stays, goes):
        worked.search(run, worked.SAMPLES[:2])
    before = files(stays.paths.root)
    said = told(goes, "delete", goes.name, "--yes", capfd=capfd)
    assert "3 trials, " in said and f"Deleted: {goes.name}" in said
    assert not goes.paths.root.exists() and files(stays.paths.root) == before
    assert goes.name not in told(stays, "list", capfd=capfd)


def test_without_a_yes_nothing_is_deleted(tmp_path: Path, capfd, monkeypatch) -> None:
    run = worked.make(tmp_path)
    before = files(run.paths.root)
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115
    assert "give --yes" in told(run, "delete", run.name, code=2, capfd=capfd)
    assert "name the run" in told(run, "delete", "mini", "--yes", code=2, capfd=capfd)
    assert files(run.paths.root) == before


def test_a_run_that_somebody_holds_is_refused_in_a_line(tmp_path: Path, capfd) -> None:
    run = worked.make(tmp_path)
    with run.hold():
        said = told(run, "delete", run.name, "--yes", code=2, capfd=capfd)
    assert said.startswith(f"{run.name}: is held by process {os.getpid()}") and said.count("\n") == 1
    assert run.meta.name == run.name


@pytest.mark.parametrize("where", ["trials", "tune", "."])
def test_a_link_in_a_run_is_not_followed(tmp_path: Path, capfd, where: str) -> None:
    run, other = worked.make(tmp_path / "results"), tmp_path / "other"
    worked.search(run, worked.SAMPLES[:1])
    other.mkdir()
    (other / "dear.txt").write_text("dear")
    (run.paths.root / where / "link").symlink_to(other)
    told(run, "delete", run.name, "--yes", code=2, capfd=capfd)
    assert (other / "dear.txt").read_text() == "dear" and run.paths.meta.exists()


@pytest.mark.slow
def test_mlflow_forgets_the_run_and_the_champion_needs_a_yes(tmp_path: Path, empty_store, capfd) -> None:
    import mlflow

    run = worked.make(tmp_path / "results")
    shutil.copy(empty_store, run.paths.results.mlflow_db)
    trained_trial(run, build("bert", tmp_path / "bert"))
    run.update_meta(status="finished", ended=worked.START + 7000, tracking="http://mlflow.example:5000")
    sync(run)
    deliver(run)
    client = mlflow.MlflowClient(run.paths.results.tracking_uri)
    [experiment] = [one for one in client.search_experiments() if one.name == "mini"]
    assert len(client.search_runs([experiment.experiment_id])) == 2
    refused = told(run, "delete", run.name, code=2, capfd=capfd)
    assert "models:/mini@champion belongs to this run and would be lost" in refused
    assert run.paths.meta.exists()
    said = told(run, "delete", run.name, "--yes", capfd=capfd)
    assert "MLflow: 2 runs moved to its bin" in said and "MLflow at http://mlflow.example:5000 keeps" in said
    assert not client.search_runs([experiment.experiment_id])
    assert not client.search_model_versions("name = 'mini'")
    assert client.get_registered_model("mini").aliases == {}
    newer = worked.make(run.paths.results.root)
    trained_trial(newer, tmp_path / "bert")
    newer.update_meta(status="finished", ended=worked.START + 9000)
    sync(newer)
    deliver(newer)
    assert client.get_model_version_by_alias("mini", "champion").tags["xrt.run"] == newer.name


def test_a_note_is_written_while_the_run_runs_and_shown_wherever_the_run_is(tmp_path: Path, capfd) -> None:
    other, run = worked.make(tmp_path), worked.make(tmp_path)
    worked.search(run)
    text = "with <b>dropout</b> [red]"
    with Run(run.paths).hold():
        assert "noted" in told(run, "note", run.name, text, capfd=capfd)
    assert text in " ".join(told(run, "list", capfd=capfd).split())
    assert f"Note: {text}" in told(run, "status", run.name, capfd=capfd)
    told(run, "report", run.name, capfd=capfd)
    page = run.paths.report.read_text()
    assert "Note: with &lt;b&gt;dropout" in page and "<b>dropout" not in page
    assert "dropout" in run.paths.report_markdown.read_text()
    assert parent(findings(run), {}, "").tags[NOTE].startswith(text)
    assert findings(other).note == ""
    told(run, "note", run.name, "", capfd=capfd)
    assert "Note" not in told(run, "status", run.name, capfd=capfd) and not run.paths.note.exists()


def test_a_note_holds_no_secret_and_has_an_end(tmp_path: Path, capfd) -> None:
    run = worked.make(tmp_path)
    told(run, "note", run.name, "at https://me:hunter2@host.example/x", capfd=capfd)
    assert "hunter2" not in run.paths.note.read_text()
    assert "at most 1,000" in told(run, "note", run.name, 1001 * "x", code=2, capfd=capfd)


def test_a_damaged_note_is_a_line_and_no_number_depends_on_it(tmp_path: Path, capfd) -> None:
    run = worked.make(tmp_path)
    worked.search(run, worked.SAMPLES[:1])
    told(run, "note", run.name, "dropout", capfd=capfd)
    run.paths.note.write_text(run.paths.note.read_text().replace("dropout", "drapout"))
    said = told(run, "status", run.name, capfd=capfd)
    assert f"{run.paths.note}: is damaged" in said and "Note:" not in said and "66.4" in said
    told(run, "note", run.name, "whole again", capfd=capfd)
    assert "Note: whole again" in told(run, "status", run.name, capfd=capfd)
