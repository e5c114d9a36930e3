"""What every reader hands over: one language of one split, checked, with its labels as numbers.

Knows neither files nor the hub. Missing sentences become "" here, once for all readers; labels are looked up
here, and a label that is missing or unknown is an error that names its place: none is ever made up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from xrt.data.tasks import Task, quoted
from xrt.errors import DataError, closest

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")

_NO_TRANSLATION = "NS"  # what PAWS-X writes where a sentence has none
_MOST_PROBLEMS = 10  # a file that is wrong throughout should not print a line for each of its rows


@dataclass(frozen=True)
class Source:
    """Where a task is read from: the hub, a folder (with its `path`), or the package itself."""

    kind: Literal["hub", "folder", "embedded"]
    path: str | None = None


@dataclass(frozen=True)
class Sentences:
    """One language of one split, row by row; a sentence that is missing is "".

    Attributes:
        labels: numbers into the task's labels, or None when the file carries none (XTREME's public test).
        has_ids: False when `ids` are mere row numbers "0", "1", …
        origin: the file or hub configuration that this was read from, for messages.
    """

    language: str
    ids: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    labels: tuple[int, ...] | None
    has_ids: bool
    origin: str = ""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Columns:
    """What a reader found, before anything is made of it; `place(row)` names a row in messages."""

    origin: str
    place: Callable[[int], str]
    first: Sequence[str | None]
    second: Sequence[str | None]
    labels: Sequence[str] | None
    ids: Sequence[str] | None


def sentences_of(task: Task, language: str, columns: Columns) -> Sentences:
    """The checked value for what a reader found.

    Raises:
        DataError: a label that is missing or none of the task's, with its place.
    """
    ids = columns.ids if columns.ids is not None else map(str, range(len(columns.first)))
    return Sentences(
        language=language,
        ids=tuple(ids),
        first=tuple(map(_present, columns.first)),
        second=tuple(map(_present, columns.second)),
        labels=None if columns.labels is None else _numbers(task, columns.labels, columns.place),
        has_ids=columns.ids is not None,
        origin=columns.origin,
    )


def shortened(problems: Sequence[str]) -> list[str]:
    """The first problems, and how many more there are."""
    more = len(problems) - _MOST_PROBLEMS
    return list(problems) if more <= 0 else [*problems[:_MOST_PROBLEMS], f"… and {more} more of this kind."]


def _present(sentence: str | None) -> str:
    """The sentence as it stands, or "" when it is missing: None, blank, or PAWS-X's `NS`."""
    bare = "" if sentence is None else sentence.strip()
    return "" if sentence is None or bare in ("", _NO_TRANSLATION) else sentence


def _numbers(task: Task, words: Sequence[str], place: Callable[[int], str]) -> tuple[int, ...]:
    number = {label: index for index, label in enumerate(task.labels)}
    numbers = tuple(number.get(word.strip(), -1) for word in words)
    if -1 in numbers:
        wrong = [row for row, found in enumerate(numbers) if found == -1]
        raise DataError(shortened([_label_problem(task, words[row], place(row)) for row in wrong]))
    return numbers


def _label_problem(task: Task, word: str, place: str) -> str:
    if not word.strip():
        return f"{place}: the label is missing; one of {quoted(task.labels)}."
    word = word.strip()
    hint = (
        " The line looks like a header: remove it." if word.lower() == "label" else closest(word, task.labels)
    )
    return f'{place}: label "{word}" is not one of the task "{task.name}"; {quoted(task.labels)}.{hint}'
