"""The confirmation of a search: its best configurations and the plain baseline, again, with several seeds each.

Only here is the test split read. The candidates are chosen on dev, before: the best by the study's own metric, the
best by English dev alone (strict zero-shot, Keung et al. 2020, and its proxies), and the best plain configuration as
baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xrt.record.run import TrialRecord
from xrt.search.sampler import Outcome, Proposal
from xrt.spec.study import StudySpec
from xrt.spec.tasks import whole_dev

ZERO_SHOT = "dev/acc/{source}"
PROXIES = ("dev/{source}_noise", "dev/{source}_synonyms")


def ranked(trials: Sequence[TrialRecord], metric: str) -> list[TrialRecord]:
    """The finished trials of the search, best first by `metric` on the whole dev split; ties by id."""
    done = [
        t for t in trials if t.phase == "search" and t.state == "finished" and whole_dev(metric) in t.metrics
    ]
    return sorted(done, key=lambda t: (-t.metrics[whole_dev(metric)], t.id))


def candidates(spec: StudySpec, trials: Sequence[TrialRecord]) -> dict[str, dict[str, Any]]:
    """What to confirm, by the id of the trial it comes from: samples of the space, the baseline last.

    Where no plain trial finished, the baseline is the plain one that came furthest, or the winner's encoder and
    learning rate without its method.
    """
    assert spec.confirm is not None
    best = ranked(trials, spec.search.metric)
    if not best:
        return {}
    rules = [rule.format(source=spec.task.source) for rule in (ZERO_SHOT, *PROXIES)]
    strict = [trial for rule in rules for trial in ranked(trials, rule)[:1]]
    robust = [trial for trial in best if trial.method != "plain"][
        :1
    ]  # what plain is compared with, if it won
    chosen = {t.id: t.params for t in [*best[: spec.confirm.top], *robust, *strict]}
    baseline = _baseline(spec.search.metric, best, trials)
    return chosen | baseline


def _baseline(
    metric: str, best: Sequence[TrialRecord], trials: Sequence[TrialRecord]
) -> dict[str, dict[str, Any]]:
    plain = [t for t in best if t.method == "plain"]
    if not plain:
        started = [t for t in trials if t.phase == "search" and t.method == "plain" and t.reports]
        plain = sorted(started, key=lambda t: (-len(t.reports), -t.metrics.get(metric, 0.0)))
    if plain:
        return {plain[0].id: plain[0].params}
    winner = best[0].params
    return {
        "plain": {"encoder": winner["encoder"], "learning_rate": winner["learning_rate"], "method": "plain"}
    }


@dataclass
class ConfirmProposer:
    """Every candidate with every seed; what the record already holds as ended is not done again."""

    spec: StudySpec
    samples: dict[str, dict[str, Any]]
    ended_before: frozenset[str] = frozenset()
    _queue: list[Proposal] = field(init=False)

    def __post_init__(self) -> None:
        assert self.spec.confirm is not None
        seeds = range(self.spec.search.seed + 1, self.spec.search.seed + 1 + self.spec.confirm.seeds)
        wanted = [
            Proposal(f"{id}-s{seed}", sample, seed) for seed in seeds for id, sample in self.samples.items()
        ]
        self._queue = [p for p in wanted if p.id not in self.ended_before]

    def propose(self) -> Proposal | None:
        """The next candidate and seed: all candidates with the first seed before any with the second."""
        return self._queue.pop(0) if self._queue else None

    def reported(self, trial: str, rung: int, value: float) -> None:
        """Nothing is learned from a confirmation."""

    def ended(self, trial: str, outcome: Outcome, value: float | None) -> None:
        """Nothing is learned from a confirmation."""
