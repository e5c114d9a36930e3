"""The values of one column of a table: sentences, label words, ids; of columns of translations those of one language.

Knows no files and no tasks.
"""

from collections.abc import Callable, Sequence
from typing import Any

from xrt.data.formats import LONGEST_CELL
from xrt.data.problems import FileError, by_text


def picked(values: Any, language: str) -> list[Any]:
    """A column as plain values: of columns of translations those in one language."""
    if hasattr(values, "to_pylist"):
        from xrt.data.arrow import in_language

        return in_language(values, language)
    return [_translation(value, language) if isinstance(value, dict) else value for value in values]


def _translation(value: dict[str, Any], language: str) -> Any:
    """One cell of a column of translations, in either of the two ways of `datasets`."""
    codes, texts = value.get("language"), value.get("translation")
    if isinstance(codes, list) and isinstance(texts, list):
        return dict(zip(codes, texts, strict=False)).get(language)
    return value.get(language)


def texts(values: list[Any], place: Callable[[int], str]) -> list[str | None]:
    """Sentences; a number is written out, anything else is refused."""
    wrong = [
        (place(row), f"a sentence is expected, not {type(value).__name__}.")
        for row, value in enumerate(values)
        if not isinstance(value, str | int | float | None)
    ]
    wrong += [
        (
            place(row),
            f"a sentence of {len(value):,} characters; at most {LONGEST_CELL:,}: is a quote missing?",
        )
        for row, value in enumerate(values)
        if isinstance(value, str) and len(value) > LONGEST_CELL
    ]
    if wrong:
        raise FileError(by_text(wrong))
    return [value if value is None or isinstance(value, str) else word(value) for value in values]


def word(value: Any) -> str:
    """A cell as text: 1.0 is "1" and NaN nothing, for so pandas writes whole numbers and missing ones."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def words(values: list[Any], names: Sequence[str] | None, labels: frozenset[str]) -> list[str]:
    """Labels as words; "" where there is none: null, or the number -1 unless that is a label of the task."""
    # Not a set: a cell of JSON may be a list, which has no hash.
    none = (None,) if "-1" in labels else (None, -1)
    if names is None:
        return ["" if value in none else word(value) for value in values]
    return [
        "" if value in none else names[value] if 0 <= value < len(names) else str(value) for value in values
    ]
