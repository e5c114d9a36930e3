"""What unused rows of the word embeddings cost: `python -m tests.bench.used_rows [ENCODER] [ROUNDS]`.

ENCODER: a folder or hub name; by default random weights in the shape of multilingual-e5-small (12 layers of width 384)
with its vocabulary of 250,002 pieces, of which the data use 5,000. Compared are a training of the used rows, a training
of the whole table, and a training of an encoder that was cut to the used rows; a few steps of each in turn, so that
a noisy machine disturbs all of them alike. Printed is the median over the rounds. Exit code 1 where a step takes more
than 1.1 times that of the cut encoder, or where the weights in the end are not, to the bit, those of the whole table.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from tests.bench.step_cost import BATCH, TOKENS, random_bert
from xrt.data.batches import Batch, FixedPairs, TrainingStream
from xrt.data.tokens import Tokens
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.objective import Perturbed
from xrt.robust.perturb import Clean
from xrt.robust.progress import Progress
from xrt.robust.training import Recipe, TrainingState, start, train

PIECES, USED, AT_MOST = 250_002, 5_000, 1.1
STEPS = 2  # in a turn
Batches = Callable[[int], Iterator[Batch]]


def data(encoder: Encoder) -> tuple[TrainingStream, np.ndarray[Any, Any]]:
    """Random pairs of `TOKENS` tokens, and the pieces that they use."""
    draw = np.random.default_rng(1)
    pieces = draw.choice(np.arange(10, encoder.model.config.vocab_size), USED, replace=False)
    length, count = (TOKENS - encoder.template.specials) // 2, 16 * BATCH
    first, second = (
        Tokens(draw.choice(pieces, count * length).astype(np.int32), np.arange(count + 1) * length)
        for _ in range(2)
    )
    pairs = FixedPairs(first, second, draw.integers(0, 2, count))
    stream = TrainingStream(pairs, encoder.template, BATCH, TOKENS, seed=1)
    return stream, np.union1d(first.values, second.values)


def cut(encoder: Encoder, ids: np.ndarray[Any, Any], stream: TrainingStream) -> tuple[Encoder, Batches]:
    """The encoder with the first ten rows of its word embeddings and those of `ids` alone; the data for it."""
    model = deepcopy(encoder.model)
    words, kept = model.get_input_embeddings(), torch.from_numpy(np.union1d(np.arange(10), ids))
    table = torch.nn.Embedding(len(kept), words.embedding_dim, words.padding_idx)
    table.weight.data.copy_(words.weight.data[kept])
    model.set_input_embeddings(table)
    rows = torch.zeros(len(words.weight), dtype=torch.long)
    rows[kept] = torch.arange(len(kept))

    def batches(step: int) -> Iterator[Batch]:
        return (replace(batch, input_ids=rows[batch.input_ids]) for batch in stream(step))

    return Encoder(model, encoder.tokenizer), batches


def gigabytes(state: TrainingState) -> float:
    """GB of weights, gradients and moments."""
    trained = sum(p.numel() for p in state.trained)
    return 4 * (sum(p.numel() for p in state.encoder.model.parameters()) + 3 * trained) / 1e9


def seconds_of_a_step(walk: Iterator[Progress]) -> float:
    began = time.perf_counter()
    next(walk)
    return (time.perf_counter() - began) / STEPS


def main(name: str = "", rounds: str = "9") -> int:
    with tempfile.TemporaryDirectory() as folder:
        name = name or random_bert(folder, PIECES)
        own, whole = (load_encoder(name, ("0", "1")) for _ in range(2))
    stream, ids = data(own)
    small, mapped = cut(own, ids, stream)
    recipe = Recipe(learning_rate=1e-4, steps=100, seed=1, clip=0.5)
    states = {
        "used rows": start(own, recipe, ids),
        "cut encoder": start(small, recipe),
        "whole table": start(whole, recipe),
    }
    stops = [STEPS * (turn + 1) for turn in range(int(rounds) + 1)]
    walks = {
        label: train(state, Perturbed(Clean()), recipe, mapped if state.encoder is small else stream, stops)
        for label, state in states.items()
    }
    found = [[seconds_of_a_step(walk) for walk in walks.values()] for _ in stops]
    seconds = np.array(found[1:])  # the first are to warm up
    ratios = np.median(seconds / seconds[:, [1]], 0)
    print(f"{len(states['whole table'].words.weight):,} pieces, {len(ids):,} of them in use")
    for label, column, ratio in zip(states, seconds.T, ratios, strict=True):
        held = f"{gigabytes(states[label]):.2f} GB"
        print(f"{label:12} {np.median(column):6.2f} s a step  {ratio:5.2f} x the cut encoder  {held}")
    pairs = zip(own.model.state_dict().values(), whole.model.state_dict().values(), strict=True)
    same, fast = all(torch.equal(a, b) for a, b in pairs), bool(ratios[0] <= AT_MOST)
    print(f"used rows at most {AT_MOST} x the cut encoder: {'yes' if fast else 'NO'}")
    print(f"weights after {stops[-1]} steps those of the whole table, to the bit: {'yes' if same else 'NO'}")
    return int(not (same and fast))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
