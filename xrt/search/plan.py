"""What a study would do and cost, before it is run: trials, rungs, plain steps, hours here.

Costs are counted in plain training steps of the study's batch size; a few timed steps of the first encoder turn them
into hours. Expected, not promised: random configurations, and ASHA keeping one in `reduction` at every rung.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean
from typing import Any

from xrt.robust.methods import METHODS
from xrt.search.trial import open_encoder, training_stream
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig, build

DRAWS = 400  # random configurations that the mean cost is taken over
TIMED = 3  # steps, after one to warm up


@dataclass(frozen=True)
class Plan:
    """Costs are in plain steps; `seconds_per_step` is measured on this machine with one trial's threads.

    A range is from a search that tries all methods equally often to one that has gone over to the costliest, as a
    search does that finds it best.
    """

    steps: int  # of one plain trial
    cost_by_method: Mapping[str, float]  # mean cost of a whole trial
    trials: int
    kept: float  # the share of their training that pruning leaves
    confirmed: int  # trials of the confirmation
    seconds_per_step: float

    @property
    def exhaustive(self) -> float:
        """Of all trials without pruning, all methods equally often."""
        return self.trials * mean(self.cost_by_method.values())

    @property
    def costliest(self) -> str:
        return max(self.cost_by_method, key=lambda name: self.cost_by_method[name])

    @property
    def search(self) -> tuple[float, float]:
        return self._range(self.trials * self.kept)

    @property
    def confirmation(self) -> tuple[float, float]:
        return self._range(self.confirmed)

    @property
    def seconds(self) -> tuple[float, float]:
        """Of one slot that runs trial after trial; divide by the trials that run at once."""
        low, high = (sum(both) for both in zip(self.search, self.confirmation, strict=True))
        return low * self.seconds_per_step, high * self.seconds_per_step

    def _range(self, trials: float) -> tuple[float, float]:
        costs = self.cost_by_method.values()
        return trials * mean(costs), trials * max(costs)


def make_plan(spec: StudySpec) -> Plan:
    """Draw configurations, count, and time a few steps of the first encoder.

    Raises:
        XrtError: data or encoder cannot be used.
    """
    draw = _Draw(Random(spec.search.seed))
    trials = [build(spec, spec.space.sample(draw), spec.search.seed) for _ in range(DRAWS)]
    first = build(spec, _plain(trials[0]), spec.search.seed)
    encoder = open_encoder(first)
    stream, _ = training_stream(first, encoder)
    steps = round(first.epochs * stream.steps_per_epoch)
    costs = {m: [_cost(t, encoder.layers, steps) for t in trials if t.method == m] for m in spec.space.method}
    by_method = {m: mean(c) for m, c in costs.items() if c}
    confirmed = 0 if spec.confirm is None else (spec.confirm.top + 1) * spec.confirm.seeds
    timed = _timed(first, encoder, stream)
    return Plan(steps, by_method, spec.search.trials, kept_share(spec), confirmed, timed)


def kept_share(spec: StudySpec) -> float:
    """The share of the exhaustive cost that pruning leaves when one in `reduction` trials passes each rung."""
    if spec.pruning is None:
        return 1.0
    parts = zip((0.0, *spec.rungs), spec.rungs, strict=False)
    return sum((upper - lower) / spec.pruning.reduction**k for k, (lower, upper) in enumerate(parts))


def _plain(trial: TrialConfig) -> dict[str, Any]:
    return {"encoder": trial.encoder, "learning_rate": trial.learning_rate, "method": "plain"}


def _cost(trial: TrialConfig, layers: int, steps: int) -> float:
    method = METHODS[trial.method].build(trial.parameters, 1.0)
    return method.cost(layers, trial.layer) * steps * trial.passes / trial.epochs


def _timed(config: TrialConfig, encoder: Any, stream: Any) -> float:
    from xrt.robust.training import Recipe, start, train

    state = start(encoder, Recipe(config.learning_rate, 1 + TIMED, config.seed))
    steps = train(state, METHODS["plain"].build({}, 1.0), Recipe(1e-5, 1 + TIMED, 0), stream, (1, 1 + TIMED))
    next(steps)
    began = time.perf_counter()
    next(steps)
    return (time.perf_counter() - began) / TIMED


class _Draw:
    """Random values in the words of `xrt.spec.Suggest`."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._random.choice(list(choices))

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        share = self._random.random()
        return float(low * (high / low) ** share if log else low + (high - low) * share)

    def integer(self, name: str, low: int, high: int) -> int:
        return self._random.randint(low, high)
