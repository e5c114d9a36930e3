"""A configuration with its confirming trials: what it reaches over its seeds, and what each example contributes.

It reads records and the predictions beside the checkpoints. If predictions are missing or damaged it falls back to
the recorded metrics, with `groups == 0`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from xrt.errors import RecordError
from xrt.findings.statistics import Estimate, Floats, contributions, crossed, over_seeds
from xrt.findings.words import describe
from xrt.record.values import TrialRecord
from xrt.robust.predictions import Predictions
from xrt.spec.metric import Metric

SAME = 1e-6  # accuracies that differ by less are equal


class Trained(Protocol):
    """The parts of a configuration that a comparison needs; simulations have them too."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds whose training finished."""
        ...

    @property
    def failed(self) -> tuple[int, ...]:
        """Seeds whose training failed."""
        ...

    def values(self, metric: Metric) -> Mapping[int, Floats]:
        """Seed -> contribution of each example group to the metric (G,), or its value alone (1,); seeds in order."""
        ...


@dataclass(frozen=True, eq=False)
class Configuration:
    """Trials that differ by their seed alone.

    Attributes:
        id: of the search trial that it comes from, or `0012-plain`.
        trials: the confirming ones that finished, by seed.
    """

    id: str
    params: dict[str, Any]
    trials: tuple[TrialRecord, ...]
    failed: tuple[int, ...]
    root: Path

    @property
    def label(self) -> str:
        """The method with its own parameters: "adversarial (radius 0.1, steps 1)"."""
        return describe(self.params)

    @property
    def encoder(self) -> str:
        return str(self.params["encoder"])

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(trial.seed for trial in self.trials)

    @property
    def predictions(self) -> dict[str, dict[int, Predictions]]:
        """Split -> seed -> predictions, without those whose files are gone or damaged."""
        return {split: opened for split, (opened, _) in self._opened.items()}

    @property
    def damaged(self) -> list[str]:
        """One line for each of its damaged files of predictions."""
        return [line for _, problems in self._opened.values() for line in problems]

    @cached_property
    def _opened(self) -> dict[str, tuple[dict[int, Predictions], list[str]]]:
        return {split: _by_seed(self.root, self.trials, split) for split in ("dev", "test")}

    @cached_property
    def _values(self) -> dict[Metric, dict[int, Floats]]:
        return {}

    def values(self, metric: Metric) -> Mapping[int, Floats]:
        """See `Trained`. By groups if every seed has comparable predictions, else one recorded value per seed."""
        if metric not in self._values:
            self._values[metric] = dict(self._contributions(metric))
        return self._values[metric]

    def _contributions(self, metric: Metric) -> Iterator[tuple[int, Floats]]:
        found = self.predictions.get(metric.split, {})
        first = next(iter(found.values()), None)
        whole = first and len(found) == len(self.trials) and all(first.comparable(p) for p in found.values())
        cells = metric.cells(first.pairs, first.sources) if first else []
        for trial in self.trials:
            if whole and cells:
                yield trial.seed, contributions(found[trial.seed], cells)
            elif not math.isnan(score := trial.score(str(metric))):
                yield trial.seed, np.array([score])

    def accuracy(self, metric: Metric) -> Estimate:
        """Its mean over seeds, with the error over seeds and example groups."""
        return estimate(list(self.values(metric).values()))


def estimate(values: Sequence[Floats]) -> Estimate:
    """The mean over seeds and groups; with one value per seed, over seeds alone."""
    sizes = {len(one) for one in values}
    if len(sizes) == 1 and sizes.pop() > 1:
        return crossed(np.stack(values))
    return over_seeds([float(one.mean()) for one in values if len(one)])


def difference(left: Trained, right: Trained, metric: Metric, seeds: Sequence[int] | None = None) -> Estimate:
    """Left minus right, paired by seed and example group, over the seeds that both have.

    Args:
        seeds: only these.
    """
    ours, theirs = left.values(metric), right.values(metric)
    common = [seed for seed in ours if seed in theirs and (seeds is None or seed in seeds)]
    return estimate(list(_paired([(ours[seed], theirs[seed]) for seed in common])))


def unpaired(left: Trained, right: Trained, metric: Metric) -> Estimate:
    """Left minus right for seeds that are independent of each other, so that any pairing serves."""
    pairs = list(zip(left.values(metric).values(), right.values(metric).values(), strict=False))
    return estimate(list(_paired(pairs)))


def _paired(pairs: Sequence[tuple[Floats, Floats]]) -> Iterator[Floats]:
    by_group = all(len(ours) == len(theirs) for ours, theirs in pairs)
    for ours, theirs in pairs:
        yield ours - theirs if by_group else np.array([ours.mean() - theirs.mean()])


def _by_seed(
    root: Path, trials: Sequence[TrialRecord], split: str
) -> tuple[dict[int, Predictions], list[str]]:
    found, problems = opened(root, trials, split)
    return {trial.seed: found[trial.id] for trial in trials if trial.id in found}, problems


def opened(root: Path, trials: Sequence[TrialRecord], split: str) -> tuple[dict[str, Predictions], list[str]]:
    """The predictions of trials for a split, by id, and one line for each damaged file."""
    found, problems = dict[str, Predictions](), list[str]()
    for trial in trials:
        try:
            if (one := predictions_of(root, trial, split)) is not None:
                found[trial.id] = one
        except RecordError as error:
            problems += error.problems
    return found, problems


def predictions_of(root: Path, trial: TrialRecord, split: str) -> Predictions | None:
    """A trial's predictions for a split; None if it has no file of them.

    Raises:
        RecordError: the file is damaged, of another trial or split, or disagrees with the recorded accuracies.
    """
    if not trial.checkpoint or trial.last is None:
        return None
    path = root / trial.checkpoint / f"predictions-{split}.arrow"
    try:
        found = Predictions.open(path)
    except FileNotFoundError:
        return None
    for key, own in {**trial.about, "split": split, "step": trial.last.step}.items():
        if (named := found.about.get(key, own)) != own:  # a file saved by the library alone names no trial
            raise RecordError(f"{path}: is of {key} {named}, not of {own}; it does not belong to this trial.")
    for pair, accuracy in zip(found.pairs, found.accuracies.tolist(), strict=True):
        name = str(Metric.of(pair, split))
        recorded = trial.metrics.get(name, math.nan)
        if abs(accuracy - recorded) > SAME:
            raise RecordError(
                f"{path}: {name} is {accuracy:.4f} by these predictions and {recorded:.4f} by the record of trial "
                f"{trial.id}; one of them was changed. The record is shown."
            )
    return found


def configurations(
    trials: Sequence[TrialRecord], order: Sequence[str], root: Path
) -> dict[str, Configuration]:
    """The configurations with confirming trials, by id, in the order of `order`; others come last."""
    found: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        if trial.phase == "confirm":
            found.setdefault(trial.configuration, []).append(trial)
    places = {id: place for place, id in enumerate(order)}
    ids = sorted(found, key=lambda id: (places.get(id, len(places)), id))
    return {id: _configuration(id, found[id], root) for id in ids}


def _configuration(id: str, trials: Sequence[TrialRecord], root: Path) -> Configuration:
    finished = sorted((t for t in trials if t.state == "finished"), key=lambda t: t.seed)
    failed = tuple(sorted(t.seed for t in trials if t.state == "failed"))
    return Configuration(id, trials[0].params, tuple(finished), failed, root)
