"""What a run that has ended says on its page in MLflow."""

from dataclasses import replace
from pathlib import Path

import pytest
from xrt.answers import projection
from xrt.answers.compare import fields
from xrt.answers.confirmed import confirmation
from xrt.answers.outcome import outcome
from xrt.answers.wording import answer, in_short

from tests.answers import worked
from xrt.record import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = worked.make(tmp_path)
    worked.search(run)
    return run


def page(run: Run) -> projection.Projected:
    return projection.parent(run.meta, run.trials(), {"0004": "abc"}, "#/experiments/1", outcome(run))


def test_a_run_that_still_runs_shows_the_search_only(run: Run) -> None:
    assert outcome(run) is None
    assert page(run).tags[projection.NOTE].startswith("**Best dev/mean/mixed")


def test_the_description_is_the_confirmed_answer_and_then_the_search(run: Run) -> None:
    worked.confirm(run)
    confirmed, note = confirmation(run), page(run).tags[projection.NOTE]
    assert note.startswith(f"**{answer(run, confirmed).sentence}**")
    assert "| 0004 | adversarial (radius 0.11, steps 1) | mini-a |" in note and "| baseline |" in note
    assert "Search:\n\n**Best dev/mean/mixed" in note and "[0004](#/experiments/1/runs/abc)" in note
    assert note.endswith(f"Run `{run.name}`, study `mini`.")


def test_the_numbers_are_the_winners_means_and_its_gain_with_the_interval(run: Run) -> None:
    worked.confirm(run)
    confirmed = confirmation(run)
    assert confirmed and confirmed.winner and confirmed.winner.gain
    points = {p.key: p.value for p in page(run).points}
    seeds = [t for t in run.trials() if t.id.startswith("0004-s")]
    mean = sum(t.metrics["test/acc/ko"] for t in seeds) / len(seeds)
    assert points["test/acc/ko"] == pytest.approx(mean)
    assert points["test/mean/mixed"] == confirmed.winner.accuracy.mean
    gain = confirmed.winner.gain
    assert points["gain/mean/mixed"] == gain.mean
    assert [points[f"gain/mean/mixed/{name}"] for name in ("low", "high")] == [gain.low, gain.high]
    assert points["gain/mean/mixed/p"] == confirmed.winner.p


def test_the_fields_of_the_study_are_its_parameters(run: Run) -> None:
    asked = fields(run)
    assert asked["space.learning_rate.log"] == "[0.0003, 0.003]"
    shown = projection.parent(run.meta, run.trials(), {}, "#", None, asked)
    assert shown.params == asked


def test_where_plain_won_there_is_no_gain(run: Run) -> None:
    for trial in run.trials():
        if trial.method != "plain":
            run.save(replace(trial, state="failed", reports=()))
    worked.confirm(run, (0,))
    found = outcome(run)
    assert found and "test/mean/mixed" in found.metrics
    assert not any(name.startswith("gain/") for name in found.metrics)
    assert "No robust configuration was confirmed beside it" in found.note


def test_a_run_that_was_not_confirmed_says_so_and_has_no_numbers_of_test(run: Run) -> None:
    run.update_meta(status="finished", ended=worked.START + 7000)
    found = outcome(run)
    assert found and found.note.startswith("**Not confirmed") and found.metrics == {}


def test_a_description_is_as_long_as_mlflow_keeps_and_ends_with_its_end(run: Run) -> None:
    for trial in run.trials():
        run.save(replace(trial, params={**trial.params, "encoder": "e" * 600 + trial.id}))
    worked.confirm(run, (4, 0))
    note = page(run).tags[projection.NOTE]
    assert len(note) <= projection.LONGEST and note.endswith(f"Run `{run.name}`, study `mini`.")


def test_the_answer_in_short_fits_a_cell(run: Run) -> None:
    assert in_short(run, None).endswith("on mixed pairs of dev, not confirmed")
    worked.confirm(run)
    text = in_short(run, confirmation(run))
    assert text.startswith("adversarial (radius 0.11, steps 1): ") and text.endswith("points (better)")
