"""What a study would do and cost, before it is run: trials, rungs and cost of each arm, the confirmation, hours here.

Costs are counted in plain training steps of the study's batch size, evaluation included; a few timed steps of the
first encoder turn them into hours. Expected, not promised: random configurations that come in a random order.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import mean
from typing import Any, NamedTuple

from xrt.data import Split
from xrt.findings.findings import Findings
from xrt.findings.power import Sight, sight
from xrt.robust.methods import METHODS
from xrt.search.confirm import chosen_otherwise
from xrt.search.pruning import passing
from xrt.search.rungs import SHARE, forward_cost
from xrt.search.sampler import OfArm, Unit
from xrt.search.scoring import evaluation_data
from xrt.search.trial import open_encoder, training_stream
from xrt.spec.arms import PLAIN, Arm
from xrt.spec.metric import PROXIES, Metric, Pair
from xrt.spec.study import StudySpec
from xrt.spec.trial import Length, TrialConfig, build
from xrt.spec.values import ends

DRAWS = 200  # random configurations of each arm that its mean cost is taken over
TIMED = 3  # steps, after one to warm up


@dataclass(frozen=True)
class ArmPlan:
    """One arm of the search.

    Attributes:
        rungs: optimizer steps at which its shortest trials are evaluated; longer ones go on from there.
        cost: of one whole training, on average, with what `training.keep` evaluates on the way.
        ablation: the same of plain training at its training settings; of a plain arm none.
        search: of all its trials, as far as ASHA lets them go, with their evaluation.
    """

    arm: Arm
    trials: int
    rungs: tuple[int, ...]
    cost: float
    ablation: float
    search: float


@dataclass(frozen=True)
class Plan:
    """Costs are in plain steps of the largest batch; `seconds_per_step` is measured here with one trial's threads.

    Attributes:
        steps: of one plain training, on average.
        confirming: cost of one training of each configuration, with its evaluation: if the other rules choose the
            best of an arm too, and if each chooses one of its own.
        configurations: their numbers in both cases.
        seeds: the fewest and the most; (0, 0) without a confirmation.
        sight: the smallest difference that the confirmation will find.
    """

    steps: int
    arms: tuple[ArmPlan, ...]
    confirming: tuple[float, float]
    configurations: tuple[int, int]
    seeds: tuple[int, int]
    seconds_per_step: float
    sight: Sight | None

    @property
    def trials(self) -> int:
        return sum(arm.trials for arm in self.arms)

    @property
    def search(self) -> float:
        return sum(arm.search for arm in self.arms)

    @property
    def confirmed(self) -> tuple[int, int]:
        """Trainings of the confirmation: if all is decided at the first look, and if nothing is before the last."""
        low, high = (n * seeds for n, seeds in zip(self.configurations, self.seeds, strict=True))
        return low, high

    @property
    def confirmation(self) -> tuple[float, float]:
        low, high = (cost * seeds for cost, seeds in zip(self.confirming, self.seeds, strict=True))
        return low, high

    @property
    def seconds(self) -> tuple[float, float]:
        """Of one slot that runs trial after trial; divide by the trials that run at once."""
        low, high = ((self.search + part) * self.seconds_per_step for part in self.confirmation)
        return low, high


def make_plan(spec: StudySpec, earlier: Findings | None = None) -> Plan:
    """Draw configurations, count, and time a few steps of the first encoder.

    Args:
        earlier: a run of the same study, from whose spread it follows what the confirmation will find.

    Raises:
        XrtError: data or encoder cannot be used.
    """
    first = build(spec, _plain(spec), spec.search.seed)
    encoder = open_encoder(first)
    stream, used = training_stream(first, encoder)
    dev, test = evaluation(spec)
    known = _Known(encoder.layers, stream.rows, dev)
    arms = tuple(_arm(spec, place, known) for place in range(len(spec.arms)))
    # A robust arm is confirmed with its ablation; where plain fine-tuning has one configuration, that is it.
    one = Arm(PLAIN) in spec.arms and all("." in name or name == "method" for name in spec.varying())
    own = sum(arm.cost + (not one) * arm.ablation for arm in arms)
    count = sum(1 + (arm.arm.method != PLAIN and not one) for arm in arms)
    # With a trial an arm there is nothing else to choose.
    more = chosen_otherwise(spec) * (spec.search.trials > len(arms))
    dearest = max(arm.cost for arm in arms)
    low = own + count * (dev + test)
    return Plan(
        steps=round(mean(_plain_steps(config, stream.rows) for config in _drawn(spec, spec.arms[0]))),
        arms=arms,
        confirming=(low, low + more * (dearest + dev + test)),
        configurations=(count, count + more),
        seeds=spec.confirm.seeds if spec.confirm else (0, 0),
        seconds_per_step=_timed(first, encoder, stream, used),
        sight=sight(spec, test_groups(spec), earlier),
    )


def evaluation(spec: StudySpec) -> tuple[float, float]:
    """What it costs to evaluate the whole dev split, and the test split of a confirmation, in plain steps."""
    batch, dev = int(ends(spec.training.batch_size)[1]), _usable(spec, "dev")
    own = sum(dev.get((a, a), 0) for a in spec.task.sources)
    test = sum(_usable(spec, "test").values()) if spec.confirm else 0
    return forward_cost(sum(dev.values()) + len(PROXIES) * own, batch), forward_cost(test, batch)


def _usable(spec: StudySpec, split: Split) -> dict[Pair, int]:
    """How many examples each pair of languages has."""
    rows = spec.data.dev_rows if split == "dev" else spec.data.test_rows
    common = evaluation_data(spec.task, spec.data.origin, split, rows).common()
    return {pair: one.usable for pair, one in common.items()}


def test_groups(spec: StudySpec) -> int:
    """How many example groups the test split of the confirmation has."""
    if spec.confirm is None:
        return 0
    test = evaluation_data(spec.task, spec.data.origin, "test", spec.data.test_rows)
    return len(set(test.groups.tolist()))


class _Known(NamedTuple):
    """What costs depend on beside the study: layers of the encoder, training examples, evaluation of the dev split."""

    layers: int
    rows: int
    dev: float


def _drawn(spec: StudySpec, arm: Arm) -> list[TrialConfig]:
    """Random configurations of an arm."""
    random = Random(spec.search.seed)
    anything = Unit(lambda name: random.random())
    samples = [spec.sample(OfArm(arm, anything, anything)) for _ in range(DRAWS)]
    return [build(spec, sample, spec.search.seed) for sample in samples]


def _arm(spec: StudySpec, place: int, known: _Known) -> ArmPlan:
    arm, count = spec.arms[place], len(spec.arms)
    trials = spec.search.trials // count + (place < spec.search.trials % count)
    configs, looks = _drawn(spec, arm), _Looks(spec)
    costs = [_cost(config, known) + looks(config, config.length, known.rows) for config in configs]
    plain = [replace(config.length, copies=1) for config in configs]
    ablation = mean(
        _plain_steps(config, known.rows) + looks(config, length, known.rows)
        for config, length in zip(configs, plain, strict=True)
    )
    search = 0.0
    for config, cost in zip(configs, costs, strict=True):
        stops = config.stops(known.rows)
        shares, rung_share = [step / stops[-1] for step in stops], SHARE * (len(stops) > 1)
        search += cost * kept(spec, shares, trials) + known.dev * finishing(spec, shares, trials)
        search += rung_share * _plain_steps(config, known.rows)
    shortest = min((config.stops(known.rows) for config in configs), key=lambda stops: stops[-1])
    own = ablation if arm.method != PLAIN else 0.0
    return ArmPlan(arm, trials, tuple(shortest), mean(costs), own, trials * search / DRAWS)


class _Looks:
    """What the evaluations of `training.keep: best` cost in a training of some length, in plain steps."""

    def __init__(self, spec: StudySpec) -> None:
        self._spec, self._batch = spec, int(ends(spec.training.batch_size)[1])

    def __call__(self, config: TrialConfig, length: Length, rows: int) -> float:
        keep = config.kept
        if keep.how != "best":
            return 0.0
        usable, metric = _usable(self._spec, "dev"), Metric.parse(keep.metric)
        inputs = sum(n for pair, n in usable.items() if metric.covers(pair, self._spec.task.sources))
        return len(keep.looks(length.steps(rows))) * forward_cost(inputs, self._batch)


def kept_share(spec: StudySpec) -> float:
    """The share of its training that a trial of the search does on average."""
    return kept(spec, spec.rungs, spec.search.trials // len(spec.arms))


def kept(spec: StudySpec, rungs: Sequence[float], trials: int) -> float:
    """The same of a trial with these rungs, in an arm of so many trials."""
    parts = zip((0.0, *rungs), rungs, strict=False)
    return sum(
        (upper - lower) * share
        for (lower, upper), share in zip(parts, _reaching(spec, rungs, trials), strict=True)
    )


def finishing(spec: StudySpec, rungs: Sequence[float], trials: int) -> float:
    """The share of an arm's trials that are trained to their end."""
    return _reaching(spec, rungs, trials)[-1]


def _reaching(spec: StudySpec, rungs: Sequence[float], trials: int) -> list[float]:
    """The share of trials that set out for each rung. The n-th at a rung goes on if it is among the best of n."""
    reaching = [1.0]
    for _ in rungs[1:]:
        entrants = max(1, round(reaching[-1] * trials))
        reduction = spec.pruning.reduction if spec.pruning else 1
        going_on = mean(passing(n, reduction) / n for n in range(1, entrants + 1))
        reaching.append(reaching[-1] * going_on)
    return reaching


def _plain(spec: StudySpec) -> dict[str, Any]:
    middle = spec.sample(OfArm(spec.arms[0], Unit(lambda name: 0.0), Unit(lambda name: 0.5)))
    return {name: value for name, value in middle.items() if "." not in name} | {"method": PLAIN}


def _cost(trial: TrialConfig, known: _Known) -> float:
    method = METHODS[trial.method].build(trial.parameters, 1.0)
    return method.cost(known.layers, trial.layer) * trial.length.steps(known.rows) * trial.plain_step


def _plain_steps(trial: TrialConfig, rows: int) -> float:
    """Of plain training with the same settings, in the unit of costs."""
    return replace(trial.length, copies=1).steps(rows) * trial.plain_step


def _timed(config: TrialConfig, encoder: Any, stream: Any, used: Any) -> float:
    from xrt.robust.training import Recipe, start, train

    recipe = Recipe(config.learning_rate, 1 + TIMED, config.seed, weight_decay=config.weight_decay)
    state = start(encoder, recipe, used)
    steps = train(state, METHODS[PLAIN].build({}, 1.0), Recipe(1e-5, 1 + TIMED, 0), stream, (1, 1 + TIMED))
    next(steps)
    began = time.perf_counter()
    next(steps)
    return (time.perf_counter() - began) / TIMED
