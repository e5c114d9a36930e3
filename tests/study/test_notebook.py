"""A run in a notebook: its trials as a table, matrices, findings; `import xrt` alone loads nothing big."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import xrt
from tests.findings import worked
from xrt.errors import RecordError, SpecError
from xrt.record import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = worked.make(tmp_path / "results")
    worked.search(run)
    worked.confirm(run, seeds=3)
    return run


def opened(run: Run):
    return xrt.open(run.study, str(run.paths.results.root))


def test_trials_are_a_row_each_with_parameters_and_metrics_in_columns_of_their_own(run: Run) -> None:
    trials = opened(run).trials
    assert list(trials.index) == [trial.id for trial in run.trials()]
    assert not any("/pair/" in name for name in trials.columns)
    best = trials[trials.state == "finished"].sort_values("dev/mean/mixed").iloc[-1]
    assert trials.loc["0000", "learning_rate"] == run.trial("0000").params["learning_rate"]
    assert best["dev/mean/mixed"] == max(
        t.score("dev/mean/mixed") for t in run.trials() if t.state == "finished"
    )
    assert trials.groupby("method")["seed"].count().sum() == len(trials)


def test_a_matrix_has_the_accuracies_of_a_trial_by_both_languages(run: Run) -> None:
    trial, matrix = run.trial("0000"), opened(run).matrix("0000")
    assert matrix.equals(opened(run).matrix(0))
    assert matrix.loc["de", "zh"] == trial.metrics["dev/pair/de-zh"]
    assert matrix.loc["de", "de"] == trial.metrics["dev/acc/de"]
    assert opened(run).matrix("0000", "test").isna().all().all(), "the search never evaluates test"
    with pytest.raises(RecordError, match="no such trial"):
        opened(run).matrix("9999")


def test_findings_show_their_sentence_and_a_run_its_name(run: Run) -> None:
    run_here = opened(run)
    assert repr(run_here.findings) == run_here.findings.answer.sentence
    assert repr(run_here) == f"{run.name}: {run_here.findings.answer.sentence}"


def test_one_run_is_a_table_of_one_row(run: Run) -> None:
    assert list(xrt.compare(run.name, str(run.paths.results.root)).index) == [run.name]


def test_runs_are_compared_in_one_table(run: Run) -> None:
    table = xrt.compare([run.name, run.study], str(run.paths.results.root))
    assert isinstance(table, pd.DataFrame) and list(table.index) == [run.name, run.name]
    confirmed = opened(run).findings.confirmation
    assert confirmed and confirmed.winner
    assert table.iloc[0]["mean/mixed"] == confirmed.accuracy(confirmed.winner, confirmed.metrics[0]).mean
    assert table.iloc[0]["seeds"] == 3 and table.iloc[0]["split"] == "test"


def test_a_study_that_is_wrong_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"search\.trials"):
        xrt.run("mini", ["search.trials=0"], str(tmp_path / "results"))
    assert not (tmp_path / "results").exists()


def test_importing_the_package_loads_no_library_and_it_has_three_names(root: Path) -> None:
    code = (
        "import sys, xrt; print(sorted(xrt.__all__), {'torch', 'ray', 'pandas', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "['compare', 'open', 'run'] set()"
    with pytest.raises(AttributeError, match="no attribute 'opened'"):
        xrt.opened  # noqa: B018


def test_figures_are_those_of_the_report_and_show_themselves(run: Run) -> None:
    figures = opened(run).figures
    assert {"matrix", "parameters", "tuning", "costs"} <= figures.keys()
    assert figures["matrix"].rows and figures["matrix"].caption
    assert figures["matrix"]._repr_png_().startswith(b"\x89PNG")
