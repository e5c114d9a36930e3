"""Cross-lingual evaluation: the predictions of an encoder for pairs of languages.

All pairs of an evaluation are one stream of inputs, sorted by length across pairs, in batches of equal token count.
Knows nothing of training or of where the numbers go.

Letters: Q inputs (an aligned example in a pair of languages).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xrt.data.ahead import ahead
from xrt.data.batches import Batch, PairTemplate, collate, pair_lengths
from xrt.data.pairs import Aligned, PairRows
from xrt.data.tokens import Tokens, tokenize_cached, tokenizer_digest
from xrt.robust.encoder import Encoder
from xrt.robust.memory import EVALUATED
from xrt.robust.predictions import NOT_EVALUATED, Pair, Predictions

Progress = Callable[[int, int], None]  # called after each batch with the inputs done, and all
Classify = Callable[[Encoder, Batch], torch.Tensor]
Rows = npt.NDArray[Any]
CPU_TOKENS, GPU_TOKENS = 2048, EVALUATED  # tokens per batch: enough to keep the device busy


@dataclass(frozen=True)
class Inputs:
    """Q sentence pairs to predict: input i is row `rows[i]` in the pair of languages `pairs[cell[i]]`."""

    pairs: Sequence[Pair]
    firsts: Mapping[str, Tokens]
    seconds: Mapping[str, Tokens]
    cell: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    max_tokens: int

    @classmethod
    def of(
        cls,
        wanted: Mapping[Pair, PairRows],
        firsts: Mapping[str, Tokens],
        seconds: Mapping[str, Tokens],
        max_tokens: int,
    ) -> "Inputs":
        """Every row of every pair."""
        cell = np.repeat(np.arange(len(wanted)), [len(one.rows) for one in wanted.values()])
        rows = np.concatenate([one.rows for one in wanted.values()])
        return cls(tuple(wanted), firsts, seconds, cell, rows, max_tokens)

    def lengths(self, template: PairTemplate) -> npt.NDArray[np.int64]:
        """Tokens of each input (Q,), joined and truncated."""
        found = np.zeros(len(self.rows), np.int64)
        for i, (a, b) in enumerate(self.pairs):
            here = self.cell == i
            first, second = (side.lengths[self.rows[here]] for side in (self.firsts[a], self.seconds[b]))
            found[here] = pair_lengths(template, first, second, self.max_tokens)
        return found

    def batch(self, template: PairTemplate, chosen: npt.NDArray[Any], multiple: int = 1) -> Batch:
        """The chosen inputs as tensors, without labels; their width is a multiple of `multiple`."""
        first = [self.firsts[self.pairs[self.cell[i]][0]][self.rows[i]] for i in chosen]
        second = [self.seconds[self.pairs[self.cell[i]][1]][self.rows[i]] for i in chosen]
        return collate(template, first, second, np.zeros(len(chosen)), self.max_tokens, multiple)


def predict_inputs(
    encoder: Encoder,
    inputs: Inputs,
    classify: Classify = Encoder.predict,
    progress: Progress = lambda done, total: None,
) -> npt.NDArray[np.int16]:
    """The class of each input (Q,); leaves the encoder in evaluation mode."""
    encoder.model.eval()
    lengths = inputs.lengths(encoder.template)
    found = np.full(len(lengths), NOT_EVALUATED, np.int16)
    budget, multiple = (CPU_TOKENS, 1) if encoder.device.type == "cpu" else (GPU_TOKENS, 8)
    made = (
        (chosen, inputs.batch(encoder.template, chosen, multiple)) for chosen in _by_length(lengths, budget)
    )
    done = 0
    for chosen, read in _classified(encoder, made, classify):
        found[chosen] = read()
        done += len(chosen)
        progress(done, len(lengths))
    return found


def _classified(
    encoder: Encoder,
    made: Iterator[tuple[Rows, Batch]],
    classify: Classify,
) -> Iterator[tuple[Rows, Callable[[], Rows]]]:
    """Readers of each batch's classes, each after the next batch has started: a GPU works while the host reads."""
    before = None
    with closing(ahead(made)) as stream:
        for chosen, batch in stream:
            now = chosen, _reading(classify(encoder, batch.to(encoder.device)))
            if before is not None:
                yield before
            before = now
    if before is not None:
        yield before


def _reading(classes: torch.Tensor) -> Callable[[], Rows]:
    """Start the copy to the host right behind the batch: a reader waits for this batch, not for later ones."""
    if classes.device.type == "cpu":
        return classes.numpy
    copy, copied = classes.to("cpu", non_blocking=True), torch.cuda.Event()
    copied.record()

    def read() -> Rows:
        copied.synchronize()
        return copy.numpy()

    return read


def predict(
    encoder: Encoder,
    aligned: Aligned,
    wanted: Sequence[Pair] | Mapping[Pair, PairRows],
    max_tokens: int,
    progress: Progress = lambda done, total: None,
    classify: Classify = Encoder.predict,
) -> Predictions:
    """The predictions for examples in pairs of languages.

    Args:
        wanted: which examples of which pairs, or pairs alone: every usable example of each.
        classify: the class of each pair of a batch (B,).
    """
    if not isinstance(wanted, Mapping):
        wanted = {(a, b): aligned.pair(a, b) for a, b in wanted}
    inputs = Inputs.of(wanted, *tokens_of(encoder, aligned, tuple(wanted)), max_tokens)
    return gathered(aligned, wanted, predict_inputs(encoder, inputs, classify, progress))


def gathered(aligned: Aligned, wanted: Mapping[Pair, PairRows], found: npt.NDArray[np.int16]) -> Predictions:
    """The predictions by pair and example; `found` (Q,) is in the order of `wanted`."""
    labels = np.full((len(wanted), len(aligned.ids)), NOT_EVALUATED, np.int16)
    predicted = np.full_like(labels, NOT_EVALUATED)
    ends = np.cumsum([len(one.rows) for one in wanted.values()])
    for i, (one, end) in enumerate(zip(wanted.values(), ends, strict=True)):
        labels[i, one.rows] = one.labels
        predicted[i, one.rows] = found[end - len(one.rows) : end]
    return Predictions(aligned.task.sources, tuple(wanted), aligned.ids, aligned.groups, predicted, labels)


def tokens_of(
    encoder: Encoder, aligned: Aligned, pairs: Sequence[Pair]
) -> tuple[dict[str, Tokens], dict[str, Tokens]]:
    """The tokens of the first and of the second sentences, by language."""
    digest = tokenizer_digest(encoder.tokenizer)

    def tokens(sentences: Sequence[str]) -> Tokens:
        return tokenize_cached(encoder.tokenizer, digest, sentences)

    return (
        {a: tokens(aligned.sentences(a).first) for a in dict.fromkeys(a for a, _ in pairs)},
        {b: tokens(aligned.sentences(b).second) for b in dict.fromkeys(b for _, b in pairs)},
    )


def _by_length(lengths: npt.NDArray[np.int64], budget: int) -> Iterator[npt.NDArray[Any]]:
    """Index groups of similar length whose padded token count stays within `budget`, the longest first.

    The longest come first so that a batch that does not fit the memory fails at once, not at the end.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size
