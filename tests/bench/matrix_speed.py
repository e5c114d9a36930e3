"""How fast is the 49-pair matrix? `python -m tests.bench.matrix_speed ENCODER DATA [ROWS] [ROUNDS]`

DATA: PAWS-X in XTREME's layout. In each round, in turn, on the same questions and threads:

- ours: `predict`, tokenization included, with an empty cache;
- usual: one pair of languages after the other, batches of 8 padded to 128, tokenized on the way;
- forward: the encoder alone, over ready-made batches of similar lengths, for several batch sizes; the best counts.

Printed: CPU seconds (run it on one thread, OMP_NUM_THREADS=1: then a machine that others use disturbs them little),
the medians of the ratios, and the share of `predict` that is tokenization.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import torch

from xrt.data import TASKS, Aligned, Source, load
from xrt.data.batches import Batch
from xrt.data.tokens import tokenize
from xrt.robust import evaluation
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.predictions import Predictions

PAIRS = TASKS["pawsx"].pairs()
BUDGETS = (512, 1024, 2048, 4096)  # tokens a batch


def seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def ours(encoder: Encoder, dev: Aligned) -> Predictions:
    """The matrix as xrt computes it, its tokens not cached yet."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        return evaluation.predict(encoder, dev, PAIRS, 128)


def tokenization(encoder: Encoder, dev: Aligned) -> None:
    """Tokenize every sentence of the matrix once."""
    for language in dev.languages:
        sentences = dev.sentences(language)
        for side in (sentences.first, sentences.second):
            tokenize(encoder.tokenizer, side)


@torch.inference_mode()
def usual(encoder: Encoder, dev: Aligned) -> list[int]:
    """The usual loop of published code."""
    predicted: list[int] = []
    for a, b in PAIRS:
        rows = dev.pair(a, b).rows.tolist()
        for start in range(0, len(rows), 8):
            chosen = rows[start : start + 8]
            first = [dev.sentences(a).first[i] for i in chosen]
            second = [dev.sentences(b).second[i] for i in chosen]
            encoded = encoder.tokenizer(
                first, second, padding="max_length", max_length=128, truncation=True, return_tensors="pt"
            )
            predicted += encoder.model(**encoded).logits.argmax(-1).tolist()
    return predicted


def ready(encoder: Encoder, dev: Aligned, budget: int) -> list[Batch]:
    """All batches of the matrix, made before the clock runs."""
    wanted = {pair: dev.pair(*pair) for pair in PAIRS}
    tokens = [{a: tokenize(encoder.tokenizer, getattr(dev.sentences(a), side)) for a in dev.languages}
              for side in ("first", "second")]  # fmt: skip
    inputs = evaluation.Inputs.of(wanted, tokens[0], tokens[1], 128)
    groups = evaluation._by_length(inputs.lengths(encoder.template), budget)
    return [inputs.batch(encoder.template, chosen) for chosen in groups]


def main(name: str, data: str, rows: str = "12", rounds: str = "3") -> None:
    dev = load(TASKS["pawsx"], Source("folder", data), "dev").sample(int(rows), 0)
    encoder = load_encoder(name, ("0", "1"))
    encoder.model.eval()
    found = ours(encoder, dev)
    flat = found.predicted[found.labels >= 0].tolist()
    agree = sum(x == y for x, y in zip(flat, usual(encoder, dev), strict=True))
    batches = {budget: ready(encoder, dev, budget) for budget in BUDGETS}
    tokens = sum(int(batch.attention_mask.sum()) for batch in batches[BUDGETS[0]])
    print(
        f"{len(flat)} inputs, {tokens} tokens, {torch.get_num_threads()} threads; {agree} predictions agree"
    )
    ratios: dict[str, list[float]] = {"usual/ours": [], "forward/ours": [], "tokenization/ours": []}
    for turn in range(int(rounds)):
        took = seconds(lambda: ours(encoder, dev))
        slow = seconds(lambda: usual(encoder, dev))
        pure = {
            budget: seconds(lambda made=made: [encoder.predict(batch) for batch in made])  # type: ignore[misc]
            for budget, made in batches.items()
        }
        cut = seconds(lambda: tokenization(encoder, dev))
        ratios["usual/ours"].append(slow / took)
        ratios["forward/ours"].append(min(pure.values()) / took)
        ratios["tokenization/ours"].append(cut / took)
        told = ", ".join(f"{budget} tokens {t:.1f}" for budget, t in pure.items())
        print(f"round {turn + 1}: ours {took:.1f} s, usual {slow:.1f} s, forward {told}", flush=True)
    for label, values in ratios.items():
        print(f"{label:18} median {statistics.median(values):.3f}  ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
