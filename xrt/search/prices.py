"""What the parts of a study cost: in plain steps by the rule of cost, in seconds by times measured here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean

from xrt.data import Split
from xrt.robust.methods import METHODS
from xrt.search.rungs import SHARE, STEP, forward_cost
from xrt.search.scoring import evaluation_data
from xrt.search.timing import Timing
from xrt.search.trial import training_data
from xrt.spec.arms import PLAIN
from xrt.spec.metric import PROXIES, Metric, Pair
from xrt.spec.study import StudySpec
from xrt.spec.trial import Length, TrialConfig
from xrt.spec.values import ends


@dataclass(frozen=True)
class Cost:
    """A cost in plain steps of the study's largest batch, and in seconds of one slot here."""

    steps: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.steps + other.steps, self.seconds + other.seconds)

    def __mul__(self, times: float) -> "Cost":
        return Cost(self.steps * times, self.seconds * times)

    @classmethod
    def mean(cls, costs: Sequence["Cost"]) -> "Cost":
        """The mean of at least one cost."""
        return cls(mean(cost.steps for cost in costs), mean(cost.seconds for cost in costs))


class Prices:
    """What the parts of a trial cost."""

    def __init__(self, spec: StudySpec, measured: Mapping[str, Timing]) -> None:
        self._spec, self._timings = spec, measured
        self.batch = int(ends(spec.training.batch_size)[1])
        self.rows = len(training_data(spec.task, spec.data.origin, spec.data.train_rows).labels)
        self.dev, self.test = evaluation(spec)

    def training(self, trial: TrialConfig) -> Cost:
        """The cost of all its steps, and of the evaluations of `training.keep: best`."""
        method, timing = METHODS[trial.method].build(trial.parameters, 1.0), self._timings[trial.encoder]
        steps = trial.length.steps(self.rows) * trial.plain_step
        steps *= method.cost(timing.layers, trial.layer)
        return Cost(steps, steps * timing.steps[trial.method].pace) + self._looks(trial, trial.length)

    def plain_steps(self, trial: TrialConfig) -> float:
        """Steps of plain training with the same settings, in the unit of costs."""
        return replace(trial.length, copies=1).steps(self.rows) * trial.plain_step

    def ablation(self, trial: TrialConfig) -> Cost:
        """As `training`, of plain training with the same settings."""
        steps = self.plain_steps(trial)
        looks = self._looks(trial, replace(trial.length, copies=1))
        return Cost(steps, steps * self._timings[trial.encoder].steps[PLAIN].pace) + looks

    def evaluation(self, trial: TrialConfig, inputs: float) -> Cost:
        """The cost of evaluating so many inputs by the trial's encoder."""
        return Cost(forward_cost(inputs, self.batch), inputs * self._timings[trial.encoder].evaluation)

    def rungs(self, trial: TrialConfig) -> Cost:
        """The cost of the evaluations at all rungs before its end."""
        if len(trial.stops(self.rows)) == 1:
            return Cost()
        return self.evaluation(trial, SHARE * STEP * self.batch * self.plain_steps(trial))

    def _looks(self, trial: TrialConfig, length: Length) -> Cost:
        keep = trial.kept
        if keep.how != "best":
            return Cost()
        metric, sources = Metric.parse(keep.metric), self._spec.task.sources
        inputs = sum(count for pair, count in self._dev_pairs.items() if metric.covers(pair, sources))
        return self.evaluation(trial, inputs) * len(keep.looks(length.steps(self.rows)))

    @cached_property
    def _dev_pairs(self) -> dict[Pair, int]:
        return _usable(self._spec, "dev")


def evaluation(spec: StudySpec) -> tuple[int, int]:
    """How many inputs are evaluated on the whole dev split, and on the test split of a confirmation, votes included."""
    dev = _usable(spec, "dev")
    own = sum(dev.get((a, a), 0) for a in spec.task.sources)
    times = 1 + (spec.evaluation.votes if spec.evaluation else 0)
    test = times * sum(_usable(spec, "test").values()) if spec.confirm else 0
    return sum(dev.values()) + len(PROXIES) * own, test


def _usable(spec: StudySpec, split: Split) -> dict[Pair, int]:
    """How many examples each pair of languages has."""
    rows = spec.data.dev_rows if split == "dev" else spec.data.test_rows
    common = evaluation_data(spec.task, spec.data.origin, split, rows).common()
    return {pair: one.usable for pair, one in common.items()}
