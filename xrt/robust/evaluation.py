"""Cross-lingual evaluation: predictions for pairs of languages, and the accuracy matrix that follows from them.

All pairs of an evaluation are one stream of examples, sorted by length across pairs, in batches of equal token
count. Knows nothing of training or of where the numbers go.

Letters: P language pairs, N aligned examples.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import feather

from xrt.data.batches import collate, pair_lengths
from xrt.data.pairs import Aligned
from xrt.data.tokens import Tokens, tokenize_cached, tokenizer_digest
from xrt.robust.encoder import Encoder

Pair = tuple[str, str]
NOT_ASKED = -1
CPU_TOKENS, GPU_TOKENS = 2048, 32768  # tokens a batch: what keeps the device busy


@dataclass(frozen=True)
class AccuracyMatrix:
    """Counts per cell: row = language of sentence 1, column = language of sentence 2 (design, section 1)."""

    source: str
    counts: dict[Pair, tuple[int, int]]  # (correct, total)

    def accuracy(self, pair: Pair) -> float:
        """The share of correct answers; NaN for a cell without examples."""
        correct, total = self.counts[pair]
        return correct / total if total else float("nan")

    def mean(self, which: str) -> float:
        """One of `MEANS`: the unweighted mean over cells, NaN when it has none."""
        cells = [self.accuracy(p) for p in self.counts if MEANS[which](p, self.source) and self.counts[p][1]]
        return float(np.mean(cells)) if cells else float("nan")

    def metrics(self, prefix: str) -> dict[str, float]:
        """Flat names: `dev/acc/de`, `dev/pair/de-zh`, `dev/mean/mixed`, for prefix `dev`."""
        flat = {
            f"{prefix}/acc/{a}" if a == b else f"{prefix}/pair/{a}-{b}": self.accuracy((a, b))
            for a, b in self.counts
        }
        return flat | {f"{prefix}/mean/{which}": self.mean(which) for which in MEANS}


MEANS: dict[str, Callable[[Pair, str], bool]] = {
    "languages": lambda pair, source: pair[0] == pair[1],
    "targets": lambda pair, source: pair[0] == pair[1] != source,
    "mixed": lambda pair, source: pair[0] != pair[1],
    "all": lambda pair, source: True,
}


@dataclass(frozen=True)
class Predictions:
    """What the encoder answered: one row a pair of languages, one column an aligned example.

    `predicted` and `labels` are (P, N) int8; -1 where the example is not usable in that pair.
    """

    source: str
    pairs: tuple[Pair, ...]
    ids: tuple[str, ...]
    predicted: npt.NDArray[np.int8]
    labels: npt.NDArray[np.int8]

    @property
    def matrix(self) -> AccuracyMatrix:
        right = ((self.predicted == self.labels) & (self.labels >= 0)).sum(1)
        total = (self.labels >= 0).sum(1)
        return AccuracyMatrix(
            self.source, {p: (int(right[i]), int(total[i])) for i, p in enumerate(self.pairs)}
        )

    def save(self, path: Path) -> None:
        """Write a compressed Arrow file: per pair a column `a-b` of predictions and one of labels, and the ids."""
        columns: dict[str, Any] = {"id": pa.array(self.ids)}
        for i, (a, b) in enumerate(self.pairs):
            columns[f"{a}-{b}"] = pa.array(self.predicted[i])
            columns[f"label {a}-{b}"] = pa.array(self.labels[i])
        table = pa.table(columns).replace_schema_metadata({"source": self.source})
        feather.write_feather(table, path, compression="zstd")

    @classmethod
    def open(cls, path: Path) -> "Predictions":
        """Read what `save` wrote."""
        table = feather.read_table(path)
        names = [name for name in table.column_names if name != "id" and not name.startswith("label ")]
        pairs = tuple((a, b) for a, b in (name.split("-") for name in names))
        ids = tuple(table.column("id").to_pylist())
        shape = (len(pairs), len(ids))
        predicted = np.array([table.column(n).to_numpy() for n in names], np.int8).reshape(shape)
        labels = np.array([table.column(f"label {n}").to_numpy() for n in names], np.int8).reshape(shape)
        return cls(table.schema.metadata[b"source"].decode(), pairs, ids, predicted, labels)


def predict(
    encoder: Encoder,
    aligned: Aligned,
    pairs: Sequence[Pair],
    max_tokens: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Predictions:
    """Answer every usable example of every pair; leaves the encoder in evaluation mode.

    Args:
        progress: told after each batch how many of how many examples are done.
    """
    encoder.model.eval()
    firsts, seconds = _tokens(encoder, aligned, pairs)
    cells = [aligned.pair(a, b) for a, b in pairs]
    cell = np.repeat(np.arange(len(pairs)), [len(c.rows) for c in cells])
    rows = np.concatenate([c.rows for c in cells])
    lengths = np.concatenate(
        [
            pair_lengths(encoder.template, firsts[a].lengths[c.rows], seconds[b].lengths[c.rows], max_tokens)
            for (a, b), c in zip(pairs, cells, strict=True)
        ]
    )
    labels = np.full((len(pairs), len(aligned.ids)), NOT_ASKED, np.int8)
    labels[cell, rows] = np.concatenate([c.labels for c in cells])
    predicted = np.full_like(labels, NOT_ASKED)
    done, budget = 0, CPU_TOKENS if encoder.device.type == "cpu" else GPU_TOKENS
    for chosen in _by_length(lengths, budget):
        first = [firsts[pairs[cell[i]][0]][rows[i]] for i in chosen]
        second = [seconds[pairs[cell[i]][1]][rows[i]] for i in chosen]
        batch = collate(encoder.template, first, second, np.zeros(len(chosen)), max_tokens).to(encoder.device)
        predicted[cell[chosen], rows[chosen]] = encoder.predict(batch).cpu().numpy()
        done += len(chosen)
        progress(done, len(lengths))
    return Predictions(aligned.task.source, tuple(pairs), aligned.ids, predicted, labels)


def rung_rows(pairs: int, rungs: int, epochs: float, training_rows: int, available: int) -> int:
    """How many aligned examples a pair a rung may cost: all rungs together a tenth of the plain training.

    A training step costs three forward passes (one forward, one backward of twice its cost). At least
    `LEAST_ROWS`, because a smaller sample cannot order trials, whatever it costs.
    """
    affordable = round(0.1 * 3 * epochs * training_rows / (rungs * pairs))
    return min(available, max(LEAST_ROWS, affordable))


LEAST_ROWS = 32


def _tokens(
    encoder: Encoder, aligned: Aligned, pairs: Sequence[Pair]
) -> tuple[dict[str, Tokens], dict[str, Tokens]]:
    digest = tokenizer_digest(encoder.tokenizer)

    def tokens(language: str, sentences: Sequence[str]) -> Tokens:
        return tokenize_cached(encoder.tokenizer, digest, sentences)

    return (
        {a: tokens(a, aligned.sentences(a).first) for a in dict.fromkeys(a for a, _ in pairs)},
        {b: tokens(b, aligned.sentences(b).second) for b in dict.fromkeys(b for _, b in pairs)},
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
