"""What a run has confirmed: each configuration over its seeds, against plain fine-tuning, in numbers and in words.

It reads records and the predictions beside the checkpoints; where predictions are gone it falls back to the
recorded metrics, and says so by `examples == 0`. The configuration that the answer speaks of is the one that the
search chose on dev by the study's own metric; test never chooses.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xrt.answers.statistics import Estimate, chosen, contributions, crossed, holm, over_seeds
from xrt.data import TASKS
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.robust.evaluation import Predictions
from xrt.spec.tasks import whole_dev

ALPHA = 0.05
Verdict = Literal["better", "worse", "no reliable difference", "baseline", "unknown"]


def number(trial: TrialRecord, metric: str) -> float:
    """What the trial reported; NaN where it did not."""
    return trial.metrics.get(metric, math.nan)


def source_language(trials: Sequence[TrialRecord]) -> str:
    """The language that the trials were trained on."""
    for trial in trials:
        task = trial.config.get("task")
        if isinstance(task, Mapping) and "source" in task:
            return str(task["source"])
        if isinstance(task, str) and task in TASKS:
            return TASKS[task].source
    return "en"  # no trial yet, or records of another hand: only a label in figures depends on it


def ranked(trials: Sequence[TrialRecord], metric: str) -> list[TrialRecord]:
    """The finished trials of the search, best first by a dev metric on the whole split; ties by id.

    Where no trial was evaluated on the whole split, the sample of the last rung decides.
    """
    done = [t for t in trials if t.phase == "search" and t.state == "finished"]
    name = whole_dev(metric) if any(not math.isnan(number(t, whole_dev(metric))) for t in done) else metric
    return sorted(
        (t for t in done if not math.isnan(number(t, name))), key=lambda t: (-number(t, name), t.id)
    )


@dataclass(frozen=True)
class Configuration:
    """A configuration with its confirming trials.

    Attributes:
        id: of the search trial that it comes from; "plain" for a baseline that the search did not try.
        trials: those that finished, by seed.
        failed: seeds that did not.
    """

    id: str
    params: dict[str, Any]
    trials: tuple[TrialRecord, ...]
    failed: int
    root: Path

    @property
    def method(self) -> str:
        return str(self.params.get("method", "plain"))

    @property
    def label(self) -> str:
        """The method with its own parameters: "adversarial (radius 0.1, steps 1)"."""
        return describe(self.params)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(trial.seed for trial in self.trials)

    def predictions(self, split: str) -> dict[int, Predictions]:
        """By seed: what was answered on dev or test; without the seeds whose files are gone."""
        return self._dev if split == "dev" else self._test

    @cached_property
    def _dev(self) -> dict[int, Predictions]:
        return self._opened("dev")

    @cached_property
    def _test(self) -> dict[int, Predictions]:
        return self._opened("test")

    def _opened(self, split: str) -> dict[int, Predictions]:
        found = {trial.seed: predictions_of(self.root, trial, split) for trial in self.trials}
        return {seed: one for seed, one in found.items() if one is not None}


def predictions_of(root: Path, trial: TrialRecord, split: str) -> Predictions | None:
    """What a trial answered on a split; None where there is no file of it, or none that can be read."""
    if not trial.checkpoint:
        return None
    try:
        return Predictions.open(root / trial.checkpoint / f"predictions-{split}.arrow")
    except (OSError, ValueError, KeyError):  # pyarrow's errors are among these
        return None


def describe(params: Mapping[str, Any]) -> str:
    """The method with its own parameters, in words."""
    method = str(params.get("method", "plain"))
    own = {name.partition(".")[2]: value for name, value in params.items() if name.startswith(f"{method}.")}
    parts = [f"{name} {show(value)}" for name, value in own.items() if (name, value) != ("site", "word")]
    return method + (f" ({', '.join(parts)})" if parts else "")


def show(value: object) -> str:
    """A parameter as a reader wants it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def configurations(run: Run) -> list[Configuration]:
    """What has been or is being confirmed, in the order of the search's ranking; what it did not rank comes last."""
    trials = run.trials()
    order = [t.id for t in ranked(trials, run.meta.metric)]
    groups: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        if trial.phase == "confirm":
            groups.setdefault(trial.id.rpartition("-s")[0] or trial.id, []).append(trial)
    ids = sorted(groups, key=lambda id: (order.index(id) if id in order else len(order), id))
    return [_configuration(id, groups[id], run.paths.root) for id in ids]


def _configuration(id: str, trials: Sequence[TrialRecord], root: Path) -> Configuration:
    done = sorted((t for t in trials if t.state == "finished"), key=lambda t: t.seed)
    failed = sum(t.state == "failed" for t in trials)
    return Configuration(id, trials[0].params, tuple(done), failed, root)


@dataclass(frozen=True)
class Line:
    """A configuration in the table: its accuracy, its gain over plain, how sure, and in a word.

    `p` is corrected for the number of configurations (Holm).
    """

    configuration: Configuration
    accuracy: Estimate
    gain: Estimate | None
    p: float
    verdict: Verdict


@dataclass(frozen=True)
class Confirmation:
    """All lines for one metric of the split, and which of them the search chose.

    Attributes:
        metric: without its split: `mean/mixed`.
        split: test, or dev where test has no labels.
    """

    metric: str
    split: Literal["test", "dev"]
    lines: tuple[Line, ...]
    baseline: Configuration | None
    winner: Line | None

    def score(self, configuration: Configuration, metric: str) -> Estimate:
        """Accuracy of a configuration by any metric."""
        return accuracy(configuration, metric, self.split)

    def gain(self, configuration: Configuration, metric: str) -> Estimate | None:
        """Its difference to the baseline; None without one."""
        return gain(configuration, self.baseline, metric, self.split) if self.baseline else None


def headline(metric: str, source: str) -> str:
    """What the answer is about, without its split: the study's metric; but accuracy in the source language, plain
    or by a proxy, says nothing of transfer, so a study that selects by it is judged by its mixed pairs.
    """
    name = metric.partition("/")[2]
    return "mean/mixed" if name == f"acc/{source}" or name.startswith(f"{source}_") else name


def confirmation(run: Run) -> Confirmation | None:
    """Everything confirmed so far; None before the first confirming trial has finished."""
    found = [c for c in configurations(run) if c.trials]
    if not found:
        return None
    trials = run.trials()
    metric = headline(run.meta.metric, source_language(trials))
    tested = any(not math.isnan(number(t, f"test/{metric}")) for c in found for t in c.trials)
    split: Literal["test", "dev"] = "test" if tested else "dev"
    plain = [c for c in found if c.method == "plain"]
    lines = _lines(found, plain[0] if plain else None, metric, split)
    best = ranked(trials, run.meta.metric)[:1]
    winner = next((line for line in lines if best and line.configuration.id == best[0].id), None)
    return Confirmation(metric, split, lines, plain[0] if plain else None, winner)


def _lines(
    found: Sequence[Configuration], baseline: Configuration | None, metric: str, split: str
) -> tuple[Line, ...]:
    gains = [gain(c, baseline, metric, split) if baseline and c is not baseline else None for c in found]
    corrected = holm([g.p if g else math.nan for g in gains])
    return tuple(
        Line(c, accuracy(c, metric, split), g, p, "baseline" if c is baseline else _verdict(g, p))
        for c, g, p in zip(found, gains, corrected, strict=True)
    )


def _verdict(gain: Estimate | None, p: float) -> Verdict:
    if gain is None or math.isnan(p):
        return "unknown"
    if p >= ALPHA:
        return "no reliable difference"
    return "better" if gain.mean > 0 else "worse"


def accuracy(configuration: Configuration, metric: str, split: str) -> Estimate:
    """Its mean over seeds, with the interval over seeds and examples."""
    answered = list(configuration.predictions(split).values())
    if len(answered) == len(configuration.trials) and _same_questions(answered):
        cells = chosen(metric, answered[0].pairs, answered[0].source)
        values = np.stack([contributions(one, cells) for one in answered])
        if values.size:
            return crossed(values)
    return over_seeds(list(_recorded(configuration, metric, split).values()))


def gain(configuration: Configuration, baseline: Configuration, metric: str, split: str) -> Estimate:
    """The paired difference to the baseline over the seeds that both have, and over the examples."""
    seeds = [seed for seed in configuration.seeds if seed in baseline.seeds]
    return _paired((configuration, seeds), (baseline, seeds), metric, split)


def difference(left: Configuration, right: Configuration, metric: str, split: str) -> Estimate | None:
    """Left minus right where seeds have nothing to do with each other: any pairing of them is as good.

    None unless both answered the same examples.
    """
    answered = [*left.predictions(split).values(), *right.predictions(split).values()]
    if not _same_questions(answered):
        return None
    count = min(len(left.seeds), len(right.seeds))
    return _paired((left, left.seeds[:count]), (right, right.seeds[:count]), metric, split)


def _paired(
    left: tuple[Configuration, Sequence[int]],
    right: tuple[Configuration, Sequence[int]],
    metric: str,
    split: str,
) -> Estimate:
    """The mean of the differences, seed by seed in the given order, and example by example where possible."""
    ours, theirs = ([c.predictions(split).get(seed) for seed in seeds] for c, seeds in (left, right))
    known = [one for one in (*ours, *theirs) if one is not None]
    if len(known) == len(ours) + len(theirs) and _same_questions(known):
        cells = chosen(metric, known[0].pairs, known[0].source)
        values = np.stack([contributions(one, cells) for one in known])
        if values.size:
            return crossed(values[: len(ours)] - values[len(ours) :])
    recorded = [
        [_recorded(c, metric, split).get(seed, math.nan) for seed in seeds] for c, seeds in (left, right)
    ]
    pairs = zip(*recorded, strict=True)
    return over_seeds([a - b for a, b in pairs if not math.isnan(a - b)])


def _same_questions(answered: Sequence[Predictions]) -> bool:
    """Whether all answered the same examples, so that they can be compared example by example."""
    return bool(answered) and all(
        one.ids == answered[0].ids
        and one.pairs == answered[0].pairs
        and np.array_equal(one.labels, answered[0].labels)
        for one in answered
    )


def _recorded(configuration: Configuration, metric: str, split: str) -> dict[int, float]:
    name = f"{'final' if split == 'dev' else split}/{metric}"
    values = {trial.seed: number(trial, name) for trial in configuration.trials}
    return {seed: value for seed, value in values.items() if not math.isnan(value)}
