"""Whatever a file holds: no row is lost or doubled without a count, and no text is changed."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrt.data import Source, Task, read
from xrt.data.formats import LONGEST_CELL, MOST_COLUMNS
from xrt.data.quoting import BareQuote, comma_separated, tab_separated
from xrt.errors import DataError, XrtError

TASK = Task("any", ("en", "de"), ("no", "yes"))
TEXT = st.text(st.sampled_from("ab\" ,;'\u2028\u0085é中\r"), min_size=1, max_size=8).map(
    lambda s: s.strip("\r") or "a"
)
CELL = st.text(st.sampled_from('ab" ,;\n\t\r中'), max_size=8)
LABEL = st.sampled_from(["no", "yes", "-"])


def written(content: str, name: str = "dev-en.tsv") -> Path:
    file = Path(tempfile.mkdtemp()) / name
    file.write_bytes(content.encode())
    return file


def present(text: str) -> str:
    return "" if text.strip() in ("", "NS") else text


@given(
    st.lists(st.tuples(TEXT, TEXT, LABEL), min_size=1, max_size=12),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(deadline=None)
def test_every_row_of_plain_tsv_is_an_example_or_counted(
    rows: list[tuple[str, str, str]], header: bool, end: str
) -> None:
    lines = [("sentence1", "sentence2", "label")] * header + rows
    file = written(end.join("\t".join(row) for row in lines) + end)
    if tab_separated(file.read_bytes().decode()).quoted:  # it happens to be written by the rules of CSV
        return
    found = read(TASK, Source("folder", str(file.parent), labels=(("-", None),)), "dev", "en")
    kept = [row for row in rows if row[2] != "-"]
    assert len(found) + found.skipped == len(rows) and len(found) == len(kept)
    assert found.first == tuple(present(row[0]) for row in kept)
    assert found.second == tuple(present(row[1]) for row in kept)


@given(
    st.lists(
        st.tuples(st.sampled_from(["en", "de", "xx"]), st.sampled_from(["dev", "train", "other"]), LABEL),
        max_size=20,
    )
)
@settings(deadline=None)
def test_rows_of_other_languages_and_splits_are_counted(rows: list[tuple[str, str, str]]) -> None:
    lines = ["lang\tsplit\tsentence1\tsentence2\tlabel"]
    lines += [f"{language}\t{split}\t{i}\tb\t{label}" for i, (language, split, label) in enumerate(rows)]
    file = written("\n".join(lines) + "\n", "all.tsv")
    source = Source("folder", str(file), labels=(("-", None),))
    seen: list[str] = []
    for language in ("en", "de"):
        for split in ("dev", "train"):
            there = [row for row in rows if row[:2] == (language, split)]
            try:
                found = read(TASK, source, split, language)  # type: ignore[arg-type]
            except DataError:
                assert not there
                continue
            assert len(found) + found.skipped + found.elsewhere == len(rows)
            assert len(found) + found.skipped == len(there)
            seen += found.first
    assert len(seen) == len(set(seen)) == sum(r[0] != "xx" and r[1] != "other" and r[2] != "-" for r in rows)


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=8),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_writes_is_read_as_it_was(
    rows: list[list[str]], quoting: int, separator: str, end: str
) -> None:
    rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=separator, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([["first", "second", "third"], *rows])
    read_back = comma_separated(sink.getvalue())
    assert read_back.cells == [["first", "second", "third"], *rows]


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab" '), max_size=6), min_size=2, max_size=2), min_size=1, max_size=8
    )
)
def test_quoted_tsv_is_recognised_by_what_only_a_csv_writer_writes(rows: list[list[str]]) -> None:
    sink = io.StringIO()
    csv.writer(sink, delimiter="\t", lineterminator="\n").writerows(rows)
    text = sink.getvalue()
    if any('"' in cell for row in rows for cell in row):
        found = tab_separated(text)
        assert found.cells == rows and found.quoted


@given(st.text(st.sampled_from('ab"\t\n,'), max_size=40))
def test_no_text_breaks_a_reader(text: str) -> None:
    plain = tab_separated(text)
    assert plain.quoted or len(plain.cells) == text.rstrip("\r\n").count("\n") + 1
    try:
        comma_separated(text)
    except BareQuote as error:
        assert 1 <= error.line <= text.count("\n") + 1


@given(st.binary(max_size=200), st.sampled_from([".tsv", ".csv", ".jsonl", ".parquet", ".tsv.gz", ".json"]))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused_in_words(content: bytes, end: str) -> None:
    file = Path(tempfile.mkdtemp()) / f"dev-en{end}"
    file.write_bytes(content)
    try:
        read(TASK, Source("folder", str(file.parent)), "dev", "en")
    except XrtError as error:
        assert all(line.startswith(str(file.parent)) for line in error.problems if not line.startswith("…"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            f"a\t{'b' * 20_000_000}\tno\nc\td\tno\n",
            "line 1: column 2 has 20,000,000 characters; at most 100,000",
        ),
        ("a\tb\tno\n" + "\t" * MOST_COLUMNS + "\n", "line 2: 1,001 columns; at most 1,000"),
        (
            f'{{"premise": "{"b" * (LONGEST_CELL + 1)}", "hypothesis": "x", "label": "no"}}',
            "line 1: a sentence of 100,001",
        ),
        ("a\tb\tno\nc\0\td\tno\n", "line 2: a NUL character"),
    ],
)
def test_limits_are_said_with_file_and_line(content: str, problem: str) -> None:
    file = written(content, "dev-en.jsonl" if content.startswith("{") else "dev-en.tsv")
    with pytest.raises(DataError) as refused:
        read(TASK, Source("folder", str(file.parent)), "dev", "en")
    assert str(refused.value).startswith(f"{file}, {problem}")
