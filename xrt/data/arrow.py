"""Columns of translations in Arrow, the two ways in which `datasets` writes them.

`{de: text, fr: text}`, or `{"language": [...], "translation": [...]}` where not every row has every language.
"""

from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as compute

from xrt.errors import DataError


def in_language(column: Any, language: str) -> list[Any]:
    """A chunked column as plain values; of translations those in one language, None where a row has none.

    Raises:
        DataError: translations into other languages only.
    """
    if not pyarrow.types.is_struct(column.type):
        return column.to_pylist()
    fields = [field.name for field in column.type]
    if language in fields:
        return compute.struct_field(column, language).to_pylist()
    if set(fields) != {"language", "translation"}:
        raise DataError(f'its translations have no language "{language}"; {", ".join(fields[:20])}.')
    return [text for chunk in column.chunks for text in picked(chunk, language)]


def picked(column: Any, language: str) -> list[str | None]:
    """`language`'s text of each row's `{"language": [...], "translation": [...]}`; None where it has none."""
    codes, texts = compute.struct_field(column, "language"), compute.struct_field(column, "translation")
    here = compute.equal(codes.flatten(), language).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(here)
    rows = compute.list_parent_indices(codes).to_numpy()[places]
    found: list[str | None] = [None] * len(column)
    for row, text in zip(rows.tolist(), texts.flatten().take(places).to_pylist(), strict=True):
        found[row] = text
    return found
