"""The page of an ended run in MLflow."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.findings.compare import fields
from xrt.findings.findings import findings
from xrt.findings.markdown import plain_text
from xrt.record import Run
from xrt.tracking import projection
from xrt.tracking.outcome import Outcome, outcome


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = worked.make(tmp_path)
    worked.search(run)
    return run


def page(run: Run) -> projection.Projected:
    return projection.parent(findings(run), {"0004": "abc"}, "#/experiments/1")


def outcome_of(run: Run) -> Outcome:
    found = outcome(findings(run))
    assert found is not None
    return found


def test_a_run_that_still_runs_shows_the_search_only(run: Run) -> None:
    assert outcome(findings(run)) is None
    assert page(run).tags[projection.NOTE].startswith("**Best dev/mean/mixed")


def test_the_description_is_the_confirmed_answer_and_then_the_search(run: Run) -> None:
    worked.confirm(run)
    note = page(run).tags[projection.NOTE]
    assert note.startswith(f"**{findings(run).answer.sentence}**")
    assert "| **0004** | **adversarial (radius 0.11, steps 1)** | **mini-a** |" in note
    assert "ablation of adversarial" in note and "| 0004-plain | plain |" in note
    assert note.endswith(f"Run `{run.name}`, study `mini`.")


def test_the_numbers_are_the_winners_means_and_its_gain_with_the_interval(run: Run) -> None:
    worked.confirm(run)
    confirmed = findings(run).confirmation
    assert confirmed and confirmed.winner
    points = {p.key: p.value for p in page(run).points}
    seeds = [t for t in run.trials() if t.configuration == "0004" and t.phase == "confirm"]
    mean = sum(t.metrics["test/acc/ko"] for t in seeds) / len(seeds)
    assert points["test/acc/ko"] == pytest.approx(mean)
    assert points["test/mean/mixed"] == confirmed.accuracy(confirmed.winner, confirmed.metrics[0]).mean
    for claim in confirmed.claims_of(confirmed.winner):
        name = f"gain/{claim.metric.short}"
        assert points[name] == claim.difference.mean
        assert (points[f"{name}/low"], points[f"{name}/high"]) == claim.interval
        assert points[f"{name}/p"] == claim.p


def test_the_fields_of_the_study_are_its_parameters(run: Run) -> None:
    asked = fields(findings(run))
    assert asked["space.learning_rate.log"] == "[0.0003, 0.003]"
    assert page(run).params == {name: value for name, value in asked.items() if value != "null"}


def test_where_plain_won_there_is_no_gain(run: Run) -> None:
    for trial in run.trials():
        if trial.method != "plain":
            run.save(replace(trial, state="failed", reports=()))
    worked.confirm(run)
    found = outcome_of(run)
    assert "test/mean/mixed" in found.metrics
    assert not any(name.startswith("gain/") for name in found.metrics)
    assert "No trial finished in: adversarial; noise; synonyms" in " ".join(found.parts)


def test_a_run_that_was_not_confirmed_says_so_and_has_no_numbers_of_test(run: Run) -> None:
    run.update_meta(status="finished", ended=worked.START + 7000)
    found = outcome_of(run)
    assert found.parts[0].startswith("**Not confirmed") and found.metrics == {}


def test_a_description_is_as_long_as_mlflow_keeps_and_ends_with_its_end(run: Run) -> None:
    for trial in run.trials():
        run.save(replace(trial, params={**trial.params, "encoder": "e" * 600 + trial.id}))
    worked.confirm(run, seeds=2)
    sentence = plain_text(findings(run).answer.sentence)
    assert page(run).tags[projection.NOTE].startswith(f"**{sentence}**")
    note = page(run).tags[projection.NOTE]
    assert len(note) <= projection.LONGEST and note.endswith(f"Run `{run.name}`, study `mini`.")


def test_the_answer_in_short_fits_a_cell(run: Run) -> None:
    assert findings(run).short.endswith("on mixed pairs of dev, not confirmed")
    worked.confirm(run)
    text = findings(run).short
    assert text.startswith("adversarial (radius 0.11, steps 1): ") and text.endswith("points (better)")
