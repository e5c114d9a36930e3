"""Predictions of an encoder for aligned examples in pairs of languages: counts, means, errors, and their file.

Knows no encoder and no names of metrics: a mean is a list of cells. It loads without torch, so that reports do too.

Letters: P language pairs (cells), N aligned examples, G example groups.
"""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import feather

from xrt.data.integrity import content
from xrt.data.pairs import PairRows
from xrt.errors import RecordError
from xrt.robust.bootstrap import bootstrap_means

Pair = tuple[str, str]
Ints = npt.NDArray[np.int64]
NOT_EVALUATED = -1
_NO_SUM = b"crc32:00000000"  # in the file while its checksum is computed
_SUM = re.compile(rb"crc32:[0-9a-f]{8}")


@dataclass(frozen=True, eq=False)
class Predictions:
    """One row per pair of languages, one column per aligned example.

    Attributes:
        sources: the languages that the encoder was fine-tuned on.
        groups: (N,) numbers of the example groups: examples that share a sentence are not independent.
        predicted, labels: (P, N) int16; -1 where the example was not evaluated in that pair.
        about: the identity in their file.
    """

    sources: tuple[str, ...]
    pairs: tuple[Pair, ...]
    ids: tuple[str, ...]
    groups: npt.NDArray[Any]
    predicted: npt.NDArray[np.int16]
    labels: npt.NDArray[np.int16]
    about: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """(P, N): evaluated, and predicted correctly."""
        return (self.predicted == self.labels) & self.evaluated

    @property
    def evaluated(self) -> npt.NDArray[np.bool_]:
        """(P, N)."""
        return self.labels != NOT_EVALUATED

    @cached_property
    def counts(self) -> dict[Pair, tuple[int, int]]:
        """The accuracy matrix as counts: cell -> (correct, total)."""
        right, total = self.right.sum(1), self.evaluated.sum(1)
        return {pair: (int(right[i]), int(total[i])) for i, pair in enumerate(self.pairs)}

    @cached_property
    def accuracies(self) -> npt.NDArray[np.float64]:
        """(P,): accuracy of each cell; NaN for a cell without examples."""
        with np.errstate(invalid="ignore"):
            return self.right.sum(1) / self.evaluated.sum(1)

    def mean(self, cells: Sequence[int]) -> float:
        """The unweighted mean of the accuracies of some cells; NaN without cells, or where one has no examples."""
        return float(self.accuracies[list(cells)].mean()) if cells else float("nan")

    def error(self, cells: Sequence[int], draws: int = 400) -> float:
        """The standard error of that mean, by a bootstrap over example groups, each drawn with all its cells.

        The cells share their examples, so a binomial formula over all predictions would give too small an error.
        """
        means = bootstrap_means(*self.by_group(cells), np.random.default_rng(0), draws)
        return float(np.nanstd(means, ddof=1)) if means.size else float("nan")

    def by_group(self, cells: Sequence[int]) -> tuple[Ints, Ints]:
        """Correct predictions and all predictions of each group, both (len(cells), G).

        Groups that none of the cells evaluates are left out.
        """
        right, evaluated = self.right[list(cells)], self.evaluated[list(cells)]
        used = evaluated.any(0)
        numbers = np.unique(self.groups[used], return_inverse=True)[1]
        size = int(numbers.max()) + 1 if numbers.size else 0

        def summed(values: npt.NDArray[np.bool_]) -> Ints:
            rows = [np.bincount(numbers, weights=row, minlength=size) for row in values[:, used]]
            return np.array(rows, np.int64).reshape(len(values), size)

        return summed(right), summed(evaluated)

    def commonest(self) -> tuple[float, float]:
        """The share of the commonest label, and of the commonest prediction, over all cells.

        A constant predictor reaches the first; where the second is 1, the encoder has learned nothing.
        """
        shares = [_commonest(values[self.evaluated]) for values in (self.labels, self.predicted)]
        return shares[0], shares[1]

    def constant(self, cells: Sequence[int]) -> float:
        """The highest mean accuracy over some cells that one constant prediction reaches; NaN without examples."""
        labels = np.arange(self.labels.max(initial=-1) + 1)
        if not cells or not labels.size:
            return float("nan")
        with np.errstate(invalid="ignore"):
            shares = [(self.labels == label).sum(1) / self.evaluated.sum(1) for label in labels]
        return float(np.array(shares)[:, list(cells)].mean(1).max())

    def only(self, kept: Mapping[Pair, PairRows]) -> "Predictions":
        """The predictions as if only these examples had been evaluated."""
        mask = np.zeros(self.labels.shape, bool)
        for i, pair in enumerate(self.pairs):
            mask[i, kept[pair].rows] = True
        sides = (np.where(mask, side, NOT_EVALUATED) for side in (self.labels, self.predicted))
        labels, predicted = (side.astype(np.int16) for side in sides)
        return replace(self, labels=labels, predicted=predicted)

    def comparable(self, other: "Predictions") -> bool:
        """Whether both are of the same examples, so that they can be compared example by example."""
        same = self.ids == other.ids and self.pairs == other.pairs
        return same and np.array_equal(self.labels, other.labels)

    def save(self, path: Path, **about: Any) -> None:
        """Write a compressed Arrow file: ids, groups, predictions `a-b` per pair of languages, `label a` per language.

        An example has one label in all pairs with sentence 1 in `a`, because languages whose labels disagree make no
        pair. Predictions that were not made are -1. The file holds its own checksum.

        Args:
            about: the identity (run, trial, split, step), in JSON's types.
        """
        columns: dict[str, Any] = {"id": pa.array(self.ids), "group": pa.array(self.groups)}
        for a in dict.fromkeys(a for a, _ in self.pairs):
            columns[f"label {a}"] = pa.array(self.labels[[a == first for first, _ in self.pairs]].max(0))
        for (a, b), predicted in zip(self.pairs, self.predicted, strict=True):
            columns[f"{a}-{b}"] = pa.array(predicted)
        # A language code may contain "-", so the pairs are listed.
        metadata = {
            "source": ",".join(self.sources),
            "pairs": json.dumps(self.pairs),
            "about": json.dumps(about),
        }
        table = pa.table(columns).replace_schema_metadata({**metadata, "checksum": _NO_SUM})
        sink = pa.BufferOutputStream()
        feather.write_feather(table, sink, compression="zstd")
        path.write_bytes(_with_sum(sink.getvalue().to_pybytes()))

    @classmethod
    def open(cls, path: Path) -> "Predictions":
        """Read what `save` wrote; the checksum is verified before anything is parsed.

        Raises:
            FileNotFoundError: there is no such file.
            RecordError: it is damaged, or not a file of predictions.
        """
        try:
            raw = content(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise RecordError(f"{path}: cannot be read ({error.strerror}).") from error
        # Arrow writes the schema twice: before and after the columns.
        if len(_SUM.findall(raw)) != 2 or _with_sum(_SUM.sub(_NO_SUM, raw)) != raw:
            raise RecordError(f"{path}: is damaged: its checksum is missing or not that of its content.")
        try:
            return cls._parsed(feather.read_table(pa.BufferReader(raw)))
        except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's errors are among these
            raise RecordError(f"{path}: holds no predictions ({error}).") from error

    @classmethod
    def _parsed(cls, table: pa.Table) -> "Predictions":
        metadata = table.schema.metadata
        pairs = tuple((a, b) for a, b in json.loads(metadata[b"pairs"]))
        ids = tuple(table.column("id").to_pylist())
        groups = _values(table, "group")
        predicted, labels = (
            np.array([_values(table, name.format(a=a, b=b)) for a, b in pairs], np.int16)
            for name in ("{a}-{b}", "label {a}")
        )
        labels = np.where(predicted == NOT_EVALUATED, NOT_EVALUATED, labels).astype(np.int16)
        about = json.loads(metadata[b"about"])
        sources = tuple(metadata[b"source"].decode().split(","))
        return cls(sources, pairs, ids, groups, predicted, labels, about)


def _with_sum(raw: bytes) -> bytes:
    """The file with its checksum in the places left for it, computed while these are zero."""
    return raw.replace(_NO_SUM, f"crc32:{zlib.crc32(raw):08x}".encode())


def _commonest(values: npt.NDArray[np.int16]) -> float:
    return float(np.bincount(values).max() / values.size) if values.size else float("nan")


def _values(table: pa.Table, column: str) -> npt.NDArray[Any]:
    # pyarrow's own `to_numpy` loads pandas first: half a second, for commands that answer at once.
    return np.from_dlpack(table.column(column).combine_chunks())
