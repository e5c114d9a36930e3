"""In which order the kinds of sentence join the pre-training: one after the other, each when the last is learned.

Comparing roles across two sentences is a discovery: on one kind alone it is made within a few hundred steps, on all
kinds together it was not made in 5,000. English comes first, the other languages when all kinds have joined.
"""

from collections.abc import Iterable

import numpy as np

ORDER = ("travel", "transfer", "event", "order", "compare", "number", "colour", "job")


class Curriculum:
    """Which kinds are open; told the detection loss of each English example, it opens the next."""

    def __init__(self, patience: int, learned: float = 0.35) -> None:
        """`patience`: steps after which the next kind joins at any rate; `learned`: a mean loss in nats."""
        self.patience, self.learned = patience, learned
        self.losses = dict.fromkeys(ORDER, float(np.log(2)))  # moving means
        self.open = 1
        self.since = 0  # steps since the newest kind joined
        self.all_languages = False

    def draw_kind(self, rng: np.random.Generator) -> str:
        """The newest kind in half of the draws until all have joined; then each as often."""
        if not self.all_languages and rng.random() < 0.5:
            return ORDER[self.open - 1]
        return ORDER[rng.integers(self.open)]

    def note(self, losses: Iterable[tuple[str, float]]) -> None:
        """One step's detection losses: (kind, loss) of each example."""
        for kind, loss in losses:
            self.losses[kind] += 0.005 * (loss - self.losses[kind])
        self.since += 1
        if self.losses[ORDER[self.open - 1]] < self.learned or self.since >= self.patience:
            self.all_languages |= self.open == len(ORDER)
            self.open, self.since = min(self.open + 1, len(ORDER)), 0
