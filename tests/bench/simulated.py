"""Whole studies in simulated worlds: the real proposer, the real ASHA, the real choice of candidates, looks and
verdicts; only training and evaluation are replaced by numbers whose truth is known.

A training's accuracy is that of its encoder and learning rate, plus the gain of its method, plus the luck of its seed.
At a rung a part of it has been learned, by the share of the own training or by optimizer steps. Each test example
contributes: examples of a group are alike (ICC), and a configuration has examples that it likes.

Letters: G example groups.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from xrt.findings.candidates import Candidates, candidates
from xrt.findings.confirming import plan
from xrt.findings.looks import looks
from xrt.findings.statistics import Floats
from xrt.findings.verdicts import Claim, claims
from xrt.record.values import Report, TrialRecord
from xrt.search.pruning import is_stopped
from xrt.search.sampler import propose
from xrt.search.standings import Standings
from xrt.spec import StudySpec
from xrt.spec.metric import Metric
from xrt.spec.trial import build

STEPS = 900  # optimizer steps of the shortest training
METRICS = (Metric("mean", "mixed", "test"), Metric("mean", "targets", "test"))
ENCODERS = {"mini-a": 0.0, "mini-b": -0.02, "mini-c": -0.05}  # what each costs


@dataclass(frozen=True)
class World:
    """Standard deviations are in accuracy.

    Attributes:
        by_steps: whether a longer training has learned as much after the same steps, or after the same share.
        seed: of a training's luck.
        gain: of adversarial training over plain.
        taste: of a configuration on an example; `icc` is the share of its variance that a group has in common.
        trials, seeds: of the study.
    """

    by_steps: bool = False
    encoders: int = 1
    seed: float = 0.004
    gain: float = 0.0
    taste: float = 0.09
    icc: float = 0.5
    examples: int = 2000
    trials: int = 32
    seeds: tuple[int, int] = (3, 10)

    @property
    def spec(self) -> StudySpec:
        return StudySpec.model_validate(
            {
                "study": "simulated",
                "task": "mini",
                "data": {"source": "embedded", "train_rows": STEPS},
                "space": {
                    "encoder": list(ENCODERS)[: self.encoders],
                    "learning_rate": {"log": [1e-5, 5e-5]},
                    "method": {
                        "plain": {},
                        "adversarial": {"radius": {"log": [0.01, 1.0]}, "steps": [1, 3]},
                        "noise": {"scale": {"log": [0.2, 3.0]}},
                        "synonyms": {"copies": [1, 3, 10]},
                    },
                },
                "training": {"epochs": 1, "batch_size": 1},
                "search": {"trials": self.trials},
                "confirm": {"seeds": list(self.seeds)},
            }
        )

    def truth(self, params: Mapping[str, Any]) -> float:
        """The expected accuracy of a whole training."""
        rate = np.log(float(params["learning_rate"]) / 2.5e-5)
        gain = self.gain if params["method"] == "adversarial" else 0.0
        return float(0.8 + ENCODERS[str(params["encoder"])] - 0.03 * rate**2 + gain)


@dataclass(frozen=True, eq=False)
class Simulated:
    """A configuration whose trainings contribute made-up numbers; see `xrt.findings.configurations.Trained`."""

    by_metric: Mapping[Metric, dict[int, Floats]]
    failed: tuple[int, ...] = ()

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.by_metric[METRICS[0]])

    def values(self, metric: Metric) -> Mapping[int, Floats]:
        return self.by_metric[metric]


@dataclass
class Study:
    """One study in a world; everything random comes from `rng`."""

    world: World
    rng: np.random.Generator
    trained: dict[str, Simulated] = field(default_factory=dict)
    cost: float = 0.0  # of the confirmation, in trainings

    def __post_init__(self) -> None:
        self.spec = replace_seed(self.world.spec, int(self.rng.integers(2**31)))
        sizes = self.rng.choice([1, 2, 3, 7], self.world.examples, p=[0.6, 0.25, 0.1, 0.05])
        self.sizes = sizes[: np.searchsorted(np.cumsum(sizes), self.world.examples) + 1]
        self.common = self._by_group(0.3, 0.5)
        self._taste: dict[str, Floats] = {}

    def search(self) -> list[TrialRecord]:
        """One trial after the other, to its end or to the rung where it is pruned."""
        trials: list[TrialRecord] = []
        clock, standings = 0.0, Standings(self.spec)
        while proposal := propose(self.spec, trials, standings=standings):
            config = build(self.spec, proposal.params, proposal.seed)
            trial = TrialRecord(
                proposal.id, proposal.params, config.to_dict(), proposal.seed, proposal.configuration
            )
            luck, trial = self.rng.normal(0, self.world.seed), trial.begun(clock)
            stops = config.stops(STEPS)
            for rung, step in enumerate(stops):
                clock += 1
                share = step / stops[-1]
                trial = trial.reported(self._report(trial, rung, share, step, luck, clock))
                standings.read([trial])
                if is_stopped(self.spec, trial, standings):
                    break
            ended = trial.last is not None and trial.last.share == 1
            trials.append(trial.closed("finished" if ended else "pruned", clock))
        return trials

    def _report(
        self, trial: TrialRecord, rung: int, share: float, step: int, luck: float, clock: float
    ) -> Report:
        done = min(1.0, step / STEPS) if self.world.by_steps else share
        noise = 0.003 if share == 1 else 0.01
        score = 0.5 + (self.world.truth(trial.params) - 0.5) * done**0.3 + luck
        values = {name: score + self.rng.normal(0, noise) for name in ("dev/mean/mixed", "dev/acc/en")}
        return Report(rung, share, step, clock, values)

    def confirm(self, found: Candidates, at: tuple[int, ...]) -> list[Claim]:
        """Train the seeds that the plan needs, then judge."""
        while needed := plan(found, self.trained, METRICS, at, 1):
            for id, seed in needed:
                self.train(id, found.params[id], seed)
        return claims(found, self.trained, METRICS, at)

    def train(self, id: str, params: Mapping[str, Any], seed: int) -> None:
        """What the test examples contribute after one more training."""
        self.cost += 1
        known = self.trained.setdefault(id, Simulated({metric: {} for metric in METRICS}))
        luck = self.rng.normal(0, self.world.seed)
        if id not in self._taste:
            self._taste[id] = self._by_group(self.world.taste, self.world.icc)
        both = self.common + self._taste[id] + self._by_group(0.08, 0.0)
        for metric in METRICS:
            own = self.rng.normal(0, self.world.seed / 2)
            values = self.world.truth(params) + luck + own + both + self._by_group(0.05, 0.0)
            known.by_metric[metric][seed] = values

    def _by_group(self, sd: float, icc: float) -> Floats:
        """(G,) contributions of effects with mean 0: a group's is the sum of its examples', as the estimator has it."""
        together = np.sqrt(icc) * self.rng.standard_normal(len(self.sizes)) * self.sizes
        alone = np.sqrt(1 - icc) * self.rng.standard_normal(len(self.sizes)) * np.sqrt(self.sizes)
        return np.asarray(sd * (together + alone) * len(self.sizes) / self.sizes.sum())


def replace_seed(spec: StudySpec, seed: int) -> StudySpec:
    """The same study with another seed of its search."""
    return spec.model_copy(update={"search": spec.search.model_copy(update={"seed": seed})})


@dataclass(frozen=True)
class Outcome:
    """Of one study: whether the search's winner is called better, whether anything is claimed, whether the gain is
    found (adversarial called better), the trainings of the confirmation, and the seeds of the adversarial arm.
    """

    winner_better: bool
    any_claim: bool
    found: bool
    cost: float
    seeds: int


def run_study(world: World, seed: int, bounds: tuple[int, int] | None = None) -> Outcome:
    """A whole study; `bounds` of the confirmation in place of the world's."""
    study = Study(world, np.random.default_rng(seed))
    trials = study.search()
    found = candidates(study.spec, trials)
    judged = study.confirm(found, looks(*(bounds or world.seeds)))
    better = [claim for claim in judged if claim.verdict == "better"]
    best = max((t for t in trials if t.state == "finished"), key=lambda t: t.score("dev/mean/mixed"))
    adversarial = next(id for arm, id in found.best.items() if arm.method == "adversarial")
    return Outcome(
        any(claim.arm == study.spec.arm_of(best.params) for claim in better),
        any(claim.verdict in ("better", "worse") for claim in judged),
        any(claim.arm.method == "adversarial" for claim in better),
        study.cost,
        len(study.trained[adversarial].seeds),
    )


WORLDS = {
    "learning by share, 1 encoder, seed sd 0.4": World(),
    "learning by share, 3 encoders, seed sd 0.8": World(encoders=3, seed=0.008),
    "learning by steps, 1 encoder, seed sd 0.8": World(by_steps=True, seed=0.008),
    "learning by steps, 3 encoders, seed sd 0.4": World(by_steps=True, encoders=3),
}
GAINS = {f"gain {points} points": replace(World(), gain=points / 100, seed=0.008) for points in (1, 2, 3)}
