"""The metrics of a trial: at a rung on a sample of the dev split, at its end on all of it; in a confirmation on test.

The sample is the same in all trials of a study, at all rungs and after a resumption: trials are compared over the
same examples.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any, Self

import numpy as np

from xrt.data.batches import TrainingStream
from xrt.data.loading import load
from xrt.data.pairs import Aligned, PairRows
from xrt.data.sentences import Source
from xrt.data.synonyms import Neighbours, load_neighbours
from xrt.data.tasks import Split, Task
from xrt.mini import neighbours
from xrt.robust.directions import directions
from xrt.robust.encoder import Encoder
from xrt.robust.evaluation import Classify, predict
from xrt.robust.methods import METHODS
from xrt.robust.predictions import Pair, Predictions
from xrt.robust.proxies import Proxies
from xrt.search.rungs import Sampling, forward_cost
from xrt.spec.metric import Metric, means_of
from xrt.spec.trial import TrialConfig

Ids = np.ndarray[Any, Any]
Watch = Callable[[str, int, int], None]  # called during an evaluation: split, inputs done, all inputs
SAMPLE_SEED = 0  # one sample for all trials and studies, so that differences are paired


@dataclass(frozen=True)
class Scores:
    """Metrics by name, and predictions of each split that was evaluated as a whole."""

    metrics: dict[str, float]
    predictions: dict[str, Predictions]


@dataclass(frozen=True)
class Scoring:
    """How a trial is scored; `site_norm` is the unit of its radius or noise; `watch` may show its progress."""

    config: TrialConfig
    proxies: Proxies
    site_norm: float
    training_rows: int
    watch: Watch

    @classmethod
    def of(
        cls, config: TrialConfig, encoder: Encoder, stream: TrainingStream, ids: Ids, watch: Watch
    ) -> Self:
        """Call this before training and before a checkpoint is loaded: it measures the pretrained encoder's norms.

        Args:
            ids: all token ids of the training data.
        """
        norm = encoder.site_norm(ids, [batch for batch, _ in zip(stream(0), range(16), strict=False)])
        word_norm = replace(encoder, layer=0).site_norm(ids, [])
        proxies = Proxies(word_norm, neighbours_at_hand(config), config.max_tokens)
        return cls(config, proxies, norm, len(stream.pairs.labels), watch)

    def look(self, encoder: Encoder) -> float:
        """The metric by which `training.keep` chooses, on the whole dev split."""
        found = self._predict(encoder, self._dev, self._keep_pairs)
        return found.mean(range(len(found.pairs)))

    @property
    def cost_of_look(self) -> float:
        """The cost of `look` in plain steps of the study's largest batch; averages cost none."""
        rows = sum(len(self._dev.pair(*pair).rows) for pair in self._keep_pairs)
        return forward_cost(rows, (self.config.shortest or self.config.length).batch_size)

    @property
    def _keep_pairs(self) -> list[Pair]:
        keep, pairs = self.config.kept, self._dev.pairs
        cells = Metric.parse(keep.metric).cells(pairs, self.config.task.sources) if keep.how == "best" else []
        return [pairs[cell] for cell in cells]

    def sampled(self, encoder: Encoder) -> Scores:
        """`dev/...` on the sample."""
        found, proxies = self._predict(encoder, self._dev, self._sample), {}
        if self._sampling.by_proxy:
            proxies = self.proxies.predictions(encoder, self._dev, {p: self._sample[p] for p in self._own})
        return Scores(self._metrics(self._dev, found, proxies), {})

    def whole(self, encoder: Encoder) -> Scores:
        """`dev/...` on the whole dev split; `test/...` if the trial may read test."""
        config = self.config
        found = {"dev": self._predict(encoder, self._dev, self._dev.pairs)}
        proxies = {}
        if self._own:  # else no source language is evaluated
            own = {(a, b): self._dev.pair(a, b) for a, b in self._own}
            proxies = self.proxies.predictions(encoder, self._dev, own)
        metrics = self._metrics(self._dev, found["dev"], proxies)
        test = evaluation_data(config.task, config.source, "test", config.test_rows) if config.test else None
        if test and (labelled := [pair for pair in test.pairs if not set(pair) & set(test.unlabelled)]):
            found["test"] = self._predict(encoder, test, labelled)
            metrics |= self._metrics(test, found["test"], {})
            metrics |= self._voted(encoder, test, labelled)
        return Scores(metrics | self._directions(encoder), found)

    def _directions(self, encoder: Encoder) -> dict[str, float]:
        """`dev/along/de` and the like, of a confirming trial whose method is adversarial."""
        config, dev = self.config, self._dev
        method = METHODS[config.method].build(config.parameters, self.site_norm)
        if not config.test or not method.perturbation.passes:
            return {}
        found = directions(encoder, dev, method, self.site_norm, config.max_tokens)
        return {str(Metric(kind, a)): value for a, three in found.items() for kind, value in three.items()}

    def _voted(self, encoder: Encoder, test: Aligned, pairs: Sequence[Pair]) -> dict[str, float]:
        """`test/votes/...`: the means, by votes under noise."""
        if self.config.votes is None:
            return {}
        count, scale = self.config.votes
        found = self._predict(encoder, test, pairs, self.proxies.noisily(scale, count))
        known = {mean.name: str(mean.on("test")) for mean in means_of(self.config.task)}
        metrics = self._metrics(test, found, {})
        return {
            str(Metric("votes", name, "test")): metrics[mean]
            for name, mean in known.items()
            if mean in metrics
        }

    def _metrics(
        self, aligned: Aligned, found: Predictions, proxies: Mapping[str, Predictions]
    ) -> dict[str, float]:
        split = aligned.split
        metrics = dict(metrics_of_predictions(self.config.task, split, found, aligned.pairs))
        return metrics | {
            str(Metric("proxy", name, split)): one.mean(range(len(one.pairs)))
            for name, one in proxies.items()
        }

    def _predict(
        self,
        encoder: Encoder,
        aligned: Aligned,
        wanted: Sequence[Pair] | Mapping[Pair, PairRows],
        classify: Classify = Encoder.predict,
    ) -> Predictions:
        progress = partial(self.watch, aligned.split)
        return predict(encoder, aligned, wanted, self.config.max_tokens, progress, classify)

    @property
    def _own(self) -> list[Pair]:
        """Those of the source languages' own cells that are evaluated."""
        return [(a, a) for a in self.config.task.sources if a in self.config.task.languages]

    @property
    def _dev(self) -> Aligned:
        return evaluation_data(self.config.task, self.config.source, "dev", self.config.dev_rows)

    @property
    def _sampling(self) -> Sampling:
        task = self.config.task
        return Sampling(task.pairs(), task.sources, Metric.parse(self.config.metric))

    @cached_property
    def _sample(self) -> dict[Pair, PairRows]:
        config = self.config
        rows = config.rung_rows or self._sampling.rows(
            rungs=len(config.rungs),
            epochs=(config.shortest or config.length).epochs,
            training_rows=self.training_rows,
            available=len(self._dev),
        )
        counts = self._sampling.counts(rows)
        return self._dev.spread({p: n for p, n in counts.items() if p in self._dev.pairs}, SAMPLE_SEED)


def metrics_of_predictions(
    task: Task, split: str, found: Predictions, pairs: Sequence[Pair]
) -> Iterator[tuple[str, float]]:
    """Accuracy of every cell, every mean with its standard error, and the shares of the commonest label and prediction.

    A mean is left out if one of its cells is missing: some languages of a test split may have no labels.

    Args:
        pairs: the pairs of the split's languages; a language that is not aligned with others is in no mixed pair.
    """
    for pair, accuracy in zip(found.pairs, found.accuracies.tolist(), strict=True):
        yield str(Metric.of(pair, split)), accuracy
    for mean in means_of(task):
        cells = mean.cells(found.pairs, task.sources)
        if cells and len(cells) == len(mean.cells(pairs, task.sources)):
            yield str(mean.on(split)), found.mean(cells)
            yield str(Metric("se", mean.name, split)), found.error(cells)
    label, prediction = found.commonest()
    yield str(Metric("commonest", "label", split)), label
    yield str(Metric("commonest", "prediction", split)), prediction


def neighbours_at_hand(config: TrialConfig) -> Neighbours | None:
    """The table of synonyms that the study names, or the embedded task's own; None if it would need a download."""
    if config.neighbours is not None:
        return load_neighbours(config.neighbours)
    return Neighbours.of(neighbours()) if config.task.embedded else None


@lru_cache(maxsize=4)
def evaluation_data(task: Task, source: Source, split: Split, rows: int | None) -> Aligned:
    """A split in all languages; `rows` aligned examples of it, the same in every trial."""
    aligned = load(task, source, split)
    return aligned if rows is None or rows >= len(aligned.ids) else aligned.sample(rows, SAMPLE_SEED)
