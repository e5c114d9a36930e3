"""What every reader returns: one language of one split, checked, with its labels as numbers.

Knows neither files nor the hub. Missing sentences become "" here, once for all readers; labels are looked up here. A
missing or unknown label is an error that names its place; no label is ever invented.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xrt.data.problems import FileError, by_text
from xrt.data.tasks import Named, Split, Task, quoted
from xrt.errors import closest

_NO_TRANSLATION = "NS"  # what PAWS-X writes where a sentence has none


@dataclass(frozen=True)
class Source:
    """Where a task is read from, and how: a value that a trial holds, hashable and plain as JSON.

    Attributes:
        path: of a folder, a file, or files by a pattern: `data/{split}/{language}.tsv`; or (split, path) for each.
        columns: (role, name or number of a column); the roles are first, second, label, id, language, split.
        labels: (word in the data, label of the task); None leaves the word's rows out, and counts them.
        splits: (split, its name in the data): (("dev", "validation"),).
        align: what becomes of languages with other rows and no ids; `own`: each is evaluated by itself alone.
        conflicts: whether languages that contradict each other about most labels are refused.
    """

    kind: Literal["hub", "folder", "embedded"]
    path: str | tuple[tuple[Split, str], ...] | None = None
    columns: Named = ()
    labels: tuple[tuple[str, str | None], ...] = ()
    splits: tuple[tuple[Split, str], ...] = ()
    align: Literal["all", "own"] = "all"
    conflicts: Literal["refuse", "allow"] = "refuse"

    def path_of(self, split: Split) -> str | None:
        """The path of one split."""
        return dict(self.path).get(split) if isinstance(self.path, tuple) else self.path


@dataclass(frozen=True)
class Sentences:
    """One language of one split, row by row; a sentence that is missing is "". Single sentences are all `first`.

    Attributes:
        labels: numbers into the task's labels, or None when the file carries none (XTREME's public test).
        has_ids: False when `ids` are mere row numbers "0", "1", …
        origin: the file or hub configuration that this was read from, for messages.
        form: its format where that deserves a word: `quoted TSV`.
        skipped: rows that were left out because the study says so of their label.
        elsewhere: rows of the same file that belong to other languages or splits.
        unread: columns that nothing was read from, for messages.
    """

    language: str
    ids: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    labels: tuple[int, ...] | None
    has_ids: bool
    origin: str = ""
    form: str = ""
    skipped: int = 0
    elsewhere: int = 0
    unread: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Columns:
    """The raw columns that a reader found; `place(row)` names a row in messages."""

    origin: str
    place: Callable[[int], str]
    first: Sequence[str | None]
    second: Sequence[str | None]
    labels: Sequence[str] | None
    ids: Sequence[str | None] | None
    form: str = ""
    elsewhere: int = 0
    unread: tuple[str, ...] = ()


def sentences_of(
    task: Task, language: str, columns: Columns, meanings: Mapping[str, str | None] | None = None
) -> Sentences:
    """The checked value for what a reader found.

    Args:
        meanings: labels of the task by words of the data; None: the word's rows are left out.

    Raises:
        FileError: a label or an id that is missing, or a label that is none of the task's, with its place.
    """
    ids = columns.ids if columns.ids is not None else [str(row) for row in range(len(columns.first))]
    words = columns.labels if columns.labels is not None and any(w.strip() for w in columns.labels) else None
    labels = None if words is None else _numbers(task, words, columns.place, meanings or {})
    kept = [row for row in range(len(ids)) if labels is None or labels[row] != _LEFT_OUT]
    chosen: Callable[[Sequence], tuple] = (
        tuple if len(kept) == len(ids) else lambda values: tuple(values[row] for row in kept)
    )
    return Sentences(
        language=language,
        ids=chosen(_checked_ids(ids, columns.place)),
        first=chosen(tuple(map(_present, columns.first))),
        second=chosen(tuple(map(_present, columns.second))),
        labels=None if labels is None else chosen(labels),
        has_ids=columns.ids is not None,
        origin=columns.origin,
        form=columns.form,
        skipped=len(ids) - len(kept),
        elsewhere=columns.elsewhere,
        unread=columns.unread,
    )


_LEFT_OUT, _UNKNOWN = -1, -2


def _present(sentence: str | None) -> str:
    """The sentence as it stands, or "" when it is missing: None, blank, or PAWS-X's `NS`."""
    bare = "" if sentence is None else sentence.strip()
    return "" if sentence is None or bare in ("", _NO_TRANSLATION) else sentence


def _checked_ids(ids: Sequence[str | None], place: Callable[[int], str]) -> Sequence[str]:
    missing = [row for row, key in enumerate(ids) if key is None or not key.strip()]
    if missing:
        raise FileError(
            by_text((place(row), "the id is missing; each row needs its own.") for row in missing)
        )
    return [key.strip() for key in ids if key is not None]


def _numbers(
    task: Task, words: Sequence[str], place: Callable[[int], str], meanings: Mapping[str, str | None]
) -> tuple[int, ...]:
    own = {label: index for index, label in enumerate(task.labels)}
    # A word may be a label of the task too: {"0": "2", "2": "0"} exchanges them.
    number = own | {word: _LEFT_OUT if label is None else own[label] for word, label in meanings.items()}
    numbers = tuple(number.get(word.strip(), _UNKNOWN) for word in words)
    if _UNKNOWN in numbers:
        wrong = [row for row, found in enumerate(numbers) if found == _UNKNOWN]
        raise FileError(by_text((place(row), _label_problem(task, words[row].strip())) for row in wrong))
    return numbers


def _label_problem(task: Task, word: str) -> str:
    if not word:
        return f"the label is missing; one of {quoted(task.labels)}."
    shown = word if len(word) <= 60 else word[:59] + "…"
    folded = [label for label in task.labels if label.casefold() == word.casefold()]
    means = folded[0] if folded else "…"
    return (
        f'label "{shown}" is not one of the task "{task.name}"; {quoted(task.labels)}, or say what it means: '
        f'data.labels: {{"{shown}": {means}}}.{closest(word, task.labels)}'
    )
