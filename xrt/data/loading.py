"""Loads one split in several languages, from files or the hub: reads it, aligns it, and checks that it fits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from xrt.data.fit import conflicts, few_in_common, nothing_in_common, written_apart
from xrt.data.pairs import ABSENT, Aligned, name_of, no_labels, reordered
from xrt.data.problems import FileError, joined, shortened
from xrt.data.reading import languages_of, read
from xrt.data.sentences import Sentences, Source
from xrt.data.tasks import Split, Task
from xrt.errors import DataError


def load(task: Task, source: Source, split: Split, languages: Sequence[str] | None = None) -> Aligned:
    """Read one split in several languages and align it; refuse languages that do not fit together.

    Args:
        languages: all of the task by default; for `train` the source languages alone (zero-shot), which are not
            aligned: each is trained on by itself.

    Raises:
        DataError: the problems of all languages at once; labels may be missing in `test` only.
    """
    columns: list[Sentences] = []
    errors: list[DataError] = []
    for language in languages or languages_of(task, split):
        try:
            columns.append(read(task, source, split, language))
        except DataError as error:
            errors.append(error)
            if source.kind == "hub" and not isinstance(error, FileError):
                break  # all languages have one hub: waiting for it once is enough
    if split != "test":
        errors += [FileError([no_labels(column, split)]) for column in columns if column.labels is None]
    if errors:
        raise joined(errors)
    aligned = replace(align(task, columns, split, source.align), notes=_notes(columns, split))
    return aligned if split == "train" else _fitting(aligned, columns, source)


def _fitting(aligned: Aligned, columns: Sequence[Sentences], source: Source) -> Aligned:
    """The same with its warnings.

    Raises:
        DataError: languages that cannot be evaluated together.
    """
    together = [column for column in columns if column.language not in aligned.apart]
    problems = written_apart(together, aligned.task.source)
    if problems:  # else consequences of them would be reported too
        raise DataError(shortened(problems))
    common, split = aligned.common(), aligned.split
    refused, warned = conflicts(
        aligned.agreement(), aligned.task.source, split, single=aligned.task.sentences == 1
    )
    if source.conflicts == "allow":
        refused, warned = [], [*refused, *warned]
    problems = refused or nothing_in_common(common, columns, split)
    if problems:
        raise DataError(shortened(problems))
    warned += few_in_common(common, columns, aligned.task.source, split)
    return replace(aligned, warnings=tuple(warned))


def _notes(columns: Sequence[Sentences], split: Split) -> tuple[str, ...]:
    """Notes about the reading, one line each: quoted formats, rows that were left out."""
    notes = []
    quoted_files = [column for column in columns if column.form == "quoted TSV"]
    if quoted_files:
        others = f" and {len(quoted_files) - 1} more" if len(quoted_files) > 1 else ""
        notes.append(f"{quoted_files[0].origin}{others}: TSV with the quotes of CSV, which are undone.")
    if skipped := [f"{column.language} {column.skipped:,}" for column in columns if column.skipped]:
        notes.append(f"{split}: rows left out by data.labels: {', '.join(skipped)}.")
    return tuple(notes)


def align(
    task: Task, columns: Sequence[Sentences], split: Split = "dev", how: Literal["all", "own"] = "all"
) -> Aligned:
    """Puts the languages' examples side by side, by id or, where there are none, by row.

    Args:
        how: `own`: languages without ids that have other rows than most stand apart, instead of being refused; of
            single sentences all languages do.

    Raises:
        DataError: ids that stand twice; without ids, languages of different length.
    """
    assert columns, "a split is aligned in at least one language"
    apart = _apart(task, columns, split) if how == "own" or split == "train" else ()
    problems = [problem for column in columns for problem in _duplicates(column)]
    together = [column for column in columns if column.language not in apart]
    if any(not column.has_ids for column in together):
        problems += _cannot_align_by_row(task, together, split)
    if problems:
        raise DataError(problems)
    columns = [_for_itself(column) if column.language in apart else column for column in columns]
    ids = tuple(dict.fromkeys(key for column in columns for key in column.ids))
    aligned = tuple(column if column.ids == ids else _by_id(column, ids) for column in columns)
    labels = np.array([column.labels or (ABSENT,) * len(ids) for column in aligned], np.int64).T
    return Aligned(task, split, tuple(column.language for column in columns), ids, aligned, labels, apart)


def _apart(task: Task, columns: Sequence[Sentences], split: Split) -> tuple[str, ...]:
    """The languages that cannot be aligned with the source, or, without the source, with most others.

    Several sources need not be aligned to be trained on, nor single sentences to be evaluated.
    """
    if split == "train" or task.sentences == 1:
        return tuple(column.language for column in columns) if len(columns) > 1 else ()
    reference = next((column for column in columns if column.language == task.source), None)
    usual = _rows(reference) if reference else _usual_rows(columns)
    by_id = reference.has_ids if reference else sum(c.has_ids for c in columns) * 2 > len(columns)
    return tuple(c.language for c in columns if c.has_ids != by_id or (not by_id and _rows(c) != usual))


def _for_itself(column: Sentences) -> Sentences:
    """With ids that no other language has."""
    return replace(column, ids=tuple(f"{column.language} {key}" for key in column.ids))


def _rows(column: Sentences) -> int:
    """The rows that it was read from: where there are no ids, those that were left out count as places."""
    return len(column) + column.skipped


def _usual_rows(columns: Sequence[Sentences]) -> int:
    rows = [_rows(column) for column in columns]
    return max(set(rows), key=lambda count: (rows.count(count), count))


def _by_id(column: Sentences, ids: tuple[str, ...]) -> Sentences:
    row_of = {key: row for row, key in enumerate(column.ids)}
    return reordered(column, [row_of.get(key) for key in ids], ids)


def _duplicates(column: Sentences) -> list[str]:
    if len(set(column.ids)) == len(column.ids):
        return []
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(column.ids, 1):
        rows.setdefault(key, []).append(row)
    return shortened(
        [
            f'{name_of(column)}: id "{key}" occurs {len(places)} times '
            f"(rows {', '.join(map(str, places[:5]))}); each id may occur once."
            for key, places in rows.items()
            if len(places) > 1
        ]
    )


def _cannot_align_by_row(task: Task, columns: Sequence[Sentences], split: Split) -> list[str]:
    """One line when not all languages are without ids, or when some have fewer rows than others."""
    mixed = [column for column in columns if column.has_ids]
    if mixed:
        return [
            f"{name_of(column)}: has ids, and other languages have none; give ids to all or to none."
            for column in mixed
        ]
    rows = [_rows(column) for column in columns]
    if len(set(rows)) == 1:
        return []
    usual = _usual_rows(columns)
    return [
        f"{name_of(column)}: {_rows(column)} rows, other languages of {task.name} {split} have {usual}; "
        "without ids, row n must be the same example everywhere: give each language the same rows, or ids; or, with "
        "data.align: own, it is evaluated by itself alone."
        for column in columns
        if _rows(column) != usual
    ]
