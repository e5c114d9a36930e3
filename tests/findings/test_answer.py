"""What a confirmation says: who is compared with whom, over what, and in which words."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.answers import worked
from xrt.answers.confirmed import confirmation, describe, headline, ranked
from xrt.answers.wording import answer, interval, percent, points, probability
from xrt.record import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = worked.make(tmp_path)
    worked.search(run)
    return run


def test_the_winner_is_what_the_search_chose_and_plain_is_the_baseline(run: Run) -> None:
    worked.confirm(run, (0, 4, 11))
    found = confirmation(run)
    assert found is not None and found.winner is not None and found.baseline is not None
    assert (found.winner.configuration.id, found.baseline.id) == ("0004", "0000")
    assert [line.configuration.id for line in found.lines] == ["0004", "0011", "0000"], (
        "in the search's order"
    )
    assert [line.verdict for line in found.lines] == ["better", "better", "baseline"]


def test_numbers_are_the_recorded_ones(run: Run) -> None:
    worked.confirm(run, (0, 4), seeds=3)
    found = confirmation(run)
    assert found is not None and found.winner is not None and found.winner.gain is not None
    metric = {t.id: t.metrics["test/mean/mixed"] for t in run.trials() if t.phase == "confirm"}
    ours, theirs = ([metric[f"{id}-s{seed}"] for seed in (8, 9, 10)] for id in ("0004", "0000"))
    assert found.winner.accuracy.mean == pytest.approx(sum(ours) / 3)
    assert found.winner.gain.mean == pytest.approx((sum(ours) - sum(theirs)) / 3)
    assert (found.winner.gain.seeds, found.winner.gain.examples) == (3, 200)


def test_p_is_corrected_for_the_number_of_configurations(run: Run) -> None:
    worked.confirm(run, (0, 4, 11))
    found = confirmation(run)
    assert found is not None
    compared = [line for line in found.lines if line.gain]
    assert sorted(line.p for line in compared)[0] == pytest.approx(
        2 * min(line.gain.p for line in compared if line.gain)
    )


def test_only_seeds_that_both_have_are_compared(run: Run) -> None:
    worked.confirm(run, (0, 4), seeds=4)
    lost = run.trial("0000-s9")
    run.save(replace(lost, state="failed", reason="NaN", reports=()))
    found = confirmation(run)
    assert found is not None and found.winner is not None and found.winner.gain is not None
    assert (found.winner.accuracy.seeds, found.winner.gain.seeds) == (4, 3)
    assert any("1 seed of 0000 failed" in line for line in answer(run, found).evidence)


def test_without_predictions_the_seeds_alone_speak_and_it_is_said(run: Run) -> None:
    worked.confirm(run, (0, 4))
    whole = confirmation(run)
    for path in run.paths.tune.rglob("predictions-*.arrow"):
        path.write_bytes(b"torn")
    found = confirmation(run)
    assert whole and whole.winner and whole.winner.gain and found and found.winner and found.winner.gain
    assert found.winner.gain.examples == 0
    assert found.winner.gain.mean == pytest.approx(whole.winner.gain.mean)
    assert "over seeds only" in " ".join(answer(run, found).evidence)


def test_no_reliable_difference_is_said_plainly(run: Run) -> None:
    for trial in run.trials():  # a search that only noise and plain have finished
        if trial.method == "adversarial":
            run.save(replace(trial, state="failed"))
    assert ranked(run.trials(), worked.METRIC)[0].id == "0010"
    for seed in (8, 9, 10):
        for id, sample in (("0010", 0), ("0000", 6)):  # both answer as plain does, from other seeds
            trial = worked.confirmed(run, id, worked.SAMPLES[sample], seed if id == "0000" else seed + 50)
            params = worked.SAMPLES[int(id)]
            run.save(replace(trial, id=f"{id}-s{seed}", seed=seed, params=params))
    said = answer(run, confirmation(run))
    assert said.tone == "none" and said.sentence.startswith(
        "No reliable difference: noise (scale 0.3) reaches "
    )


def test_plain_as_winner_is_said_plainly(run: Run) -> None:
    for trial in run.trials():
        if trial.method != "plain":
            run.save(replace(trial, state="failed"))
    worked.confirm(run, (0,))
    said = answer(run, confirmation(run))
    assert said.tone == "none" and said.sentence.startswith("Plain fine-tuning won the search")


def test_one_seed_is_no_evidence(run: Run) -> None:
    worked.confirm(run, (0, 4), seeds=1)
    said = answer(run, confirmation(run))
    assert said.tone == "open" and said.sentence.startswith("How sure is unknown")


def test_without_a_baseline_nothing_is_claimed(run: Run) -> None:
    worked.confirm(run, (4,))
    said = answer(run, confirmation(run))
    assert said.tone == "open" and said.sentence.startswith("Nothing to compare with")


def test_a_search_alone_is_not_taken_for_an_answer(run: Run, tmp_path: Path) -> None:
    said = answer(run, confirmation(run))
    assert said.tone == "open" and said.sentence.startswith("Not confirmed: on dev, trial 0004")
    empty = worked.make(tmp_path / "empty")
    assert (
        answer(empty, None).sentence
        == "No answer: no trial of the search has finished; the run is still going."
    )


def test_another_encoder_of_the_baseline_is_named(run: Run) -> None:
    worked.confirm(run, (0, 11))
    for trial in run.trials():
        if trial.id in ("0004", "0003", "0007"):
            run.save(replace(trial, state="failed"))
    assert any(
        "another encoder (mini-a, not mini-b)" in line for line in answer(run, confirmation(run)).evidence
    )


def test_a_study_that_selects_by_english_is_judged_by_its_mixed_pairs() -> None:
    assert headline("dev/acc/en", "en") == "mean/mixed"
    assert headline("dev/mean/targets", "en") == "mean/targets"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (percent(0.7654), "76.5 %"),
        (percent(math.nan), "–"),
        (points(0.0123), "+1.2"),
        (points(-0.0123), "−1.2"),
        (points(-0.0001), "0.0"),
        (probability(0.0004), "< 0.001"),
        (probability(0.0125), "0.013"),
        (interval(None), "–"),
        (describe({"method": "noise", "noise.scale": 0.30001, "noise.site": "word"}), "noise (scale 0.3)"),
        (
            describe({"method": "noise", "noise.scale": 1.0, "noise.site": "layer:3"}),
            "noise (scale 1, site layer:3)",
        ),
        (describe({"method": "plain"}), "plain"),
    ],
)
def test_numbers_and_configurations_in_words(said: str, text: str) -> None:
    assert said == text
