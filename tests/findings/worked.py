"""A whole run made by hand, as a search and its confirmation leave it: records and predictions.

Predictions come from a world where adversarial training helps the mixed pairs at radii around 0.1 and noise does
little, so that a report of it has something to say.
"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from xrt.data import TASKS
from xrt.findings.findings import findings
from xrt.record import Data, Report, Results, Run, TrialRecord
from xrt.robust.predictions import Predictions
from xrt.search.scoring import metrics_of_predictions
from xrt.spec import StudySpec
from xrt.spec.metric import MEANS, Mean

TASK = TASKS["mini"]
START = 1_790_000_000.0
METRIC = "dev/mean/mixed"
RUNGS = (1 / 9, 1 / 3, 1.0)
STEPS = 250
SPEC = StudySpec.model_validate(
    {
        "study": "mini",
        "task": "mini",
        "data": {"source": "embedded"},
        "space": {
            "encoder": ["mini-a", "mini-b"],
            "learning_rate": {"log": [3e-4, 3e-3]},
            "method": {
                "plain": {},
                "adversarial": {"radius": {"log": [0.01, 0.6]}, "steps": [1, 2, 3]},
                "noise": {"scale": {"log": [0.05, 3.0]}},
                "synonyms": {},
            },
        },
        "search": {"trials": 15, "metric": METRIC},
        "confirm": {"seeds": 5},
    }
)
DATA = (
    Data("mini", "train", "a" * 64, 2000, "training", "embedded"),
    Data("mini", "dev", "b" * 64, 500, "evaluation", "embedded"),
    Data("mini", "test", "c" * 64, 500, "test", "embedded"),
)


def help_of(params: dict[str, Any]) -> float:
    """How much a configuration moves the threshold of a right answer in mixed pairs."""
    if params["method"] == "adversarial":
        return (
            0.6 - 0.5 * abs(np.log10(params["adversarial.radius"] / 0.1)) + 0.02 * params["adversarial.steps"]
        )
    return 0.25 * params.get("noise.scale", 0.0) * (1.5 - params.get("noise.scale", 0.0))


def predict(params: dict[str, Any], seed: int, examples: int = 200, share: float = 1.0) -> Predictions:
    """Of an encoder trained so far: English nearly always right, far languages and mixed pairs less."""
    return _predicted(json.dumps(params), seed, examples, share)


@cache
def _predicted(text: str, seed: int, examples: int, share: float) -> Predictions:
    """Drawn once in a process: most tests here begin with the same run."""
    params = json.loads(text)
    common = np.random.default_rng(99)  # the examples: the same for all encoders
    labels = common.integers(0, 2, examples)
    ease = common.standard_normal(examples)
    far = dict(zip(TASK.languages, (0.0, 0.3, 0.3, 0.4, 0.9, 0.9, 0.8), strict=True))
    own = np.random.default_rng([seed, *map(ord, repr(sorted(params.items())))])
    luck, level = 0.08 * own.standard_normal(), 2.2 * share**0.5 + help_of(params) * share
    pairs = TASK.pairs()
    z = np.stack([np.full(examples, level + luck - far[a] - far[b] - 0.5 * (a != b)) for a, b in pairs])
    right = z + 0.7 * ease + own.standard_normal(z.shape) > 0
    evaluated = common.random(z.shape) > 0.02
    truth = np.where(evaluated, labels, -1).astype(np.int16)
    predicted = np.where(evaluated, np.where(right, labels, 1 - labels), -1).astype(np.int16)
    ids = tuple(str(i) for i in range(examples))
    return Predictions(TASK.sources, pairs, ids, np.arange(examples) // 2, predicted, truth)


def metrics_of(predictions: Predictions, split: str) -> dict[str, float]:
    return dict(_measured(predictions, split, tuple(MEANS.items())))


@cache
def _measured(predictions: Predictions, split: str, means: tuple[tuple[str, Mean], ...]) -> dict[str, float]:
    """Metrics, computed once per process and set of means, because each is bootstrapped."""
    return dict(metrics_of_predictions(TASK, split, predictions, TASK.pairs()))


def cost_of(params: dict[str, Any]) -> float:
    """The cost of a step, in plain steps."""
    return (2 * params.get("adversarial.steps", 0) + 3) / 3


def searched(run: Run, number: int, params: dict[str, Any], rungs: int = 3) -> TrialRecord:
    """A trial that reported at so many rungs; finished if at all of them."""
    started = START + 100.0 * number
    id = f"{number:04d}"
    trial = TrialRecord(id, params, config(params), seed=7, configuration=id).begun(
        started, "node-1", "NVIDIA T4"
    )
    for rung in range(rungs):
        share = RUNGS[rung]
        found = metrics_of(predict(params, 7, 60, share), "dev")
        found |= {"train/cost": STEPS * share * cost_of(params), "train/loss": 0.7 - 0.3 * share}
        if share == 1:
            whole = predict(params, 7)
            found |= metrics_of(whole, "dev")
            trial = checkpointed(run, trial, dev=whole)
        trial = trial.reported(Report(rung, share, round(STEPS * share), started + 50 * share, found))
    return trial.closed("finished" if rungs == 3 else "pruned", started + 51)


def confirmed(run: Run, configuration: str, params: dict[str, Any], seed: int) -> TrialRecord:
    """One seed of a confirmation."""
    started = START + 5000.0 + 100 * seed
    trial = TrialRecord(
        f"{configuration}-s{seed}", params, config(params), seed, configuration, phase="confirm"
    ).begun(started)
    found: dict[str, float] = {"train/cost": STEPS * cost_of(params)}
    dev, test = predict(params, seed), predict(params, seed + 100)
    found |= metrics_of(dev, "dev") | metrics_of(test, "test")
    trial = checkpointed(run, trial, dev=dev, test=test)
    return trial.reported(Report(0, 1.0, STEPS, started + 50, found)).closed("finished", started + 51)


def checkpointed(run: Run, trial: TrialRecord, **splits: Predictions) -> TrialRecord:
    place = Path("tune") / trial.id / "checkpoint_000000"
    (run.paths.root / place).mkdir(parents=True, exist_ok=True)
    for split, predictions in splits.items():
        predictions.save(run.paths.root / place / f"predictions-{split}.arrow")
    return replace(trial, checkpoint=str(place))


def config(params: dict[str, Any]) -> dict[str, Any]:
    own = {"method": params["method"], "encoder": params["encoder"], "epochs": 4.0}
    return {"task": "mini", "rungs": list(RUNGS)} | own


def sample(number: int, method: str, **own: Any) -> dict[str, Any]:
    encoder, rate = ("mini-a", "mini-b")[number % 2], (5e-4, 1e-3, 2e-3)[number % 3]
    return {"encoder": encoder, "learning_rate": rate, "method": method} | {
        f"{method}.{name}": value for name, value in own.items()
    }


SAMPLES = [
    sample(0, "plain"),
    sample(1, "adversarial", radius=0.013, steps=1),
    sample(2, "noise", scale=0.08),
    sample(3, "adversarial", radius=0.04, steps=3),
    sample(4, "adversarial", radius=0.11, steps=1),
    sample(5, "noise", scale=0.7),
    sample(6, "plain"),
    sample(7, "adversarial", radius=0.21, steps=2),
    sample(8, "noise", scale=2.6),
    sample(9, "adversarial", radius=0.48, steps=3),
    sample(10, "noise", scale=0.3),
    sample(11, "adversarial", radius=0.08, steps=2),
    sample(12, "synonyms", copies=1),
    sample(13, "plain"),
]
PRUNED = {2: 1, 8: 1, 9: 2, 13: 1}  # rungs that they reached


def make(folder: Path, spec: StudySpec = SPEC) -> Run:
    """A run without trials."""
    run = Run.create(Results.at(folder), spec, DATA)
    run.update_meta(started=START, command="python -m xrt.study run mini", status="running")
    return run


def search(run: Run, samples: list[dict[str, Any]] = SAMPLES) -> list[TrialRecord]:
    """A whole search: finished and pruned trials and one that failed."""
    trials = [searched(run, i, params, PRUNED.get(i, 3)) for i, params in enumerate(samples)]
    bad = TrialRecord(f"{len(samples):04d}", sample(1, "plain"), config(sample(1, "plain")), seed=7)
    reason = "TrainingError: loss is NaN at step 7 <script>alert(1)</script>"
    trials.append(bad.begun(START + 1500).closed("failed", START + 1505, reason))
    for trial in trials:
        run.save(trial)
    return trials


def confirm(run: Run, ids: tuple[str, ...] | None = None, seeds: int = 5) -> None:
    """Several seeds of all candidates, or of some; ends the run."""
    params = findings(run).candidates.params
    for id in ids or tuple(params):
        for seed in range(8, 8 + seeds):
            run.save(confirmed(run, id, params[id], seed))
    run.update_meta(status="finished", ended=START + 7000)
