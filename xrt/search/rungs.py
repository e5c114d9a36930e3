"""How many examples of which language pairs a rung evaluates. Knows the rule of cost, and no data."""

from collections.abc import Sequence
from dataclasses import dataclass

from xrt.spec.metric import PROXIES, Metric, Pair, Sources

SHARE = 0.1  # of the cost of a trial's plain training, for all its rungs before the last
STEP = 3  # a training step in forward passes: one, and a backward pass that costs two
LEAST_ROWS = 8  # even if they cost a short training more than that share


def forward_cost(inputs: float, batch_size: int) -> float:
    """The cost of evaluating so many inputs, in plain steps of such a batch."""
    return inputs / (STEP * batch_size)


@dataclass(frozen=True)
class Sampling:
    """How a rung samples the dev split, given the study's metric.

    Most language pairs have the same number of examples. The pairs of which the metric is the mean have up to L times
    as many (L languages), so that a metric over few pairs is about as precise as the mixed mean. The proxies are
    evaluated only where the metric is a proxy.
    """

    pairs: Sequence[Pair]
    sources: Sources
    metric: Metric

    @property
    def by_proxy(self) -> bool:
        """Whether the metric is accuracy in the source languages under noise or under synonyms."""
        return self.metric.kind == "proxy"

    @property
    def times(self) -> dict[Pair, int]:
        """Each pair's multiple of the usual number of examples.

        Mixed pairs come first: `Aligned.spread` hands out examples in this order, and to the first pairs most evenly.
        """
        count = sum(a == b for a, b in self.pairs)
        deciding = [pair for pair in self.pairs if self.metric.covers(pair, self.sources)]
        times = min(count, max(1, count * (count - 1) // max(1, len(deciding))))
        ordered = sorted(self.pairs, key=lambda pair: pair[0] == pair[1])
        return {pair: times if pair in deciding else 1 for pair in ordered}

    def rows(self, *, rungs: int, epochs: float, training_rows: int, available: int) -> int:
        """The usual number of examples of a pair at a rung.

        The last rung does not count, because the whole split is evaluated there anyway.
        """
        inputs = SHARE * STEP * epochs * training_rows / max(1, rungs - 1)
        times = self.times
        own = sum(times[pair] for pair in times if self.metric.covers(pair, self.sources))
        proxies = len(PROXIES) * own if self.by_proxy else 0
        return min(available, max(LEAST_ROWS, int(inputs / (sum(times.values()) + proxies))))

    def counts(self, rows: int) -> dict[Pair, int]:
        """How many examples each pair gets, in the order in which `Aligned.spread` should serve them."""
        return {pair: times * rows for pair, times in self.times.items()}
