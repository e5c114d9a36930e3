"""What a rung may ask: how many examples of which pairs of languages. Knows the rule of cost, and no data.

A rung is there to decide by the study's metric. Where that rests on the pair of the source language alone (accuracy in
the source language, or a proxy of it), that pair is asked once for each language of the task, for else it would rest
on too few examples; the proxies are asked only where one of them decides.
"""

from collections.abc import Sequence

SHARE = 0.1  # of a trial's plain training, for all its rungs before the last
STEP = 3  # forward passes that a training step costs: one, and a backward pass of twice that
SOURCE_SCORES = 3  # plain, noise, synonyms
LEAST_ROWS = 8  # even of a training so short that this costs more than its share


def by_proxy(metric: str, source: str) -> bool:
    """Whether a metric is accuracy in the source language under noise or under synonyms."""
    return metric in (f"dev/{source}_noise", f"dev/{source}_synonyms")


def source_times(languages: Sequence[str], source: str, metric: str) -> int:
    """How many times as many examples the source language's own pair is asked as any other, for this metric."""
    alone = by_proxy(metric, source) or metric == f"dev/acc/{source}"
    return len(languages) if alone else 1


def rung_rows(
    languages: Sequence[str],
    source: str,
    metric: str,
    *,
    rungs: int,
    epochs: float,
    training_rows: int,
    available: int,
) -> int:
    """How many aligned examples of a pair a rung may ask.

    The last rung costs nothing: its sample is cut out of the evaluation on the whole split.
    """
    questions = SHARE * STEP * epochs * training_rows / max(1, rungs - 1)
    scores = SOURCE_SCORES if by_proxy(metric, source) else 1
    each = len(languages) ** 2 - 1 + scores * source_times(languages, source, metric)
    return min(available, max(LEAST_ROWS, int(questions / each)))


def rung_counts(languages: Sequence[str], source: str, metric: str, rows: int) -> dict[tuple[str, str], int]:
    """How often each pair of languages is asked, in the order in which `Aligned.spread` should serve them.

    Mixed pairs first, so that they share the examples evenly.
    """
    mixed = [(a, b) for a in languages for b in languages if a != b]
    times = source_times(languages, source, metric)
    own = {(a, a): rows * (times if a == source else 1) for a in languages}
    return dict.fromkeys(mixed, rows) | own
