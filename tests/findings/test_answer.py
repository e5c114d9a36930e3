"""The answer of a run: its sentence, one line per arm, and the evidence."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.findings.answer import constant, weak_attack
from xrt.findings.findings import Findings, findings
from xrt.record import Report, Run, TrialRecord


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = worked.make(tmp_path)
    worked.search(run)
    return run


@pytest.fixture
def done(run: Run) -> Findings:
    worked.confirm(run)
    return findings(run)


def evidence(found: Findings) -> str:
    return " ".join(found.answer.evidence)


def test_it_names_method_encoder_difference_and_interval_on_both_primary_metrics(done: Findings) -> None:
    said = done.answer
    assert said.tone == "better"
    assert said.sentence.startswith(
        "Adversarial (radius 0.11, steps 1) with mini-a is better than plain fine-tuning"
    )
    assert "on mixed pairs" in said.sentence and "on target languages" in said.sentence


def test_every_arm_has_a_line_with_its_verdict(done: Findings) -> None:
    lines = done.answer.arms
    assert [line.split()[0] for line in lines] == ["plain", "adversarial", "noise", "synonyms"]
    assert all("better" in line or "no reliable difference" in line for line in lines[1:])
    assert "5 seeds" in lines[0]


def test_numbers_are_the_recorded_ones(done: Findings) -> None:
    confirmed = done.confirmation
    assert confirmed and confirmed.winner
    best, other = confirmed.best(confirmed.winner), confirmed.reference(confirmed.winner)
    assert other is not None
    metric = confirmed.metrics[0]
    ours, theirs = ([t.score(str(metric)) for t in c.trials] for c in (best, other))
    assert confirmed.accuracy(confirmed.winner, metric).mean == pytest.approx(sum(ours) / 5)
    gain = confirmed.claims_of(confirmed.winner)[0].difference
    assert gain.mean == pytest.approx((sum(ours) - sum(theirs)) / 5)
    assert (gain.seeds, gain.groups) == (5, 100)


def test_it_says_over_how_much_and_how_it_is_corrected(done: Findings) -> None:
    said = evidence(done)
    assert "On test, 5 seeds, 200 examples in 100 groups that share no sentence" in said
    assert "corrected for 6 comparisons" in said and "42 pairs" in said


def test_what_english_alone_would_have_chosen_stands_beside_it(done: Findings) -> None:
    chosen = [line for line in done.answer.evidence if line.startswith("Chosen by")]
    assert [line.split(":")[0] for line in chosen] == ["Chosen by dev/mean/mixed", "Chosen by dev/acc/en"]


def test_ties_are_said(run: Run) -> None:
    for trial in run.trials():
        if trial.state == "finished":
            last = trial.reports[-1]
            tied = replace(last, metrics={**last.metrics, "dev/acc/en": 1.0})
            run.save(replace(trial, reports=(*trial.reports[:-1], tied)))
    worked.confirm(run)
    found = findings(run)
    rule = next(r for r in found.rules if str(r.rule) == "dev/acc/en")
    assert rule.trial == found.best_trial, "ties are broken by the study's metric"
    assert f"one of {len(found.ranking)} tied trials among {len(found.ranking)}" in evidence(found)


def test_without_predictions_the_seeds_alone_speak_and_it_is_said(run: Run, done: Findings) -> None:
    for path in run.paths.tune.rglob("predictions-*.arrow"):
        path.write_bytes(b"torn")
    found = findings(run)
    assert found.confirmation and done.confirmation
    ours, theirs = (f.confirmation.claims[0].difference for f in (found, done))
    assert ours.groups == 0 and ours.mean == pytest.approx(theirs.mean)
    assert "over seeds only" in evidence(found)


def test_no_reliable_difference_says_what_could_have_been_seen(run: Run) -> None:
    params = findings(run).candidates.params
    for id in params:
        for seed in range(8, 13):
            alike = worked.confirmed(run, id, worked.SAMPLES[0], seed)
            run.save(replace(alike, params=params[id]))
    said = findings(run).answer
    assert said.tone == "none" and said.sentence.startswith("No reliable difference between adversarial")
    assert any("A true difference of" in line and "With 10 seeds" in line for line in said.evidence)


def test_plain_as_winner_is_said_plainly(run: Run) -> None:
    for trial in run.trials():
        if trial.method != "plain":
            run.save(replace(trial, state="failed"))
    worked.confirm(run)
    said = findings(run).answer
    assert said.tone == "none" and said.sentence.startswith("Plain fine-tuning won the search")
    assert "No trial finished in: adversarial; noise; synonyms." in " ".join(said.evidence)


def test_one_seed_is_no_evidence(run: Run) -> None:
    worked.confirm(run, seeds=1)
    said = findings(run).answer
    assert said.tone == "open" and said.sentence.startswith("No verdict yet")


def test_failed_seeds_stand_in_the_box_and_forbid_better(run: Run) -> None:
    worked.confirm(run, seeds=9)
    run.update_meta(seeds=(9, 9))
    lost = run.trial("0004-s9")
    run.save(replace(lost, state="failed", reason="TrainingError: loss is NaN", reports=()))
    said = findings(run).answer
    assert said.tone != "better" and "is unstable: 1 seed failed" in said.sentence
    assert any("1 of 9 seeds failed" in line for line in said.evidence)


def test_a_search_alone_is_not_taken_for_an_answer(run: Run, tmp_path: Path) -> None:
    said = findings(run).answer
    assert said.tone == "open" and said.sentence.startswith("Not confirmed: trial 0004")
    empty = findings(worked.make(tmp_path / "empty"))
    assert empty.answer.sentence == "No answer: no trial of the search has finished; the run has not ended."


def test_where_nothing_was_learned_nothing_wins(run: Run) -> None:
    params = findings(run).candidates.params
    for id in params:
        for seed in range(8, 13):
            trial = worked.confirmed(run, id, params[id], seed)
            metrics = {n: 0.6 for n in trial.metrics if n.startswith(("dev/", "test/"))}
            metrics |= {
                "test/commonest/label": 0.6,
                "dev/commonest/label": 0.6,
                "dev/commonest/prediction": 1.0,
            }
            trial = replace(trial, reports=(replace(trial.reports[0], metrics=metrics),), checkpoint=None)
            run.save(trial)
    said = findings(run).answer
    assert (
        said.tone == "none" and said.sentence.startswith("Nothing was learned") and "60.0 %" in said.sentence
    )
    assert any("trainings predict the same label for every dev example" in line for line in said.evidence)
    assert findings(run).short.startswith("nothing was learned")


def test_a_confirmation_that_has_begun_has_no_verdict_yet(run: Run) -> None:
    params = findings(run).candidates.params
    run.save(worked.confirmed(run, "0000", params["0000"], 8))
    begun = findings(run)
    assert begun.answer.tone == "open"
    assert begun.answer.sentence == "No verdict yet: the confirmation has begun (1 training finished)."
    assert begun.short == "the confirmation has begun (1 training finished)"
    run.update_meta(status="stopped")
    assert findings(Run(run.paths)).answer == begun.answer, (
        "nor has one that was stopped before its first look"
    )


def test_a_constant_prediction_is_measured_by_the_metric_that_it_stands_beside(done: Findings) -> None:
    confirmed = done.confirmation
    assert confirmed and confirmed.learned
    seeds = next(iter(confirmed.configurations.values())).predictions["test"]
    one = next(iter(seeds.values()))
    for metric in confirmed.metrics:
        cells = metric.cells(one.pairs, one.sources)
        assert confirmed.constant(metric) == one.constant(cells)
        assert f"{100 * one.constant(cells):.1f} % on {metric.words}" in confirmed.constants


def test_added_seeds_are_said(run: Run, done: Findings) -> None:
    trial = run.trial("0004-s8")
    run.save(replace(trial, added=True))
    assert "1 training was added after the verdicts had been seen" in evidence(findings(run))


def test_the_champion_is_the_best_seed_on_dev_of_what_the_search_ranks_first(
    run: Run, done: Findings
) -> None:
    seeds = [t for t in done.trials if t.configuration == "0004" and t.phase == "confirm"]
    assert done.champion == max(seeds, key=lambda t: t.score(worked.METRIC))


def reported(**metrics: float) -> TrialRecord:
    trial = TrialRecord("0003", {"method": "adversarial"}, {}, seed=7)
    return trial.reported(Report(0, 1.0, 10, 0.0, metrics))


def test_an_attack_without_effect_and_a_constant_prediction_are_warned_of() -> None:
    assert weak_attack(reported(**{"train/attack_gain": 0.2})) is None
    assert "does not raise the loss" in str(weak_attack(reported(**{"train/attack_gain": -0.01})))
    share = {"dev/commonest/label": 0.6}
    assert constant(reported(**share, **{"dev/commonest/prediction": 0.7})) is None
    assert "60.0 %" in str(constant(reported(**share, **{"dev/commonest/prediction": 1.0})))
    assert constant(reported()) is None
