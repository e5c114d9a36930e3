"""What a rung may ask: how many examples of which pairs of languages. Knows the rule of cost, and no data.

Scores that need one pair only (accuracy in the source language, plain and by the proxies) would rest on too few
examples if that pair were asked as seldom as the others: it is asked once for each language of the task.
"""

from collections.abc import Sequence
from random import Random

SHARE = 0.1  # of a trial's plain training, for all its rungs before the last
STEP = 3  # forward passes that a training step costs: one, and a backward pass of twice that
SOURCE_SCORES = 3  # plain, noise, synonyms
LEAST_ROWS = 8  # even of a training so short that this costs more than its share


def rung_rows(languages: int, rungs: int, epochs: float, training_rows: int, available: int) -> int:
    """How many aligned examples of a pair a rung may ask.

    The last rung costs nothing: its sample is cut out of the evaluation on the whole split.
    """
    questions = SHARE * STEP * epochs * training_rows / max(1, rungs - 1)
    each = languages**2 - 1 + SOURCE_SCORES * languages
    return min(available, max(LEAST_ROWS, int(questions / each)))


def rung_counts(languages: Sequence[str], source: str, rows: int) -> dict[tuple[str, str], int]:
    """How often each pair of languages is asked, in the order in which `Aligned.spread` should serve them.

    Mixed pairs first, so that they share the examples evenly; and shuffled, the same every time, for else, with 300
    of 1,800 examples a pair, all pairs that end in one language would be asked the same ones.
    """
    mixed = [(a, b) for a in languages for b in languages if a != b]
    Random(0).shuffle(mixed)
    own = {(a, a): rows * (len(languages) if a == source else 1) for a in languages}
    return dict.fromkeys(mixed, rows) | own
