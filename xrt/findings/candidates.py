"""The configurations to confirm: a function of the study and its finished search.

The best configuration of every arm; for each robust arm its ablation, plain fine-tuning at the same encoder, learning
rate and training settings; and what selection without labelled target sentences would have chosen (Keung et al. 2020,
*Don't Use English Dev*). All are chosen on dev; test never chooses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xrt.findings.ranking import ranked
from xrt.record.values import TrialRecord
from xrt.spec.arms import PLAIN, Arm
from xrt.spec.metric import Metric, zero_shot
from xrt.spec.study import StudySpec


@dataclass(frozen=True)
class Chosen:
    """What one dev metric chose among the finished trials.

    Attributes:
        ties: the trials that are equal by that metric, the chosen one first: the best of them by the study's metric.
        among: the number of finished trials.
    """

    rule: Metric
    ties: tuple[TrialRecord, ...]
    among: int

    @property
    def trial(self) -> TrialRecord:
        return self.ties[0]


@dataclass(frozen=True)
class Candidates:
    """Configurations to confirm, by id.

    Attributes:
        params: id -> parameters. The id is that of the search trial, or `0012-plain` for an ablation that the search
            did not try.
        best: arm -> the id of its best configuration; arms without a finished trial are missing.
        ablation: robust arm -> the id of its ablation.
        rules: what each rule chose: the study's metric first, then the zero-shot rules.
    """

    params: Mapping[str, dict[str, Any]]
    best: Mapping[Arm, str]
    ablation: Mapping[Arm, str]
    rules: tuple[Chosen, ...]

    def references(self, arm: Arm) -> list[str]:
        """The configurations that the best of a robust arm must beat: its ablation, and the best of the plain arm."""
        found = [self.ablation.get(arm), self.best.get(arm.plain)]
        return list(dict.fromkeys(id for id in found if id is not None))

    def involved(self, arm: Arm) -> list[str]:
        """Every configuration that the verdict on an arm needs."""
        return [self.best[arm], *self.references(arm)]


@dataclass
class _Gathering:
    params: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, id: str, params: dict[str, Any]) -> str:
        """Equal parameters are one configuration, under the id that came first."""
        known = next((other for other, values in self.params.items() if values == params), id)
        self.params.setdefault(known, params)
        return known


def candidates(spec: StudySpec, trials: Sequence[TrialRecord]) -> Candidates:
    """The configurations to confirm: first the best of every arm, plain arms before others."""
    gathering, best = _Gathering(), {}
    for arm in spec.arms:
        if first := ranked(trials, spec.metric, arm=arm)[:1]:
            best[arm] = gathering.add(first[0].id, first[0].params)
    ablation = {
        arm: gathering.add(f"{id}-{PLAIN}", _ablated(gathering.params[id]))
        for arm, id in best.items()
        if arm.method != PLAIN
    }
    rules = tuple(found for rule in rules_of(spec) if (found := choose(spec, trials, rule)))
    for rule in rules:
        gathering.add(rule.trial.id, rule.trial.params)
    return Candidates(gathering.params, best, ablation, rules)


def rules_of(spec: StudySpec) -> list[Metric]:
    """The rules whose winners are confirmed: the study's own, and those without labelled target sentences."""
    return list(dict.fromkeys([spec.metric, *zero_shot(spec.task.sources)]))


def choose(spec: StudySpec, trials: Sequence[TrialRecord], rule: Metric) -> Chosen | None:
    """The choice of a rule; None if no finished trial has that metric."""
    order = ranked(trials, rule, tie=spec.metric)
    if not order:
        return None
    first = order[0].score(str(rule))
    return Chosen(rule, tuple(t for t in order if t.score(str(rule)) == first), len(order))


def _ablated(params: Mapping[str, Any]) -> dict[str, Any]:
    """The same parameters without the method's own."""
    own = f"{params['method']}."
    return {name: value for name, value in params.items() if not name.startswith(own)} | {"method": PLAIN}
