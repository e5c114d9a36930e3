"""Collects what is wrong with data: the same problem in many rows and files becomes one line.

Knows no format. A problem is a place (a file, and a line where there is one) and a sentence; problems with the same
sentence become one line, with the first place and the number of others.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from xrt.errors import DataError, XrtError

_MOST_PROBLEMS = 10  # a file that is wrong throughout should not print a line for each of its rows


class Found(NamedTuple):
    """One problem, in `rows` rows of which `place` names the first (0: the place is not a row)."""

    place: str
    text: str
    rows: int = 0


class FileError(DataError):
    """Problems that remember their places, so that those of all languages and splits can be joined.

    Args:
        plain: problems that are of no file.
    """

    def __init__(self, found: Sequence[Found], plain: Sequence[str] = ()) -> None:
        self.found, self.plain = list(dict.fromkeys(found)), list(dict.fromkeys(plain))
        super().__init__([*lines(self.found), *self.plain])

    def __reduce__(self) -> tuple[type[DataError], tuple[list[str]]]:
        return DataError, (self.problems,)


def by_text(places: Iterable[tuple[str, str]]) -> list[Found]:
    """(place, sentence) of each row: one problem a sentence, in the order of their first rows."""
    first: dict[str, str] = {}
    rows: dict[str, int] = {}
    for place, text in places:
        first.setdefault(text, place)
        rows[text] = rows.get(text, 0) + 1
    return [Found(place, text, rows[text]) for text, place in first.items()]


def lines(found: Sequence[Found]) -> list[str]:
    """One line a sentence, at most ten and how many more."""
    groups: dict[str, list[Found]] = {}
    for problem in found:
        groups.setdefault(problem.text, []).append(problem)
    return shortened([f"{_places(group)}: {text}" for text, group in groups.items()])


def joined(errors: Sequence[XrtError]) -> FileError:
    """All problems as one error, without duplicates; problems of one cause become one line."""
    found = [one for error in errors if isinstance(error, FileError) for one in error.found]
    plain = [
        line for error in errors for line in (error.plain if isinstance(error, FileError) else error.problems)
    ]
    return FileError(found, plain)


def shortened(problems: Sequence[str]) -> list[str]:
    """The first problems, and how many more there are."""
    more = len(problems) - _MOST_PROBLEMS
    return list(problems) if more <= 0 else [*problems[:_MOST_PROBLEMS], f"… and {more} more of this kind."]


def _places(group: Sequence[Found]) -> str:
    first, others = group[0], [one.place for one in group[1:]]
    if not any(one.rows for one in group):  # whole files
        rest = f" and {len(others) - 4} more" if len(others) > 5 else ""
        return ", ".join([first.place, *others[: 4 if rest else 5]]) + rest
    more = f" and {first.rows - 1:,} more row{'s' * (first.rows > 2)}" if first.rows > 1 else ""
    if others:
        more += f", and {len(others)} more place{'s' * (len(others) > 1)} (the next: {others[0]})"
    return first.place + more
