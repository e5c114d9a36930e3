"""One real run of a small study, checked from all sides: record, MLflow, Optuna, screen."""

import json

import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from xrt.data import Source, load
from xrt.findings.findings import findings
from xrt.findings.markdown import plain_text
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.robust.predictions import Predictions
from xrt.search.scoring import metrics_of_predictions
from xrt.spec import TrialConfig
from xrt.spec.metric import MEANS

CELLS = {"dev/acc/en", "dev/acc/de", "dev/acc/fr"} | {
    f"dev/pair/{a}-{b}" for a in ("en", "de", "fr") for b in ("en", "de", "fr") if a != b
}
# The mean of the one source is its accuracy.
REPORTED_MEANS = {f"dev/{kind}/{name}" for kind in ("mean", "se") for name in MEANS if name != "sources"}
SHARES = {"dev/commonest/label", "dev/commonest/prediction"}
PROXIES = {"dev/proxy/noise"}  # no table of synonyms is given


@pytest.fixture(scope="module")
def run(finished):
    return Run.open(Results.at(finished.folder / "results"), "toy")


@pytest.fixture(scope="module")
def search(run):
    return [t for t in run.trials() if t.phase == "search"]


def test_all_trials_end_and_some_are_pruned(search):
    states = [t.state for t in search]
    assert len(states) == 8 and set(states) == {"finished", "pruned"}


def test_a_pruned_trial_stopped_before_its_budget_and_a_finished_one_did_not(search):
    for trial in search:
        shares = [r.share for r in trial.reports]
        assert shares == [0.25, 0.5, 1.0][: len(shares)]
        assert (shares[-1] == 1.0) == (trial.state == "finished")
        assert [r.step for r in trial.reports] == [3, 6, 12][: len(shares)]


def test_finished_trials_report_every_cell_and_mean_of_the_whole_dev_split(search):
    for trial in search:
        names = {name for name in trial.metrics if name.startswith("dev/")}
        assert names == CELLS | REPORTED_MEANS | SHARES | (PROXIES if trial.state == "finished" else set())


def test_the_test_split_is_read_in_the_confirmation_only(run):
    for trial in run.trials():
        reads_test = any(name.startswith("test/") for report in trial.reports for name in report.metrics)
        assert reads_test == (trial.phase == "confirm") == TrialConfig.from_dict(trial.config).test


def test_every_arm_gets_its_trials_in_turn(search):
    assert [t.method for t in search] == ["plain", "adversarial", "noise"] * 2 + ["plain", "adversarial"]


def test_the_confirmation_trains_the_best_of_every_arm_and_its_ablation_with_new_seeds(run):
    confirmed = [t for t in run.trials() if t.phase == "confirm"]
    candidates = findings(run).candidates
    assert {t.seed for t in confirmed} == {4, 5} and all(t.state == "finished" for t in confirmed)
    assert {t.configuration for t in confirmed} == set(candidates.params)
    assert {arm.method for arm in candidates.best} == {"plain", "adversarial", "noise"}
    assert {arm.method for arm in candidates.ablation} == {"adversarial", "noise"}
    for trial in confirmed:
        assert trial.params == candidates.params[trial.configuration]


def test_a_parameter_belongs_to_its_method(search):
    assert len({t.method for t in search}) > 1
    for trial in search:
        assert {name.split(".")[0] for name in trial.params if "." in name} <= {trial.method}


def test_optuna_knows_pruned_trials_as_pruned_with_their_values(run, search):
    storage = JournalStorage(JournalFileBackend(str(run.paths.optuna)))
    told = optuna.load_study(study_name="toy", storage=storage).trials
    assert [t.state.name for t in told] == [
        {"finished": "COMPLETE", "pruned": "PRUNED"}[t.state] for t in search
    ]
    for known, trial in zip(told, search, strict=True):
        values = {r.rung: r.metrics["dev/mean/mixed"] for r in trial.reports}
        assert known.intermediate_values == pytest.approx(values)
        if trial.state == "finished":
            assert known.value == pytest.approx(trial.metrics["dev/mean/mixed"])


def test_mlflow_shows_one_parent_and_a_child_per_trial(run):
    client = MlflowClient(run.paths.results.tracking_uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "toy"]
    runs = client.search_runs([experiment.experiment_id])
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    children = {r.data.tags["xrt.trial"]: r for r in runs if r not in parents}
    assert len(parents) == 1 and parents[0].info.status == "FINISHED"
    assert set(children) == {t.id for t in run.trials()}
    for trial in run.trials():
        child = children[trial.id]
        assert child.info.status == {"finished": "FINISHED", "pruned": "KILLED"}[trial.state]
        assert child.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
        assert child.data.metrics == pytest.approx(
            {name: value for report in trial.reports for name, value in report.metrics.items()}
        )
        assert child.data.params["learning_rate"] == str(trial.params["learning_rate"])


def test_saved_predictions_give_the_reported_accuracies(run, search, finished):
    trial = next(t for t in search if t.state == "finished")
    folder = run.paths.root / trial.checkpoint
    predictions = Predictions.open(folder / "predictions-dev.arrow")
    names = CELLS | REPORTED_MEANS | SHARES
    reported = {name: value for name, value in trial.metrics.items() if name in names}
    task = TrialConfig.from_dict(trial.config).task
    found = dict(metrics_of_predictions(task, "dev", predictions, task.pairs()))
    assert found == pytest.approx(reported)
    task = TrialConfig.from_dict(trial.config).task
    aligned = load(task, Source("folder", str(finished.folder / "data")), "dev")
    assert predictions.counts["de", "fr"][1] == len(aligned.pair("de", "fr").rows) == 28


def test_of_pruned_trials_nothing_stays_of_finished_ones_the_predictions_and_of_the_best_the_weights(
    run, search
):
    for trial in search:
        kept = list((run.paths.tune).rglob(f"{trial.id}/checkpoint_*/predictions-dev.arrow"))
        assert len(kept) == (trial.state == "finished")
        assert (trial.checkpoint is None) == (trial.state == "pruned")
    done = [trial for trial in search if trial.state == "finished"]
    best = max(done, key=lambda trial: (trial.metrics["dev/mean/mixed"], -int(trial.id)))
    assert (run.paths.root / best.checkpoint / "weights.safetensors").exists()


def test_every_trial_of_the_search_is_judged_on_the_same_sample(run, search):
    rows = {json.dumps(TrialConfig.from_dict(t.config).rung_rows) for t in search}
    assert rows == {"null"}  # the cost rule, which depends on task and training alone


def test_the_screen_tells_the_end(finished, run):
    printed = " ".join((finished.folder / "printed.txt").read_text().split())  # lines may break anywhere
    assert f"{run.name}: finished" in printed and "xrt.study ui" in printed
    assert "Last result" not in printed and "trainable_" not in printed, "what Tune says of its trials"
    assert (
        "Confirmed configurations" in printed
        and "Accuracy, %" in printed
        and "Pruning saved" in printed
        and "report.html" in printed
    )
    assert "Traceback" not in printed and "Loading weights" not in printed


def test_mlflows_page_of_the_run_says_what_the_screen_says_and_has_the_winners_numbers(finished, run):
    found = findings(run)
    confirmed = found.confirmation
    client = MlflowClient(run.paths.results.tracking_uri)
    [parent] = client.search_runs(["1"], "tags.`xrt.outcome` = 'finished' and params.`search.trials` = '8'")
    sentence = found.answer.sentence
    assert parent.data.tags["mlflow.note.content"].startswith(f"**{plain_text(sentence)}**")
    assert sentence in " ".join((finished.folder / "printed.txt").read_text().split())
    assert parent.data.metrics["test/mean/mixed"] == pytest.approx(
        confirmed.accuracy(confirmed.winner, confirmed.metrics[0]).mean
    )
    [version] = client.search_model_versions("name = 'toy'")
    assert version.tags["xrt.run"] == run.name and version.tags["xrt.trial"] == found.champion.id


def test_dropped_examples_are_counted_on_the_screen_in_the_record_and_in_mlflow(finished, run):
    told = "these are left out of pairs with de (1 missing), fr (1 label conflict with en)."
    line = f"dev: of 30 aligned examples, {told}"
    assert line in (finished.folder / "printed.txt").read_text()
    assert run.meta.dropped == (line,)
    client = MlflowClient(run.paths.results.tracking_uri)
    (parent,) = [
        r
        for e in client.search_experiments()
        for r in client.search_runs([e.experiment_id], "tags.`xrt.dropped` != ''")
    ]
    assert parent.data.tags["xrt.dropped"] == line


def test_a_second_sync_changes_nothing(finished):
    assert "MLflow is up to date" in finished.here("sync", "toy")


def test_one_trial_runs_alone_and_repeats_its_numbers(finished, search):
    trial = next(t for t in search if t.state == "finished")
    printed = finished.here("trial", "toy", trial.id)
    assert f"{'dev/mean/mixed':32} {trial.metrics['dev/mean/mixed']:.4f}" in printed


def test_the_record_holds_how_far_the_encoder_puts_translations_apart(run):
    ((encoder, sites),) = run.meta.misalignment.items()
    assert encoder == "encoder" and set(sites) == {"words", "states"}
    for probed in sites.values():
        assert set(probed["distance"]) == {"de", "fr"}
        assert min(*probed["distance"].values(), probed["unrelated"], probed["norm"]) > 0
