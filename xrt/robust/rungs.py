"""What a rung may ask: how many examples of which pairs of languages. Knows the rule of cost, and no data."""

from collections.abc import Sequence
from dataclasses import dataclass

from xrt.robust.evaluation import MEANS, Pair

SHARE = 0.1  # of a trial's plain training, for all its rungs before the last
STEP = 3  # forward passes that a training step costs: one, and a backward pass of twice that
PROXIES = ("noise", "synonyms")
LEAST_ROWS = 8  # even of a training so short that this costs more than its share


@dataclass(frozen=True)
class Demand:
    """What a rung asks for the sake of the study's metric.

    All pairs of languages are asked, as many examples each. Where the metric rests on few of them, these are asked up
    to once for each language of the task, so that it rests on about as many examples as a mean over mixed pairs does.
    The proxies are asked only where one of them is the metric.
    """

    languages: Sequence[str]
    source: str
    metric: str

    @property
    def by_proxy(self) -> bool:
        """Whether the metric is accuracy in the source language under noise or under synonyms."""
        return self.metric in [f"dev/{self.source}_{proxy}" for proxy in PROXIES]

    @property
    def times(self) -> dict[Pair, int]:
        """How many times each pair is asked, mixed pairs first, so that they share the examples evenly."""
        count = len(self.languages)
        pairs = [(a, b) for a in self.languages for b in self.languages]
        deciding = [pair for pair in pairs if self._decides(pair)]
        times = min(count, max(1, count * (count - 1) // max(1, len(deciding))))
        ordered = sorted(pairs, key=lambda pair: pair[0] == pair[1])
        return {pair: times if pair in deciding else 1 for pair in ordered}

    def _decides(self, pair: Pair) -> bool:
        kind, _, which = self.metric.removeprefix("dev/").partition("/")
        if kind == "mean":
            return MEANS[which](pair, self.source)
        if kind == "pair":
            return which == "-".join(pair)
        return pair == ((self.source, self.source) if self.by_proxy else (which, which))

    def rows(self, *, rungs: int, epochs: float, training_rows: int, available: int) -> int:
        """How many examples a rung may ask of a pair that it asks once.

        The last rung costs nothing: its sample is cut out of the evaluation on the whole split.
        """
        questions = SHARE * STEP * epochs * training_rows / max(1, rungs - 1)
        times = self.times
        proxies = len(PROXIES) * times[self.source, self.source] if self.by_proxy else 0
        return min(available, max(LEAST_ROWS, int(questions / (sum(times.values()) + proxies))))

    def counts(self, rows: int) -> dict[Pair, int]:
        """How many examples each pair is asked, in the order in which `Aligned.spread` should serve them."""
        return {pair: times * rows for pair, times in self.times.items()}
