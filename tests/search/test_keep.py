"""The kept weights of a trial are evaluated, saved and counted as cost, however often it was interrupted."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.faults.small import SMALL
from tests.search.timed import timed
from xrt.robust import checkpoint
from xrt.search import pauses
from xrt.search.plan import make_plan
from xrt.search.prices import Cost
from xrt.search.scoring import Scoring
from xrt.search.trial import RungReport, Saving, begin, open_encoder, training_stream
from xrt.spec import TrialConfig, build, load_study

SHORT = ["data={source: embedded, train_rows: 160, dev_rows: 24}", "pruning={reduction: 2, rungs: 2}"]
SAMPLE = {"encoder": "mini-a", "learning_rate": 3e-3, "method": "adversarial"} | {
    "adversarial.radius": 0.1,
    "adversarial.steps": 1,
}
KEEPS = ["{best: dev/acc/en, every: 4}", "{average: 3, every: 4}"]
TIMED = ("train/examples_per_second", "train/tokens_per_second", "train/peak_gib")


def config(keep: str, *more: str) -> TrialConfig:
    spec = load_study(str(SMALL), [*SHORT, f"training.keep={keep}", *more])
    return build(spec, SAMPLE, 7)


def reports(trial: TrialConfig, folder: Path, **more) -> list[RungReport]:
    """The reports of a trial; its checkpoints are under `folder`."""
    found = []
    for at in begin(trial, **more):
        place = folder / f"{at.step:03}"
        if at.save:
            place.mkdir(parents=True)
            at.save(place)
        if isinstance(at, RungReport):
            found.append(at)
    return found


def told(report: RungReport) -> dict[str, float]:
    return {name: value for name, value in report.metrics.items() if name not in TIMED}


def looks(trial: TrialConfig, folder: Path) -> dict[int, float]:
    """The metric at each look, from trainings of the same trial that keep the last weights and stop there."""
    encoder = open_encoder(trial)
    scoring = Scoring.of(trial, encoder, *training_stream(trial, encoder), lambda *seen: None)
    found = {}
    for step in trial.kept.looks(20):
        checkpoint.load_weights(encoder.model, folder / f"{step:03}")
        found[step] = scoring.look(encoder)
    return found


@pytest.fixture(scope="module", autouse=True)
def often():
    """One thread, and a look at the clock after every step."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pauses, "CHECK_EVERY", 1)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def every_step(tmp_path_factory) -> Path:
    """Checkpoints of the trial that keeps the last weights, after every step."""
    folder = tmp_path_factory.mktemp("last")
    found = reports(config("last"), folder, seconds=0)
    assert found[-1].step == 20 and len(list(folder.iterdir())) == 20
    return folder


def test_the_best_of_all_looks_is_evaluated_and_saved(every_step, tmp_path):
    trial = config(KEEPS[0])
    measured = looks(trial, every_step)
    assert list(measured) == [4, 8, 12, 16, 20] and len(set(measured.values())) > 1
    best = max(measured, key=lambda step: measured[step])
    last = reports(trial, tmp_path)[-1]
    assert last.metrics["dev/acc/en"] == measured[best]
    kept, there = (
        load_file(place / checkpoint.WEIGHTS) for place in (tmp_path / "020", every_step / f"{best:03}")
    )
    assert all(torch.equal(kept[name], there[name]) for name in there)
    assert not (tmp_path / "020" / checkpoint.KEPT).exists() and (tmp_path / "010" / checkpoint.KEPT).exists()


def test_the_mean_of_the_last_looks_is_evaluated_and_saved(every_step, tmp_path):
    reports(config(KEEPS[1]), tmp_path)
    kept = load_file(tmp_path / "020" / checkpoint.WEIGHTS)
    seen = [load_file(every_step / f"{step:03}" / checkpoint.WEIGHTS) for step in (12, 16, 20)]
    for name, value in kept.items():
        mean = torch.stack([weights[name].double() for weights in seen]).mean(0)
        torch.testing.assert_close(value.double(), mean, atol=1e-6, rtol=1e-5)
    assert not all(torch.equal(kept[name], seen[-1][name]) for name in kept)


@pytest.mark.parametrize("step", [10, 13], ids=["at a rung", "behind a look"])
@pytest.mark.parametrize("keep", KEEPS)
def test_an_interrupted_trial_says_and_keeps_the_same(keep, step, tmp_path):
    trial = config(keep)
    whole = reports(trial, tmp_path / "whole")
    walk = begin(trial, seconds=0)
    for at in walk:
        if isinstance(at, Saving) and at.step == step:
            at.save(tmp_path / "killed")
            break
    walk.close()
    rest = reports(trial, tmp_path / "rest", resume=[tmp_path / "killed"], known=1)
    assert [told(report) for report in rest] == [told(report) for report in whole[1:]]
    ends = [load_file(tmp_path / place / "020" / checkpoint.WEIGHTS) for place in ("whole", "rest")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    # its last report was lost, and its checkpoint was not
    (again,) = reports(trial, tmp_path / "again", resume=[tmp_path / "whole" / "020"], known=1)
    assert told(again) == told(whole[-1])


def test_what_is_evaluated_on_the_way_is_part_of_the_cost(tmp_path):
    costs = {}
    for keep in ("last", *KEEPS):
        costs[keep] = [report.metrics["train/cost"] for report in reports(config(keep), tmp_path / keep[1:4])]
    look = 24 / (3 * 8)  # English examples, forward passes of a step, batch
    assert costs[KEEPS[0]] == pytest.approx([costs["last"][0] + 2 * look, costs["last"][1] + 5 * look])
    assert costs[KEEPS[1]] == costs["last"]


def test_a_plan_counts_it_too():
    spec = load_study(str(SMALL), [*SHORT, "training.keep=last"])
    plain = make_plan(spec, timed(spec))
    often = load_study(str(SMALL), [*SHORT, f"training.keep={KEEPS[0]}"])
    best = make_plan(often, timed(often))
    for before, after in zip(plain.arms, best.arms, strict=True):
        assert after.cost.steps == pytest.approx(before.cost.steps + 5)
        more = after.ablation.steps - before.ablation.steps
        assert more == (5 if after.arm.method == "adversarial" else 0)
    assert best.search.steps > plain.search.steps
    assert best.confirming[0].steps == pytest.approx(plain.confirming[0].steps + 3 * 5)


# Training settings that vary


def test_the_cost_of_a_small_batch_is_in_steps_of_the_largest(tmp_path):
    spec = load_study(str(SMALL), [*SHORT, "training.batch_size=[8, 32]", "training.epochs=2"])
    costs, samples = {}, set()
    for size in (8, 32):
        found = reports(build(spec, {**SAMPLE, "batch_size": size}, 7), tmp_path / str(size))
        assert [report.step for report in found][:2] == [5, 10]
        costs[size] = [report.metrics["train/cost"] for report in found]
        samples |= {report.metrics["dev/commonest/label"] for report in found[:1]}
    assert costs[32] == pytest.approx([5 * 5 / 3, 10 * 5 / 3])
    assert costs[8] == pytest.approx([5 / 4 * 5 / 3, 10 / 4 * 5 / 3, 40 / 4 * 5 / 3])
    assert len(samples) == 1, "a rung is the same examples, whatever varies"


def test_a_plan_averages_over_the_training_settings():
    spec = load_study(str(SMALL), [*SHORT, "training.epochs=[1, 3]", "training.batch_size=[8, 16]"])
    plan = make_plan(spec, timed(spec))
    plain, adversarial = plan.arms
    assert 10 < plain.cost.steps < 30, "one epoch is 10 steps of the largest batch, three are 30"
    assert plain.cost.steps == pytest.approx(plan.steps, abs=0.5) and plain.rungs == (5, 10)
    assert adversarial.ablation.steps == pytest.approx(plain.cost.steps, rel=0.2)
    assert plain.ablation == Cost()
