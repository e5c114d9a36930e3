"""What synonyms cost a training: `python -m tests.bench.synonym_cost [ROUNDS]`; two idle cores, one of them for torch.

Plain training of mini-a on pairs whose words are replaced afresh, and on the same pairs fixed before it began, in turn:
rounds of some steps each. (The pairs as they stand would be shorter, and their steps quicker.) Printed are the
milliseconds of a step (median of the rounds), the median of the ratios of a round, and how long making a batch takes
alone. Exit code 1 where synonyms cost more than 1.1 times fixed pairs.
"""

import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median

from xrt.data import TASKS, Source
from xrt.data.ahead import AHEAD
from xrt.data.batches import Batch, FixedPairs, SynonymPairs, TrainingStream
from xrt.data.synonyms import Neighbours
from xrt.data.tokens import tokenize
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.objective import Perturbed
from xrt.robust.perturb import Clean
from xrt.robust.training import Recipe, start, train
from xrt.search.trial import training_data, use_threads

STEPS, BATCH, BOUND = 40, 32, 1.1


def synonyms(encoder: Encoder) -> TrainingStream:
    """Of mini's sentences, three of four words that have neighbours."""
    read = training_data(TASKS["mini"], Source("embedded"), None)
    first, second = (tokenize(encoder.tokenizer, side) for side in (read.first, read.second))
    words = sorted({word for text in read.first for word in text.split()})
    table = Neighbours.of({word: words[i : i + 3] for i, word in enumerate(words) if i % 4})
    fixed = FixedPairs(first, second, read.labels)
    drawn = SynonymPairs(fixed, (read.first, read.second), table, encoder.tokenizer, 1)
    return TrainingStream(drawn, encoder.template, BATCH, 128, 1)


def seconds_of_a_step(encoder: Encoder, stream: Callable[[int], Iterator[Batch]]) -> float:
    """Of some steps from the first on, the first batch included."""
    recipe = Recipe(learning_rate=1e-5, steps=STEPS, seed=1)
    state, began = start(encoder, recipe), time.perf_counter()
    for _ in train(state, Perturbed(Clean()), recipe, stream, (STEPS,)):
        pass
    return (time.perf_counter() - began) / STEPS


def main(rounds: str = "11") -> int:
    use_threads(1)  # as a trial with one core does
    encoder = load_encoder("mini-a", TASKS["mini"].labels)
    drawn, began = synonyms(encoder), time.perf_counter()
    fixed = list(islice(drawn(0), STEPS + AHEAD))
    print(f"{1e3 * (time.perf_counter() - began) / len(fixed):.1f} ms for a batch alone")
    of = {"fixed pairs": lambda step: iter(fixed[step:]), "synonyms": drawn}
    found: dict[str, list[float]] = {name: [] for name in of}
    for turn in range(int(rounds) + 1):
        for name, stream in of.items():
            found[name].append(seconds_of_a_step(encoder, stream))
            if turn == 0:
                found[name].clear()  # warm-up
    for name, each in found.items():
        print(f"{name:12} {1e3 * median(each):8.1f} ms a step")
    # The two of a round stand side by side in time: the quickest of each may come from different weather.
    ratio = median(a / b for a, b in zip(found["synonyms"], found["fixed pairs"], strict=True))
    print(f"synonyms {ratio:.3f} x fixed pairs, at most {BOUND}: {'yes' if ratio <= BOUND else 'NO'}")
    return int(ratio > BOUND)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
