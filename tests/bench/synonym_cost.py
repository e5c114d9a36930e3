"""What synonyms cost a training: `python -m tests.bench.synonym_cost [ROUNDS]`; two idle cores, one of them for torch.

Plain training on fixed pairs and on pairs whose words are replaced afresh, in turn: rounds of some steps each, of a
random BERT of mini's vocabulary (6 layers, 256 wide) on mini's sentences. Printed are the median seconds of a step, the
ratio, and how long the batches alone take. Exit code 1 where synonyms cost more than 1.1 times fixed pairs.
"""

import sys
import time
from itertools import islice

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from xrt.data import TASKS, Source
from xrt.data.batches import FixedPairs, SynonymPairs, TrainingStream
from xrt.data.synonyms import Neighbours
from xrt.data.tokens import tokenize
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.objective import Perturbed
from xrt.robust.perturb import Clean
from xrt.robust.training import Recipe, start, train
from xrt.search.trial import training_data

STEPS, BATCH, BOUND = 12, 32, 1.1


def streams(encoder: Encoder) -> dict[str, TrainingStream]:
    """Fixed pairs, and the same with three of four words that have neighbours."""
    read = training_data(TASKS["mini"], Source("embedded"), None)
    first, second = (tokenize(encoder.tokenizer, side) for side in (read.first, read.second))
    words = sorted({word for text in read.first for word in text.split()})
    table = Neighbours.of({word: words[i : i + 3] for i, word in enumerate(words) if i % 4})
    fixed = FixedPairs(first, second, read.labels)
    drawn = SynonymPairs(fixed, (read.first, read.second), table, encoder.tokenizer, 1)
    of = {"fixed pairs": fixed, "synonyms": drawn}
    return {name: TrainingStream(pairs, encoder.template, BATCH, 128, 1) for name, pairs in of.items()}


def seconds_of_a_step(encoder: Encoder, stream: TrainingStream) -> float:
    """Of some steps from the first on, the first batch included."""
    recipe = Recipe(learning_rate=1e-5, steps=STEPS, seed=1)
    state, began = start(encoder, recipe), time.perf_counter()
    for _ in train(state, Perturbed(Clean()), recipe, stream, (STEPS,)):
        pass
    return (time.perf_counter() - began) / STEPS


def main(rounds: str = "7") -> int:
    torch.set_num_threads(1)
    small = load_encoder("mini-a", TASKS["mini"].labels)
    config = BertConfig(
        vocab_size=len(small.tokenizer),
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=4,
    )
    encoder = Encoder(BertForSequenceClassification(config), small.tokenizer)
    of = streams(encoder)
    for name, stream in of.items():
        began = time.perf_counter()
        list(islice(stream(0), STEPS))
        print(f"{name:12} {1e3 * (time.perf_counter() - began) / STEPS:8.1f} ms a batch alone")
    found: dict[str, list[float]] = {name: [] for name in of}
    for turn in range(int(rounds) + 1):
        for name, stream in of.items():
            found[name].append(seconds_of_a_step(encoder, stream))
            if turn == 0:
                found[name].clear()  # warm-up
    for name, each in found.items():
        print(f"{name:12} {1e3 * np.median(each):8.1f} ms a step")
    ratio = float(np.median(np.divide(found["synonyms"], found["fixed pairs"])))
    print(f"synonyms {ratio:.3f} x fixed pairs, at most {BOUND}: {'yes' if ratio <= BOUND else 'NO'}")
    return int(ratio > BOUND)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
