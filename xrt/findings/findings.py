"""The meaning of a run as one value. `findings(run)` reads the record once; everything that describes a run takes it.

Costly parts (predictions, verdicts) are computed once, when they are first used.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from xrt.errors import RecordError
from xrt.findings.answer import Answer, answer, in_short
from xrt.findings.candidates import Candidates, Chosen, candidates, choose
from xrt.findings.configurations import Configuration, configurations, difference, estimate, opened
from xrt.findings.looks import looks
from xrt.findings.ranking import leaderboard, ranked
from xrt.findings.statistics import LEVEL, NAN, Estimate
from xrt.findings.verdicts import Claim, claims
from xrt.findings.words import count, percent
from xrt.record.notes import read_note
from xrt.record.paths import RunPaths
from xrt.record.run import REMEDY, Run
from xrt.record.values import Meta, TrialRecord
from xrt.record.witnesses import lost
from xrt.robust.predictions import Predictions
from xrt.spec.arms import Arm
from xrt.spec.metric import Metric, means_of, primary, zero_shot
from xrt.spec.study import StudySpec


@dataclass(frozen=True, eq=False)
class Confirmation:
    """Everything that has been confirmed so far.

    Attributes:
        split: test, or dev where test has no labels.
        metrics: the primary ones, of that split.
        configurations: by id, in the order of the candidates.
        at: the numbers of seeds of all looks.
        winner: the arm whose best configuration the search ranks first on dev; None until it is confirmed.
    """

    spec: StudySpec
    split: str
    metrics: tuple[Metric, ...]
    candidates: Candidates
    configurations: Mapping[str, Configuration]
    at: tuple[int, ...]
    winner: Arm | None

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Every robust arm by every primary metric."""
        return tuple(claims(self.candidates, self.configurations, self.metrics, self.at))

    def claims_of(self, arm: Arm) -> list[Claim]:
        return [claim for claim in self.claims if claim.arm == arm]

    def best(self, arm: Arm) -> Configuration:
        """The arm's best configuration; without trials where none has finished yet."""
        id = self.candidates.best[arm]
        known = self.configurations.get(id)
        return known or Configuration(id, dict(self.candidates.params[id]), (), (), Path())

    def reference(self, arm: Arm) -> Configuration | None:
        """The configuration that an arm's deciding difference refers to, by the first primary metric that has one."""
        for claim in self.claims_of(arm):
            if claim.shown:
                place = claim.shown.index(claim.difference)
                return self.configurations.get(self.candidates.references(arm)[place])
        return None

    def accuracy(self, arm: Arm, metric: Metric) -> Estimate:
        """The accuracy of the arm's best; the split of `metric` is replaced by the confirmed one."""
        return self.best(arm).accuracy(metric.on(self.split))

    def gain(self, arm: Arm, metric: Metric) -> Estimate | None:
        """The arm's best minus its reference by any metric; not corrected."""
        other = self.reference(arm)
        return difference(self.best(arm), other, metric.on(self.split)) if other else None

    def of_trial(self, trial: TrialRecord) -> Configuration | None:
        """The confirmed configuration with the parameters of a search trial."""
        return next((c for c in self.configurations.values() if c.params == trial.params), None)

    @cached_property
    def examples(self) -> int:
        """Aligned examples of the split that were evaluated."""
        for configuration in self.configurations.values():
            for predictions in configuration.predictions[self.split].values():
                return int(predictions.evaluated.any(0).sum())
        return 0

    @property
    def begun(self) -> bool:
        """Whether some comparison has a verdict, or an interval at least."""
        return any(claim.judged for claim in self.claims)

    @property
    def cells(self) -> dict[Metric, int]:
        """How many pairs of languages each primary metric is the mean of."""
        task = self.spec.task
        return {metric: len(metric.cells(task.pairs(), task.sources)) for metric in self.metrics}

    def constant(self, metric: Metric) -> float:
        """What one constant prediction reaches by a metric of the confirmed split.

        Where no predictions are left, it is the share of the most common label over all cells.
        """
        for configuration in self.configurations.values():
            for predictions in configuration.predictions[self.split].values():
                return predictions.constant(metric.cells(predictions.pairs, predictions.sources))
        trials = [t for c in self.configurations.values() for t in c.trials]
        return max((t.score(str(Metric("commonest", "label", self.split))) for t in trials), default=NAN)

    @property
    def constants(self) -> str:
        """What a constant prediction reaches: `72.7 % on mixed pairs, 70.6 % on target languages`."""
        return ", ".join(f"{percent(self.constant(metric))} on {metric.words}" for metric in self.metrics)

    @cached_property
    def learned(self) -> bool:
        """Whether some configuration is reliably above a constant prediction, in any language or mean.

        Unknown counts as learned: a single seed, or records without predictions and without the share of a label.
        """
        known = [
            estimate([v - self.constant(metric) for v in c.values(metric).values()]).interval(LEVEL)[0]
            for c in self.configurations.values()
            for metric in (*self.metrics, zero_shot(self.spec.task.sources)[0].on(self.split))
        ]
        lows = [low for low in known if not math.isnan(low)]
        return not lows or max(lows) > 0


@dataclass(frozen=True, eq=False, repr=False)
class Findings:
    """A run as it stands. `trials` are all of them, by id; `lost` has a line for each whose record is gone or
    damaged; `note` is a person's.
    """

    meta: Meta
    spec: StudySpec
    paths: RunPaths
    trials: tuple[TrialRecord, ...]
    at: tuple[int, ...]
    lost: tuple[str, ...] = ()
    note: str = ""

    def __repr__(self) -> str:
        """The answer: what a notebook shows of findings."""
        return self.answer.sentence

    @cached_property
    def searched(self) -> tuple[TrialRecord, ...]:
        return tuple(t for t in self.trials if t.phase == "search")

    @cached_property
    def ranking(self) -> list[TrialRecord]:
        """The finished trials of the search, best first by the study's metric."""
        return ranked(self.trials, self.spec.metric)

    @property
    def best_trial(self) -> TrialRecord | None:
        return self.ranking[0] if self.ranking else None

    @cached_property
    def leaderboard(self) -> list[TrialRecord]:
        """The trials of the search as a table shows them: finished ones by score, then the others."""
        return leaderboard(self.searched, self.meta.metric)

    @cached_property
    def candidates(self) -> Candidates:
        return candidates(self.spec, self.searched)

    @cached_property
    def rules(self) -> list[Chosen]:
        """What every rule of selection would have chosen: the study's own, zero-shot ones, and the means."""
        task = self.spec.task
        names = [self.spec.metric, *zero_shot(task.sources), *means_of(task)]
        found = (choose(self.spec, self.searched, rule) for rule in dict.fromkeys(names))
        return [rule for rule in found if rule]

    @cached_property
    def split(self) -> str:
        """The split that the verdicts are about: test, or dev where test has no labels."""
        metrics = [t.metrics for t in self.trials if t.phase == "confirm" and t.state == "finished"]
        tested = not metrics or any(name.startswith("test/") for m in metrics for name in m)
        return "test" if tested else "dev"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The primary metrics, of that split."""
        return tuple(m.on(self.split) for m in primary(self.spec.task, self.spec.metric))

    @cached_property
    def confirmation(self) -> Confirmation | None:
        """None before the first confirming trial has finished."""
        found = configurations(self.trials, list(self.candidates.params), self.paths.root)
        if not any(c.trials for c in found.values()):
            return None
        first = self.spec.arm_of(self.ranking[0].params) if self.ranking else None
        confirmed = first and found.get(self.candidates.best.get(first, ""))
        winner = first if confirmed and confirmed.trials else None
        at = self.at or (max(len(c.trials) for c in found.values()),)
        return Confirmation(self.spec, self.split, self.metrics, self.candidates, found, at, winner)

    @cached_property
    def champion(self) -> TrialRecord | None:
        """The trial to export: of the configuration that the search ranks first, the seed that is best on dev."""
        first = self.best_trial
        if first is None:
            return None
        confirmed = self.confirmation.of_trial(first) if self.confirmation else None
        name = self.meta.metric
        known = [t for t in (confirmed.trials if confirmed else ()) if not math.isnan(t.score(name))]
        return max(known, key=lambda t: (t.score(name), -t.seed), default=first)

    @property
    def predictions(self) -> Mapping[str, Predictions]:
        """Predictions of the finished trials of the search for the whole dev split, by id."""
        return self._opened[0]

    @property
    def damaged(self) -> list[str]:
        """One line for each lost record, one for each damaged file of predictions, whose trial keeps its recorded
        numbers, and one for all trials that a resumed run would train again.
        """
        confirmed = self.confirmation.configurations.values() if self.confirmation else ()
        files = [*self._opened[1], *(line for one in confirmed for line in one.damaged)]
        return [*self.lost, *files, *([self._outside] if self.outside else [])]

    @property
    def outside(self) -> list[TrialRecord]:
        """The trials that failed for lack of a disk, folder, network or cache."""
        return [trial for trial in self.trials if trial.outside]

    @property
    def _outside(self) -> str:
        first, n = self.outside[0], len(self.outside)
        again = f"python -m xrt.study resume {self.meta.name}{self.paths.results.option}"
        return (
            f"{self.meta.name}: {count(n, 'trial')} failed for lack of a disk, folder, network or cache "
            f"({first.id}: {(first.reason or '').splitlines()[0][:200]}). Once that is fixed: {again}"
        )

    @cached_property
    def _opened(self) -> tuple[dict[str, Predictions], list[str]]:
        return opened(self.paths.root, self.ranking, "dev")

    @property
    def added(self) -> int:
        """Trainings that were added after somebody had seen the verdicts."""
        return sum(trial.added for trial in self.trials)

    @cached_property
    def answer(self) -> Answer:
        return answer(self)

    @property
    def short(self) -> str:
        """The answer as a cell of a table."""
        return in_short(self)


def findings(run: Run, *, partly: bool = False) -> Findings:
    """What a run means as it stands.

    Args:
        partly: for readers: leave out trials with damaged files, with one line for each.

    Raises:
        RecordError: a file of the record is damaged.
    """
    meta, spec = run.meta, run.spec
    seeds = spec.confirm.seeds if spec.confirm else None
    missing = tuple(
        f"{run.paths.trial(id)}: is missing, although {trace}; `resume` trains it again."
        for id, trace in sorted(lost(run).items())
    )
    trials, damaged = run.whole_trials() if partly else (run.trials(), [])
    missing += tuple(lines[0] if len(lines) == 1 else f"{lines[0]} {REMEDY}" for lines in damaged)
    note = ""
    try:
        note = read_note(run)
    except RecordError as error:  # no number depends on it
        missing += tuple(error.problems)
    return Findings(meta, spec, run.paths, tuple(trials), looks(*seeds) if seeds else (), missing, note)
