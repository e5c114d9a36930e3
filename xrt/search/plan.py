"""What a study would do and cost, before it runs: trials, rungs and cost of each arm, the confirmation, hours.

Costs are in plain training steps of the study's largest batch, evaluation included; the times of each encoder and
method on this machine (`timing`) turn them into hours. The estimate is an expectation over random configurations in
random order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from statistics import mean

from xrt.findings.findings import Findings
from xrt.findings.power import Sight, sight
from xrt.search.confirm import chosen_otherwise
from xrt.search.prices import Cost, Prices
from xrt.search.pruning import finishing, trained_share_of_arm
from xrt.search.sampler import OfArm, Unit
from xrt.search.scoring import evaluation_data
from xrt.search.timing import Timing
from xrt.spec.arms import PLAIN, Arm
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig, build

DRAWS = 200  # random configurations of each arm, whose mean is its cost


@dataclass(frozen=True)
class ArmPlan:
    """One arm of the search.

    Attributes:
        rungs: optimizer steps at which its shortest trials are evaluated; longer ones continue.
        cost: of one whole training, on average, with the evaluations of `training.keep`.
        ablation: the same for plain training with its training settings; a plain arm has none.
        evaluation: of one training of the confirmation, at its end.
        search: of all its trials up to where they are pruned, with their evaluation.
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
    """Hours are those of one slot, from times measured here for each encoder and method.

    Attributes:
        steps: of one plain training, on average.
        confirming: cost of one training of each configuration, with its evaluation: if the other rules choose the
            best of an arm too, and if each chooses another configuration.
        configurations: their numbers in both cases.
        seeds: fewest and most; (0, 0) without a confirmation.
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
        """Trainings of the confirmation, if all is decided at the first look and if nothing is until the last."""
        low, high = (n * seeds for n, seeds in zip(self.configurations, self.seeds, strict=True))
        return low, high

    @property
    def confirmation(self) -> tuple[Cost, Cost]:
        low, high = (cost * seeds for cost, seeds in zip(self.confirming, self.seeds, strict=True))
        return low, high

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds on one slot that runs trial after trial; divide by the number of slots."""
        low, high = ((self.search + part).seconds for part in self.confirmation)
        return low, high


def make_plan(spec: StudySpec, measured: Mapping[str, Timing], earlier: Findings | None = None) -> Plan:
    """Estimate by drawing random configurations.

    Args:
        measured: the result of `timings`, by encoder.
        earlier: a run of the same study, whose spread predicts what the confirmation will find.

    Raises:
        XrtError: data cannot be used.
    """
    prices = Prices(spec, measured)
    arms = tuple(_arm(spec, place, prices) for place in range(len(spec.arms)))
    # A robust arm is confirmed with its ablation; the only configuration of plain fine-tuning is every arm's.
    single_plain = Arm(PLAIN) in spec.arms and all("." in name or name == "method" for name in spec.varying())
    best = [arm.cost + arm.evaluation for arm in arms]
    ablations = [
        arm.ablation + arm.evaluation for arm in arms if arm.arm.method != PLAIN and not single_plain
    ]
    # With one trial per arm, all rules choose the same.
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
        searched.append(cost * trained_share_of_arm(spec, shares, trials) + end + prices.rungs(config))
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
