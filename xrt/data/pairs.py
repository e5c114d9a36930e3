"""Aligned examples: one split in several languages, and the pairs of languages that can be made of it.

Knows no tokens and no model. An example is dropped from a pair of languages, and counted, when one of its two
sentences is missing or the two languages disagree about its label; it stays in every other pair.

Letters: n examples, L languages.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from xrt.data.groups import groups_of
from xrt.data.reading import Sentences, Source, Split, languages_of, read
from xrt.data.sampling import Cell, Ints, spread, stratified
from xrt.data.sentences import shortened
from xrt.data.tasks import Task, quoted
from xrt.errors import DataError, closest

Bools = npt.NDArray[np.bool_]

_ABSENT = -1  # the label of an example that a language lacks


@dataclass(frozen=True, eq=False)
class PairRows:
    """The examples of one pair of languages: rows into `Aligned.ids`, and their labels."""

    rows: Ints
    labels: Ints

    def only(self, rows: Ints) -> "PairRows":
        """Some of them; `rows` in rising order."""
        kept = np.isin(self.rows, rows, assume_unique=True)
        return PairRows(self.rows[kept], self.labels[kept])


@dataclass(frozen=True)
class Drops:
    """How many examples a pair of languages lost; one that is missing is not also counted as a conflict."""

    missing: int
    conflict: int


@dataclass(frozen=True, eq=False)
class Aligned:
    """One split in several languages; row i is the same example in each.

    Attributes:
        columns: the sentences of each language, in the order of `languages` and with the rows of `ids`;
            an example that a language lacks is "" there.
        labels: (n, L) numbers into the task's labels; -1 where a language lacks the example or has no labels.
    """

    task: Task
    split: Split
    languages: tuple[str, ...]
    ids: tuple[str, ...]
    columns: tuple[Sentences, ...]
    labels: Ints

    def __len__(self) -> int:
        return len(self.ids)

    def sentences(self, language: str) -> Sentences:
        """One language, in the rows of `ids`."""
        return self.columns[self._index(language)]

    def pair(self, a: str, b: str) -> PairRows:
        """The examples with sentence 1 in language `a` and sentence 2 in `b`, whose labels agree.

        Raises:
            DataError: a language that is not here, or that has no labels.
        """
        i, j = self._index(a), self._index(b)
        unlabelled = [self.columns[k] for k in dict.fromkeys((i, j)) if self.columns[k].labels is None]
        if unlabelled:
            raise DataError([_no_labels(column, self.split) for column in unlabelled])
        rows = np.flatnonzero(self._complete(i, j) & (self.labels[:, i] == self.labels[:, j]))
        return PairRows(rows, self.labels[rows, i])

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """The languages without labels: only a test split can have such."""
        return tuple(column.language for column in self.columns if column.labels is None)

    @cached_property
    def drops(self) -> dict[tuple[str, str], Drops]:
        """For every ordered pair of languages, how many examples it lost; no labels, no conflicts."""
        numbered = list(enumerate(self.languages))
        return {(a, b): self._dropped(i, j) for i, a in numbered for j, b in numbered}

    @cached_property
    def digest(self) -> str:
        """A sha256 of all ids, sentences and labels, wherever they were read from."""
        content = [(c.language, c.ids, c.first, c.second, c.labels) for c in self.columns]
        return hashlib.sha256(repr(content).encode()).hexdigest()

    @cached_property
    def groups(self) -> Ints:
        """(n,) the group of each example: examples that share a source sentence, directly or through others.

        Rows that share a sentence are not independent draws: XNLI asks three hypotheses of each premise, and PAWS
        builds several rows from one sentence (1,249 of its 2,000 dev rows share one). Uncertainty over examples is
        therefore over groups. An example that the source lacks counts by the first language that has it.
        """
        first, second = zip(*map(self._told_by, range(len(self))), strict=True) if len(self) else ((), ())
        return groups_of(first, second)

    def sample(self, count: int, seed: int) -> "Aligned":
        """`count` examples, the same for the same seed, keeping the shares of the source language's labels.

        Drawn from the examples that are usable in all pairs, so that every pair is scored on the same ones;
        from all examples when there are too few of those. Rows keep their order.
        """
        if count >= len(self):
            return self
        usable = np.flatnonzero(self._usable_everywhere())
        pool = usable if len(usable) >= count else np.arange(len(self))
        return self._take(stratified(pool, self._strata()[pool], count, np.random.default_rng(seed)))

    def spread(self, counts: Mapping[tuple[str, str], int], seed: int) -> dict[tuple[str, str], PairRows]:
        """For each pair of languages `counts[pair]` examples of its own, which together cover the split evenly.

        Every pair keeps the shares of the labels that its examples have, no example is asked much more often than
        another, nor is a sentence (`sampling.spread`). Rows keep their order; a pair that has fewer gives all.
        """
        usable = {pair: self.pair(*pair) for pair in counts}
        cells = [
            Cell(self._index(a), self._index(b), usable[a, b].rows, count) for (a, b), count in counts.items()
        ]
        drawn = spread(cells, self._strata(), np.random.default_rng(seed))
        return {pair: usable[pair].only(rows) for pair, rows in zip(counts, drawn, strict=True)}

    def _index(self, language: str) -> int:
        if language not in self.languages:
            hint = closest(language, self.languages)
            raise DataError(
                f'{self.task.name} {self.split}: no language "{language}"; {quoted(self.languages)}.{hint}'
            )
        return self.languages.index(language)

    @cached_property
    def _present(self) -> tuple[Bools, Bools]:
        """Two (n, L): whether sentence 1, and whether sentence 2, is there."""
        sides = ([c.first for c in self.columns], [c.second for c in self.columns])
        first, second = (np.array([[s != "" for s in column] for column in side], bool).T for side in sides)
        return first, second

    def _told_by(self, row: int) -> tuple[str, str]:
        """Both sentences of an example in the source, else in the first language that has any of them."""
        columns = sorted(self.columns, key=lambda column: column.language != self.task.source)
        found = ((column.first[row], column.second[row]) for column in columns)
        return next((texts for texts in found if any(texts)), ("", ""))

    def _complete(self, i: int, j: int) -> Bools:
        first, second = self._present
        return first[:, i] & second[:, j]

    def _dropped(self, i: int, j: int) -> Drops:
        complete = self._complete(i, j)
        labelled = self.columns[i].labels is not None and self.columns[j].labels is not None
        conflict = complete & (self.labels[:, i] != self.labels[:, j]) & labelled
        return Drops(missing=int((~complete).sum()), conflict=int(conflict.sum()))

    def _usable_everywhere(self) -> Bools:
        """(n,): both sentences are there in every language, and all labels agree."""
        first, second = self._present
        agree = (self.labels == self.labels[:, :1]).all(axis=1)
        return (first & second).all(axis=1) & agree

    def _strata(self) -> Ints:
        """(n,): the label in the source language, or in the first language when the source is not here."""
        here = self.task.source in self.languages
        return self.labels[:, self.languages.index(self.task.source) if here else 0]

    def _take(self, rows: Ints) -> "Aligned":
        ids = tuple(self.ids[row] for row in rows)
        columns = tuple(_reordered(column, rows.tolist(), ids) for column in self.columns)
        return replace(self, ids=ids, columns=columns, labels=self.labels[rows])


def load(task: Task, source: Source, split: Split, languages: Sequence[str] | None = None) -> Aligned:
    """Reads one split in several languages and aligns it.

    Args:
        languages: all of the task by default; for `train` the source language alone (zero-shot).

    Raises:
        DataError: the problems of all languages at once; labels may be missing in `test` only.
    """
    columns, problems = [], []
    for language in languages or languages_of(task, split):
        try:
            columns.append(read(task, source, split, language))
        except DataError as error:
            problems += error.problems
            if source.kind == "hub":
                break  # all languages have one hub: waiting for it once is enough
    if split != "test":
        problems += [_no_labels(column, split) for column in columns if column.labels is None]
    if problems:
        raise DataError(list(dict.fromkeys(problems)))
    return align(task, columns, split)


def align(task: Task, columns: Sequence[Sentences], split: Split = "dev") -> Aligned:
    """Puts the languages' examples side by side, by id or, where there are none, by row.

    Raises:
        DataError: ids that stand twice; without ids, languages of different length.
    """
    assert columns, "a split is aligned in at least one language"
    problems = [problem for column in columns for problem in _duplicates(column)]
    if any(not column.has_ids for column in columns):
        problems += _cannot_align_by_row(task, columns, split)
    if problems:
        raise DataError(problems)
    ids = tuple(dict.fromkeys(key for column in columns for key in column.ids))
    aligned = tuple(column if column.ids == ids else _by_id(column, ids) for column in columns)
    labels = np.array([column.labels or (_ABSENT,) * len(ids) for column in aligned], np.int64).T
    return Aligned(task, split, tuple(column.language for column in columns), ids, aligned, labels)


def _by_id(column: Sentences, ids: tuple[str, ...]) -> Sentences:
    row_of = {key: row for row, key in enumerate(column.ids)}
    return _reordered(column, [row_of.get(key) for key in ids], ids)


def _reordered(column: Sentences, rows: Sequence[int | None], ids: tuple[str, ...]) -> Sentences:
    """The column with these rows; None: an example that this language lacks."""
    first = tuple("" if row is None else column.first[row] for row in rows)
    second = tuple("" if row is None else column.second[row] for row in rows)
    known = column.labels
    labels = None if known is None else tuple(_ABSENT if row is None else known[row] for row in rows)
    return replace(column, ids=ids, first=first, second=second, labels=labels)


def _duplicates(column: Sentences) -> list[str]:
    if len(set(column.ids)) == len(column.ids):
        return []
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(column.ids, 1):
        rows.setdefault(key, []).append(row)
    return shortened(
        [
            f'{_name(column)}: id "{key}" stands {len(places)} times '
            f"(rows {', '.join(map(str, places[:5]))}); each id may stand once."
            for key, places in rows.items()
            if len(places) > 1
        ]
    )


def _cannot_align_by_row(task: Task, columns: Sequence[Sentences], split: Split) -> list[str]:
    """One line when not all languages are without ids, or when some have fewer rows than others."""
    mixed = [column for column in columns if column.has_ids]
    if mixed:
        return [
            f"{_name(column)}: has ids, and other languages have none; give ids to all or to none."
            for column in mixed
        ]
    rows = [len(column) for column in columns]
    if len(set(rows)) == 1:
        return []
    usual = max(set(rows), key=lambda count: (rows.count(count), count))
    return [
        f"{_name(column)}: {len(column)} rows, other languages of {task.name} {split} have {usual}; "
        "without ids, row n must be the same example everywhere: give each language the same rows, or ids."
        for column in columns
        if len(column) != usual
    ]


def _no_labels(column: Sentences, split: Split) -> str:
    return (
        f'{_name(column)}: no labels, and {split} needs them for "{column.language}"; '
        "give each row its label in the third column."
    )


def _name(column: Sentences) -> str:
    return column.origin or column.language
