"""Rows and cells that no table of sentences has: read as what they are, or refused with their place."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xrt.data import Source, Task, read
from xrt.errors import DataError

Write = Callable[[str, str | bytes], Path]


def test_a_header_between_the_rows_is_no_example(folder: Path, write: Write, two: Task) -> None:
    header, row = "premise\thypothesis\n", "a\tb\n"
    file = write("test-en.tsv", header + row + header + row)
    with pytest.raises(DataError) as refused:
        read(two, Source("folder", str(folder)), "test", "en")
    assert str(refused.value).startswith(f"{file}, line 3: the header once more")


@pytest.mark.parametrize("orient", ["columns", "list"])
def test_json_by_columns_is_named(folder: Path, write: Write, two: Task, orient: str) -> None:
    columns = {"premise": ["a", "b"], "hypothesis": ["c", "d"], "label": ["no", "yes"]}
    by_row = {name: {str(row): value for row, value in enumerate(cells)} for name, cells in columns.items()}
    file = write("dev-en.jsonl", json.dumps(by_row if orient == "columns" else columns))
    with pytest.raises(DataError, match="rows are expected") as refused:
        read(two, Source("folder", str(folder)), "dev", "en")
    assert str(refused.value).startswith(f"{file}: columns, as pandas' to_json()")


def test_nan_in_json_is_a_cell_without_a_value(folder: Path, write: Write, two: Task) -> None:
    row = '{"premise": NaN, "hypothesis": "b", "label": NaN}\n'
    write("test-en.jsonl", row)
    found = read(two, Source("folder", str(folder)), "test", "en")
    assert (found.first, found.second, found.labels) == (("",), ("b",), None)
    write("test-en.jsonl", row.replace("{", '{"id": NaN, '))
    with pytest.raises(DataError, match="the id is missing"):
        read(two, Source("folder", str(folder)), "test", "en")


def test_a_list_of_labels_is_refused_with_its_line(folder: Path, write: Write, two: Task) -> None:
    file = write("dev-en.jsonl", '{"premise": "a", "hypothesis": "b", "label": ["no"]}\n')
    with pytest.raises(DataError) as refused:
        read(two, Source("folder", str(folder)), "dev", "en")
    assert str(refused.value).startswith(f"{file}, line 1: label \"['no']\" is not one of the task")


def test_half_an_emoji_is_refused_with_its_line(folder: Path, write: Write, two: Task) -> None:
    whole = '{"id": "1", "premise": "\\ud83d\\ude00", "hypothesis": "b", "label": "no"}\n'
    write("dev-en.jsonl", whole)
    assert read(two, Source("folder", str(folder)), "dev", "en").first == ("\N{GRINNING FACE}",)
    file = write("dev-en.jsonl", whole + whole.replace("\\ude00", "…"))
    with pytest.raises(DataError) as refused:
        read(two, Source("folder", str(folder)), "dev", "en")
    assert str(refused.value).startswith(f"{file}, line 2: text cut inside a character")


def test_translations_that_lack_a_language_are_refused_with_their_file(folder: Path, two: Task) -> None:
    texts = [{"en": "a", "fr": "b"}]
    file = folder / "dev.parquet"
    pq.write_table(pa.table({"premise": texts, "hypothesis": texts, "label": ["no"]}), file)
    with pytest.raises(DataError) as refused:
        read(two, Source("folder", str(folder / "{split}.parquet")), "dev", "de")
    assert refused.value.problems == [
        f'{file}, column "premise": its translations have no language "de"; en, fr.'
    ]
