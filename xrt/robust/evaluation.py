"""Cross-lingual evaluation: predictions for pairs of languages, and the accuracy matrix that follows from them.

All pairs of an evaluation are one stream of examples, sorted by length across pairs, in batches of equal token
count. Knows nothing of training or of where the numbers go.

Letters: P language pairs, N aligned examples, Q questions (an example in a pair of languages).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from pyarrow import feather

from xrt.data.batches import Batch, PairTemplate, collate, pair_lengths
from xrt.data.pairs import Aligned, PairRows
from xrt.data.tokens import Tokens, tokenize_cached, tokenizer_digest
from xrt.robust.bootstrap import bootstrap_means
from xrt.robust.encoder import Encoder

Pair = tuple[str, str]
Progress = Callable[[int, int], None]  # told after each batch how many of how many questions are done
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

    `predicted` and `labels` are (P, N) int8; -1 where the example was not asked in that pair.
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

    def only(self, asked: Mapping[Pair, PairRows]) -> "Predictions":
        """As if nothing but these examples had been asked."""
        kept = np.zeros(self.labels.shape, bool)
        for i, pair in enumerate(self.pairs):
            kept[i, asked[pair].rows] = True
        labels, predicted = (np.where(kept, side, NOT_ASKED) for side in (self.labels, self.predicted))
        return replace(self, labels=labels.astype(np.int8), predicted=predicted.astype(np.int8))

    def errors(self, prefix: str, draws: int = 400) -> dict[str, float]:
        """The standard errors of the means over pairs: `dev/se/mixed`, for prefix `dev`.

        By a bootstrap over the examples, each drawn with all the pairs that asked it: the pairs share their
        examples, and a binomial formula over all answers would be too sure. A mean without pairs is left out.
        """
        right, asked = self.predicted == self.labels, self.labels >= 0
        used = asked.any(0)
        found = {}
        for which, belongs in MEANS.items():
            cells = [i for i, p in enumerate(self.pairs) if belongs(p, self.source) and asked[i].any()]
            if cells:
                rng = np.random.default_rng(0)
                means = bootstrap_means(right[cells][:, used], asked[cells][:, used], rng, draws)
                found[f"{prefix}/se/{which}"] = float(np.nanstd(means, ddof=1))
        return found

    def save(self, path: Path) -> None:
        """Write a compressed Arrow file: the ids, a column `a-b` of predictions per pair, `label a` per language.

        An example has one label in all pairs with sentence 1 in `a`, for languages that disagree do not make a
        pair; where it was not asked the prediction says so.
        """
        columns: dict[str, Any] = {"id": pa.array(self.ids)}
        for a in dict.fromkeys(a for a, _ in self.pairs):
            columns[f"label {a}"] = pa.array(self.labels[[a == first for first, _ in self.pairs]].max(0))
        for (a, b), predicted in zip(self.pairs, self.predicted, strict=True):
            columns[f"{a}-{b}"] = pa.array(predicted)
        about = {
            "source": self.source,
            "pairs": json.dumps(self.pairs),
        }  # a language may have a - in its code
        table = pa.table(columns).replace_schema_metadata(about)
        feather.write_feather(table, path, compression="zstd")

    @classmethod
    def open(cls, path: Path) -> "Predictions":
        """Read what `save` wrote."""
        table = feather.read_table(path)
        about = table.schema.metadata
        pairs = tuple((a, b) for a, b in json.loads(about[b"pairs"]))
        ids = tuple(table.column("id").to_pylist())
        shape = (len(pairs), len(ids))
        predicted = np.array([table.column(f"{a}-{b}").to_numpy() for a, b in pairs], np.int8).reshape(shape)
        labels = np.array([table.column(f"label {a}").to_numpy() for a, _ in pairs], np.int8).reshape(shape)
        labels = np.where(predicted == NOT_ASKED, NOT_ASKED, labels).astype(np.int8)
        return cls(about[b"source"].decode(), pairs, ids, predicted, labels)


@dataclass(frozen=True)
class Questions:
    """Q sentence pairs to be answered: question i is row `rows[i]` in the pair of languages `pairs[cell[i]]`."""

    pairs: Sequence[Pair]
    firsts: Mapping[str, Tokens]
    seconds: Mapping[str, Tokens]
    cell: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    max_tokens: int

    @classmethod
    def of(
        cls,
        asked: Mapping[Pair, PairRows],
        firsts: Mapping[str, Tokens],
        seconds: Mapping[str, Tokens],
        max_tokens: int,
    ) -> "Questions":
        """Every row of every pair."""
        cell = np.repeat(np.arange(len(asked)), [len(one.rows) for one in asked.values()])
        rows = np.concatenate([one.rows for one in asked.values()])
        return cls(tuple(asked), firsts, seconds, cell, rows, max_tokens)

    def lengths(self, template: PairTemplate) -> npt.NDArray[np.int64]:
        """Tokens of each question (Q,), joined and truncated."""
        found = np.zeros(len(self.rows), np.int64)
        for i, (a, b) in enumerate(self.pairs):
            here = self.cell == i
            first, second = (side.lengths[self.rows[here]] for side in (self.firsts[a], self.seconds[b]))
            found[here] = pair_lengths(template, first, second, self.max_tokens)
        return found

    def batch(self, template: PairTemplate, chosen: npt.NDArray[Any]) -> Batch:
        """Some of them as tensors, without labels."""
        first = [self.firsts[self.pairs[self.cell[i]][0]][self.rows[i]] for i in chosen]
        second = [self.seconds[self.pairs[self.cell[i]][1]][self.rows[i]] for i in chosen]
        return collate(template, first, second, np.zeros(len(chosen)), self.max_tokens)


def answers(
    encoder: Encoder,
    questions: Questions,
    ask: Callable[[Encoder, Batch], torch.Tensor] = Encoder.predict,
    progress: Progress = lambda done, total: None,
) -> npt.NDArray[np.int8]:
    """The class of each question (Q,); leaves the encoder in evaluation mode."""
    encoder.model.eval()
    lengths = questions.lengths(encoder.template)
    found = np.full(len(lengths), NOT_ASKED, np.int8)
    done, budget = 0, CPU_TOKENS if encoder.device.type == "cpu" else GPU_TOKENS
    for chosen in _by_length(lengths, budget):
        batch = questions.batch(encoder.template, chosen).to(encoder.device)
        found[chosen] = ask(encoder, batch).cpu().numpy()
        done += len(chosen)
        progress(done, len(lengths))
    return found


def predict(
    encoder: Encoder,
    aligned: Aligned,
    asked: Sequence[Pair] | Mapping[Pair, PairRows],
    max_tokens: int,
    progress: Progress = lambda done, total: None,
) -> Predictions:
    """Answer examples in pairs of languages.

    Args:
        asked: which examples of which pairs, or pairs alone: every usable example of each.
    """
    if not isinstance(asked, Mapping):
        asked = {(a, b): aligned.pair(a, b) for a, b in asked}
    questions = Questions.of(asked, *_tokens(encoder, aligned, tuple(asked)), max_tokens)
    return gathered(aligned, asked, answers(encoder, questions, progress=progress))


def gathered(aligned: Aligned, asked: Mapping[Pair, PairRows], found: npt.NDArray[np.int8]) -> Predictions:
    """The answers to all `asked`, in their order (Q,), by pair and example."""
    labels = np.full((len(asked), len(aligned.ids)), NOT_ASKED, np.int8)
    predicted = np.full_like(labels, NOT_ASKED)
    ends = np.cumsum([len(one.rows) for one in asked.values()])
    for i, (one, end) in enumerate(zip(asked.values(), ends, strict=True)):
        labels[i, one.rows] = one.labels
        predicted[i, one.rows] = found[end - len(one.rows) : end]
    return Predictions(aligned.task.source, tuple(asked), aligned.ids, predicted, labels)


def _tokens(
    encoder: Encoder, aligned: Aligned, pairs: Sequence[Pair]
) -> tuple[dict[str, Tokens], dict[str, Tokens]]:
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
