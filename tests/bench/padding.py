"""Training throughput, length-bucketed against padded: `python -m tests.bench.padding ENCODER DATA [ROUNDS]`.

DATA: a folder of PAWS-X in XTREME's layout, whose English training sentences are used. In each round both ways train
on the same number of pairs, in turn: batches of similar length padded to their longest, as `TrainingStream` makes them,
and the same batches padded to 128 tokens all. Printed is the median over the rounds of the ratio of examples a second.
"""

import sys
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch

from xrt.data.batches import Batch, FixedPairs, TrainingStream
from xrt.data.loading import load
from xrt.data.sampling import steps_per_epoch
from xrt.data.sentences import Source
from xrt.data.tasks import TASKS
from xrt.data.tokens import tokenize
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.methods import METHODS
from xrt.robust.training import Recipe, start, train

BATCH, MAX_TOKENS, STEPS = 16, 128, 6


def stream_of(encoder: Encoder, folder: str) -> TrainingStream:
    """The real training pairs, as a trial would see them."""
    read_in = load(TASKS["pawsx"], Source("folder", folder), "train")
    usable, sentences = read_in.pair("en", "en"), read_in.sentences("en")
    sides = (
        tokenize(encoder.tokenizer, [side[i] for i in usable.rows])
        for side in (sentences.first, sentences.second)
    )
    return TrainingStream(FixedPairs(*sides, usable.labels), encoder.template, BATCH, MAX_TOKENS, seed=0)


def padded(batches: Iterator[Batch], pad: int) -> Iterator[Batch]:
    """The same batches, every one of them MAX_TOKENS long."""
    for batch in batches:
        more = (0, MAX_TOKENS - batch.input_ids.shape[1])
        wider = batch._mapped(lambda t, more=more: torch.nn.functional.pad(t, more) if t.ndim == 2 else t)
        wider.input_ids[:, batch.input_ids.shape[1] :] = pad
        yield wider


def main(name: str, folder: str, rounds: str = "5") -> None:
    encoder = load_encoder(name, ("0", "1"))
    stream = stream_of(encoder, folder)
    lengths = np.minimum(stream.pairs.lengths + encoder.template.specials, MAX_TOKENS)
    widths = [
        b.input_ids.shape[1] for b in islice(stream(0), steps_per_epoch(stream.rows, stream.batch_size))
    ]
    print(
        f"{len(lengths)} pairs, mean length {lengths.mean():.1f}, mean width of a batch {np.mean(widths):.1f}"
    )
    recipe = Recipe(1e-5, (2 * int(rounds) + 1) * STEPS, seed=0)
    state, plain = start(encoder, recipe), METHODS["plain"].build({}, 1.0)
    ways = {"bucketed": stream, "padded to 128": lambda step: padded(stream(step), encoder.template.pad)}
    found: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(int(rounds) + 1):
        for way, batches in ways.items():
            state.step = turn * STEPS  # both ways see the same pairs
            state.meter.clear()
            began = time.perf_counter()
            list(train(state, plain, recipe, batches, [state.step + STEPS]))
            seconds = time.perf_counter() - began
            if turn:  # the first warms up
                found[way].append(STEPS * BATCH / seconds)
    for way, speeds in found.items():
        print(f"{way:14} {np.median(speeds):6.1f} examples/s")
    ratio = float(np.median(np.divide(found["bucketed"], found["padded to 128"])))
    print(f"bucketed is {ratio:.2f} x as fast (at least 1.8: {'yes' if ratio >= 1.8 else 'NO'})")


if __name__ == "__main__":
    main(*sys.argv[1:])
