"""What a study would do and cost, before it is run: trials, rungs and cost of each arm, the confirmation, hours here.

Costs are counted in plain training steps of the study's largest batch, evaluation included; what each encoder and
method takes here (`timing`) turns them into hours. Expected, not promised: random configurations that come in a random
order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean

from xrt.findings.findings import Findings
from xrt.findings.power import Sight, sight
from xrt.search.confirm import chosen_otherwise
from xrt.search.prices import Cost, Prices
from xrt.search.pruning import passing
from xrt.search.sampler import OfArm, Unit
from xrt.search.scoring import evaluation_data
from xrt.search.timing import Timing
from xrt.spec.arms import PLAIN, Arm
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig, build

DRAWS = 200  # random configurations of each arm that its mean cost is taken over


@dataclass(frozen=True)
class ArmPlan:
    """One arm of the search.

    Attributes:
        rungs: optimizer steps at which its shortest trials are evaluated; longer ones go on from there.
        cost: of one whole training, on average, with what `training.keep` evaluates on the way.
        ablation: the same of plain training at its training settings; of a plain arm none.
        evaluation: of one training of the confirmation, at its end.
        search: of all its trials, as far as ASHA lets them go, with their evaluation.
    """

    arm: Arm
    trials: int
    rungs: tuple[int, ...]
    cost: Cost
    ablation: Cost
    evaluation: Cost
    search: Cost


@dataclass(frozen=True)
class Plan:
    """Hours are those of one slot, with what was measured here for each encoder and method.

    Attributes:
        steps: of one plain training, on average.
        confirming: cost of one training of each configuration, with its evaluation: if the other rules choose the
            best of an arm too, and if each chooses one of its own.
        configurations: their numbers in both cases.
        seeds: the fewest and the most; (0, 0) without a confirmation.
        timings: by encoder.
        sight: the smallest difference that the confirmation will find.
    """

    steps: int
    arms: tuple[ArmPlan, ...]
    confirming: tuple[Cost, Cost]
    configurations: tuple[int, int]
    seeds: tuple[int, int]
    timings: Mapping[str, Timing]
    sight: Sight | None

    @property
    def trials(self) -> int:
        return sum(arm.trials for arm in self.arms)

    @property
    def search(self) -> Cost:
        return sum((arm.search for arm in self.arms), Cost())

    @property
    def confirmed(self) -> tuple[int, int]:
        """Trainings of the confirmation: if all is decided at the first look, and if nothing is before the last."""
        low, high = (n * seeds for n, seeds in zip(self.configurations, self.seeds, strict=True))
        return low, high

    @property
    def confirmation(self) -> tuple[Cost, Cost]:
        low, high = (cost * seeds for cost, seeds in zip(self.confirming, self.seeds, strict=True))
        return low, high

    @property
    def seconds(self) -> tuple[float, float]:
        """Of one slot that runs trial after trial; divide by the trials that run at once."""
        low, high = ((self.search + part).seconds for part in self.confirmation)
        return low, high


def make_plan(spec: StudySpec, measured: Mapping[str, Timing], earlier: Findings | None = None) -> Plan:
    """Draw configurations and count.

    Args:
        measured: what `timings` gives, by encoder.
        earlier: a run of the same study, from whose spread it follows what the confirmation will find.

    Raises:
        XrtError: data cannot be used.
    """
    prices = Prices(spec, measured)
    arms = tuple(_arm(spec, place, prices) for place in range(len(spec.arms)))
    # A robust arm is confirmed with its ablation; where plain fine-tuning has one configuration, that is it.
    one = Arm(PLAIN) in spec.arms and all("." in name or name == "method" for name in spec.varying())
    best = [arm.cost + arm.evaluation for arm in arms]
    ablations = [arm.ablation + arm.evaluation for arm in arms if arm.arm.method != PLAIN and not one]
    # With a trial an arm there is nothing else to choose.
    more = chosen_otherwise(spec) * (spec.search.trials > len(arms))
    low, count = sum(best + ablations, Cost()), len(best) + len(ablations)
    return Plan(
        steps=round(mean(prices.plain_steps(config) for config in _drawn(spec, spec.arms[0]))),
        arms=arms,
        confirming=(low, low + max(best, key=lambda cost: cost.steps) * more),
        configurations=(count, count + more),
        seeds=spec.confirm.seeds if spec.confirm else (0, 0),
        timings=measured,
        sight=sight(spec, test_groups(spec), earlier),
    )


def test_groups(spec: StudySpec) -> int:
    """How many example groups the test split of the confirmation has."""
    if spec.confirm is None:
        return 0
    test = evaluation_data(spec.task, spec.data.origin, "test", spec.data.test_rows)
    return len(set(test.groups.tolist()))


def _drawn(spec: StudySpec, arm: Arm) -> list[TrialConfig]:
    """Random configurations of an arm."""
    random = Random(spec.search.seed)
    anything = Unit(lambda name: random.random())
    samples = [spec.sample(OfArm(arm, anything, anything)) for _ in range(DRAWS)]
    return [build(spec, sample, spec.search.seed) for sample in samples]


def _arm(spec: StudySpec, place: int, prices: Prices) -> ArmPlan:
    arm, count = spec.arms[place], len(spec.arms)
    trials = spec.search.trials // count + (place < spec.search.trials % count)
    configs = _drawn(spec, arm)
    costs = [prices.training(config) for config in configs]
    searched = []
    for config, cost in zip(configs, costs, strict=True):
        stops = config.stops(prices.rows)
        shares = [step / stops[-1] for step in stops]
        end = prices.evaluation(config, prices.dev * finishing(spec, shares, trials))
        searched.append(cost * kept(spec, shares, trials) + end + prices.rungs(config))
    shortest = min((config.stops(prices.rows) for config in configs), key=lambda stops: stops[-1])
    return ArmPlan(
        arm,
        trials,
        tuple(shortest),
        cost=Cost.mean(costs),
        ablation=Cost() if arm.method == PLAIN else Cost.mean([prices.ablation(one) for one in configs]),
        evaluation=Cost.mean([prices.evaluation(one, prices.dev + prices.test) for one in configs]),
        search=Cost.mean(searched) * trials,
    )


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
