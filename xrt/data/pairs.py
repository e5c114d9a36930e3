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

from xrt.data.fit import Common
from xrt.data.groups import groups_of
from xrt.data.problems import FileError, Found
from xrt.data.sampling import Cell, Ints, spread, stratified
from xrt.data.sentences import Sentences
from xrt.data.tasks import Split, Task, quoted
from xrt.errors import DataError, closest

Bools = npt.NDArray[np.bool_]

ABSENT = -1  # the label of an example that a language lacks


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
        apart: languages with examples of their own (`data.align: own`): evaluated alone, in no mixed pair.
        warnings: unusual properties of the data, one line each; notes: usual ones that the user should know.
    """

    task: Task
    split: Split
    languages: tuple[str, ...]
    ids: tuple[str, ...]
    columns: tuple[Sentences, ...]
    labels: Ints
    apart: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of languages that can be evaluated here: all, but no mixed ones with a language that is apart.

        Single sentences make no mixed pairs.
        """
        alone = self.languages if self.task.sentences == 1 else self.apart
        return tuple((a, b) for a, b in self._everyone if a == b or not {a, b} & set(alone))

    @property
    def _everyone(self) -> list[tuple[str, str]]:
        return [(a, b) for a in self.languages for b in self.languages]

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
            raise FileError([no_labels(column, self.split) for column in unlabelled])
        rows = np.flatnonzero(self._complete(i, j) & (self.labels[:, i] == self.labels[:, j]))
        return PairRows(rows, self.labels[rows, i])

    def labelled(self, languages: Sequence[str], count: int | None) -> list[tuple[str, int, int]]:
        """(language, row, label) of the complete examples of languages that are trained on; at most `count`, the first.

        The languages take turns, so that each has its share of them.
        """
        own = [self.pair(language, language) for language in languages]
        turns = [
            (turn, language, row, label)
            for language, one in zip(languages, own, strict=True)
            for turn, (row, label) in enumerate(zip(one.rows.tolist(), one.labels.tolist(), strict=True))
        ]
        # A stable sort: within a turn the languages stay in their order.
        return [(language, row, label) for _, language, row, label in sorted(turns, key=lambda one: one[0])][
            :count
        ]

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """The languages without labels: only a test split can have such."""
        return tuple(column.language for column in self.columns if column.labels is None)

    @cached_property
    def drops(self) -> dict[tuple[str, str], Drops]:
        """For every ordered pair of languages, how many examples it lost; no labels, no conflicts."""
        here = [(a, b) for a, b in self._everyone if a == b or self.task.sentences == 2]
        return {(a, b): self._dropped(self._index(a), self._index(b)) for a, b in here}

    @cached_property
    def digest(self) -> str:
        """A sha256 of all ids, sentences and labels, wherever they were read from."""
        content = [(c.language, c.ids, c.first, c.second, c.labels) for c in self.columns]
        return hashlib.sha256(repr(content).encode()).hexdigest()

    @cached_property
    def groups(self) -> Ints:
        """(n,) the group of each example: examples that share a sentence of a source, directly or through others.

        Rows that share a sentence are not independent draws: XNLI has three hypotheses for each premise, and PAWS
        builds several rows from one sentence (1,249 of its 2,000 dev rows share one). Uncertainty over examples is
        therefore over groups. An example that no source has counts by the first language that has it.
        """
        sources = [column for column in self.columns if column.language in self.task.sources]
        sides = [side for column in sources for side in (column.first, column.second)]
        nowhere = [not any(side[row] for side in sides) for row in range(len(self))]
        instead = [self._first_sentences(row) if nowhere[row] else ("", "") for row in range(len(self))]
        return groups_of(*sides, [first for first, _ in instead], [second for _, second in instead])

    def sample(self, count: int, seed: int) -> "Aligned":
        """`count` examples, the same for the same seed, keeping the shares of the source language's labels.

        Drawn from the examples that are there in all languages, without label conflicts as long as there are enough
        of those, so that every pair is scored on the same ones. A language that is apart has `count` of its own. Rows
        keep their order.

        Raises:
            DataError: fewer examples are there in all languages.
        """
        if count >= len(self):
            return self
        rng = np.random.default_rng(seed)
        together = [i for i, language in enumerate(self.languages) if language not in self.apart]
        blocks = [together] * bool(together) + [[self._index(language)] for language in self.apart]
        drawn = [self._sampled(block, count, rng) for block in blocks]
        rows = np.sort(np.concatenate(drawn))
        return self._take(rows)

    def _sampled(self, block: list[int], count: int, rng: np.random.Generator) -> Ints:
        """`count` rows of the languages in `block`, whose examples are nobody else's."""
        first, second = (side[:, block] for side in self._present)
        anywhere = np.flatnonzero((first | second).any(axis=1))
        if count >= len(anywhere):
            return anywhere
        everywhere = (first & second).all(axis=1)
        agree = (self.labels[:, block] == self.labels[:, block[:1]]).all(axis=1)
        pool = np.flatnonzero(everywhere & agree)
        pool = pool if len(pool) >= count else np.flatnonzero(everywhere)
        if len(pool) < count:
            raise DataError(
                f"data.{self.split}_rows: {count:,}, and only {len(pool):,} examples of {self.split} are there in all "
                f"languages; at most {len(pool):,}, or null for all {len(anywhere):,}.{self._own_hint}"
            )
        strata = self.labels[:, block[0]] if len(block) == 1 else self._strata()
        return stratified(pool, strata[pool], count, rng)

    @property
    def _own_hint(self) -> str:
        """Single sentences need no other language: each may have examples of its own."""
        return " Or data.align: own, where languages have other examples." if self.task.sentences == 1 else ""

    def spread(self, counts: Mapping[tuple[str, str], int], seed: int) -> dict[tuple[str, str], PairRows]:
        """For each pair of languages `counts[pair]` examples of its own, which together cover the split evenly.

        Every pair keeps its examples' shares of the labels, and no example or sentence is used much more often than
        another (`sampling.spread`). Rows keep their order; a pair with fewer examples gives all.
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
        return first, first if self.task.sentences == 1 else second

    def _first_sentences(self, row: int) -> tuple[str, str]:
        """The sentences of an example in the first language that has any of them."""
        found = ((column.first[row], column.second[row]) for column in self.columns)
        return next((texts for texts in found if any(texts)), ("", ""))

    def _complete(self, i: int, j: int) -> Bools:
        first, second = self._present
        return first[:, i] & second[:, j]

    def _dropped(self, i: int, j: int) -> Drops:
        complete = self._complete(i, j)
        labelled = self.columns[i].labels is not None and self.columns[j].labels is not None
        conflict = complete & (self.labels[:, i] != self.labels[:, j]) & labelled
        return Drops(missing=int((self._concerned(i, j) & ~complete).sum()), conflict=int(conflict.sum()))

    def _concerned(self, i: int, j: int) -> Bools:
        """(n,): the rows that a pair could have: not those of languages that are apart, unless it is such a one."""
        first, second = self._present
        own = first | second | (self.labels != ABSENT)
        apart = [self._index(language) for language in self.apart]
        return own[:, i] if i == j and i in apart else ~own[:, apart].any(axis=1)

    def common(self) -> dict[tuple[str, str], Common]:
        """For each of `pairs` whose labels are there, how many examples it has."""
        return {pair: one for pair, one in self.agreement().items() if pair in self.pairs}

    def agreement(self) -> dict[tuple[str, str], Common]:
        """The same of all languages that are put side by side, whether or not they make pairs that are evaluated."""
        found = {}
        for a, b in self._everyone:
            if {a, b} & set(self.unlabelled) or (a != b and {a, b} & set(self.apart)):
                continue
            i, j = self._index(a), self._index(b)
            complete = self._complete(i, j)
            conflicts = int((complete & (self.labels[:, i] != self.labels[:, j])).sum())
            found[a, b] = Common(int(complete.sum()), conflicts, int(complete.sum()) - conflicts)
        return found

    def _strata(self) -> Ints:
        """(n,): the label in the (first) source, or where it lacks the example in the next language that has it."""
        order = sorted(range(len(self.languages)), key=lambda i: self.languages[i] not in self.task.sources)
        strata = self.labels[:, order[0]].copy()
        for i in order[1:]:
            strata = np.where(strata == ABSENT, self.labels[:, i], strata)
        return strata

    def _take(self, rows: Ints) -> "Aligned":
        ids = tuple(self.ids[row] for row in rows)
        columns = tuple(reordered(column, rows.tolist(), ids) for column in self.columns)
        return replace(self, ids=ids, columns=columns, labels=self.labels[rows])


def reordered(column: Sentences, rows: Sequence[int | None], ids: tuple[str, ...]) -> Sentences:
    """The column with these rows; None: an example that this language lacks."""
    first = tuple("" if row is None else column.first[row] for row in rows)
    second = tuple("" if row is None else column.second[row] for row in rows)
    known = column.labels
    labels = None if known is None else tuple(ABSENT if row is None else known[row] for row in rows)
    return replace(column, ids=ids, first=first, second=second, labels=labels)


def no_labels(column: Sentences, split: Split) -> Found:
    """The problem of a language whose labels are needed and not there."""
    unread = [name[:40] for name in column.unread[:20]]
    there = (
        f" No column of labels is known among {quoted(unread)}: data.columns: {{label: …}}." if unread else ""
    )
    return Found(
        name_of(column),
        f"no labels, and {split} needs them; give each row its label in the last column.{there}",
    )


def name_of(column: Sentences) -> str:
    return column.origin or column.language
