"""Candidates with simulated trainings: each example group's contribution, by seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from xrt.findings.candidates import Candidates
from xrt.findings.statistics import Floats
from xrt.spec.arms import Arm
from xrt.spec.metric import Metric

MIXED, TARGETS = Metric("mean", "mixed", "test"), Metric("mean", "targets", "test")
PLAIN, ADVERSARIAL, NOISE = Arm("plain"), Arm("adversarial"), Arm("noise")
CANDIDATES = Candidates(
    params={id: {"id": id} for id in ("0000", "0001", "0002", "0001-plain", "0002-plain")},
    best={PLAIN: "0000", ADVERSARIAL: "0001", NOISE: "0002"},
    ablation={ADVERSARIAL: "0001-plain", NOISE: "0002-plain"},
    rules=(),
)


@dataclass(frozen=True, eq=False)
class Made:
    """Trainings of a configuration with a true accuracy; a seed gives the same numbers however many there are."""

    name: str
    accuracy: float
    count: int
    failed: tuple[int, ...] = ()
    luck: float = 0.004

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(seed for seed in range(1, self.count + 1) if seed not in self.failed)

    def values(self, metric: Metric) -> Mapping[int, Floats]:
        return {seed: self._training(metric, seed) for seed in self.seeds}

    def _training(self, metric: Metric, seed: int) -> Floats:
        rng = np.random.default_rng([seed, *map(ord, self.name + metric.name)])
        common = np.random.default_rng(0).normal(0, 0.3, 300)
        return self.accuracy + common + rng.normal(0, 0.05, 300) + rng.normal(0, self.luck)


def trained(count: int = 5, **accuracy: float) -> dict[str, Made]:
    """Every candidate with so many seeds; `a` is the adversarial arm's best, `n` noise's, `p` plain's, `pa`, `pn`
    their ablations.
    """
    names = {"p": "0000", "a": "0001", "n": "0002", "pa": "0001-plain", "pn": "0002-plain"}
    return {id: Made(id, accuracy.get(short, 0.7), count) for short, id in names.items()}
