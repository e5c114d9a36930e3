"""Files as tables of columns: TSV, CSV, JSON lines and Parquet; text also in gzip. Knows no task and no language.

The end of a file's name says its format; what it does not say is TSV. Text is UTF-8, with or without a byte order
mark, its lines ended by LF or CR LF. Limits are stated here, and kept before anything is made of a file.
"""

import gzip
import json
import os
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrt.data.problems import FileError, Found, by_text
from xrt.data.quoting import BareQuote, Rows, comma_separated, tab_separated
from xrt.errors import DataError

MOST_BYTES = 2**30  # of a file's text; the training data of XNLI have 0.08 * 2**30
MOST_ROWS = 5_000_000
MOST_COLUMNS = 1000  # a wide file has three for each language
LONGEST_CELL = 100_000  # characters: a sentence of 512 word pieces has about 2,500
SUFFIXES = (".tsv", ".csv", ".txt", ".jsonl", ".json", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Table:
    """Columns by name, as a file of JSON or Parquet has them, or a text table with a header.

    Attributes:
        form: what kind of file it is, for messages.
        read: the values of one column, by number: text, numbers, None, or mappings of languages to text.
        words: what the numbers of a column of labels mean, where the file itself says so.
        place: names a row in messages.
        named: False for a text table without a header, whose `names` are ours.
    """

    origin: str
    form: str
    names: tuple[str, ...]
    rows: int
    read: Callable[[int], Sequence[Any]]
    place: Callable[[int], str]
    words: Callable[[int], Sequence[str] | None] = lambda column: None
    named: bool = True


@dataclass(frozen=True)
class TextTable:
    """Rows of a text file, before it is known whether the first of them is a header."""

    origin: str
    form: str
    rows: Rows

    def place(self, row: int) -> str:
        """Names row `row` (from 0) in messages, the header counted."""
        return f"{self.origin}, line {self.rows.lines[row]}"


def read_table(file: Path) -> Table | TextTable:
    """The table in a file.

    Raises:
        DataError: missing, empty, not UTF-8, beyond a limit, or not what its name says; with its line.
    """
    if problem := file_problem(file):
        raise FileError([Found(str(file), problem)])
    try:
        return _readers(file)(file)
    except OSError as error:
        # Arrow's own reasons have several lines.
        reason = " ".join((error.strerror or str(error)).split())
        raise DataError(f"{file}: cannot be read ({reason}).") from error


def file_problem(file: Path) -> str:
    """What keeps `file` from being read at all, or "" if nothing does."""
    if os.path.isdir(file):
        return "a folder; a file is expected."
    if not os.path.exists(file):  # or its name is too long for a file
        return "missing."
    if not os.path.isfile(file):
        return "not a plain file; a file is expected."
    if not os.access(file, os.R_OK):
        return "not readable; change its permissions."
    size = file.stat().st_size
    if size > MOST_BYTES:
        return f"{size:,} bytes; at most {MOST_BYTES:,}: split the file by language or split."
    return "" if size else "empty; a row for each example is expected."


def _readers(file: Path) -> Callable[[Path], Table | TextTable]:
    ends = file.name.lower().removesuffix(".gz").rpartition(".")[2]
    readers: dict[str, Callable[[Path], Table | TextTable]] = {
        "csv": _csv,
        "jsonl": _json_lines,
        "ndjson": _json_lines,
        "json": _json_lines,
        "parquet": _parquet,
    }
    return readers.get(ends, _tsv)


def _text(file: Path) -> str:
    data = _unpacked(file) if file.name.lower().endswith(".gz") else file.read_bytes()
    for mark, name in (
        (b"\xff\xfe", "UTF-16"),
        (b"\xfe\xff", "UTF-16"),
        (b"PK\x03\x04", "a ZIP or Excel file"),
        (b"\x1f\x8b", "gzip data, whose name must end with .gz"),
    ):
        if data.startswith(mark):
            raise DataError(
                f"{file}, line 1: not UTF-8 (byte 0x{data[0]:02x}: it begins as {name}); save it as UTF-8 text."
            )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
        raise DataError(
            f"{file}, line {line}: not UTF-8 (byte 0x{byte:02x}); convert the file to UTF-8, for example with "
            "iconv -f latin1 -t utf-8."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{file}, line {line}: a NUL character; a text file is expected.")
    if "\n\ufeff" in text:
        line = text.count("\n", 0, text.index("\n\ufeff")) + 2
        raise DataError(
            f"{file}, line {line}: a byte order mark (U+FEFF), as where files were joined; remove it."
        )
    if not text.strip("\r\n"):
        raise DataError(f"{file}: empty; a row for each example is expected.")
    return text


def _unpacked(file: Path) -> bytes:
    try:
        with gzip.open(file) as packed:
            data = packed.read(MOST_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{file}: not whole gzip data ({error}); copy the file again.") from error
    if len(data) > MOST_BYTES:
        raise DataError(
            f"{file}: more than {MOST_BYTES:,} bytes unpacked; split the file by language or split."
        )
    return data


def _tsv(file: Path) -> TextTable:
    rows = tab_separated(_text(file))
    return _within_limits(TextTable(str(file), "quoted TSV" if rows.quoted else "TSV", rows))


def _csv(file: Path) -> TextTable:
    try:
        return _within_limits(TextTable(str(file), "CSV", comma_separated(_text(file))))
    except BareQuote as error:
        raise DataError(
            f'{file}, line {error.line}: a quote (") that CSV does not allow there; put the cell in quotes and double '
            "those inside, or write the file as TSV, where a quote is text."
        ) from error


def _within_limits(table: TextTable) -> TextTable:
    cells = table.rows.cells
    if len(cells) > MOST_ROWS:
        raise DataError(f"{table.origin}: {len(cells):,} rows; at most {MOST_ROWS:,}.")
    found = [
        (table.place(row), f"{len(cells[row]):,} columns; at most {MOST_COLUMNS:,}.")
        for row in range(len(cells))
        if len(cells[row]) > MOST_COLUMNS
    ]
    found += [
        (table.place(row), f"column {column} has {len(cell):,} characters; {_long()}")
        for row, line in enumerate(cells)
        for column, cell in enumerate(line, 1)
        if len(cell) > LONGEST_CELL
    ]
    if found:
        raise FileError(by_text(found))
    return table


def _long() -> str:
    return f"at most {LONGEST_CELL:,}: is a quote missing, or a line end?"


def _json_lines(file: Path) -> Table:
    text = _text(file)
    if text.lstrip().startswith("["):
        records, numbers = _json(file, 1, text), None
    else:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        records, numbers = [_json(file, number, line) for number, line in lines], [n for n, _ in lines]

    def place(row: int) -> str:
        return f"{file}, line {numbers[row]}" if numbers else f"{file}, row {row + 1}"

    wrong = [row for row, record in enumerate(records) if not isinstance(record, dict)]
    if wrong:
        raise FileError(
            by_text((place(row), 'not an object; {"sentence1": …, …} is expected.') for row in wrong)
        )
    if len(records) == 1 and records[0] and all(map(_is_column, records[0].values())):
        rows = "columns, as pandas' to_json() writes them; rows are expected: to_json(orient='records')."
        raise FileError(by_text([(str(file), rows)]))
    if _HALF.search(text) and (halves := [row for row, record in enumerate(records) if _is_cut(record)]):
        problem = (
            r"text cut inside a character (\ud83d without its other half); mend it, or leave the row out."
        )
        raise FileError(by_text((place(row), problem) for row in halves))
    names = tuple(dict.fromkeys(name for record in records for name in record))
    table = Table(
        str(file), "JSON lines", names, len(records), lambda i: [r.get(names[i]) for r in records], place
    )
    return _checked(table)


def _is_column(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and "0" in value)


_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # half of a character that JSON writes in two parts, as all emoji


def _is_cut(record: dict[str, Any]) -> bool:
    """Whether text in it is no Unicode, which neither tokenizers nor files take."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _json(file: Path, line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error).split(": line")[0] or "nested too deeply"
        raise DataError(
            f"{file}, line {line + getattr(error, 'lineno', 1) - 1}: not JSON ({reason})."
        ) from error


def _parquet(file: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        content = pyarrow.parquet.ParquetFile(file)
        if content.metadata.num_rows > MOST_ROWS:
            raise DataError(f"{file}: {content.metadata.num_rows:,} rows; at most {MOST_ROWS:,}.")
        table = content.read()
        # Damaged text raises here, not when a cell is read.
        table.validate(full=True)
        table.schema.names  # noqa: B018  # raises where a name is no UTF-8
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{file}: not a Parquet file ({str(error).splitlines()[0]}); copy it again."
        ) from error
    if table.num_rows == 0:
        raise DataError(f"{file}: empty; a row for each example is expected.")
    return _checked(arrow_table(table, str(file), "Parquet"))


def arrow_table(table: Any, origin: str, form: str) -> Table:
    """An Arrow table; label names are taken from what `datasets` writes into its schema."""

    def words(column: int) -> Sequence[str] | None:
        if b"huggingface" not in (table.schema.metadata or {}):
            return None
        from datasets import Features

        features = Features.from_arrow_schema(table.schema)
        return getattr(features[table.column_names[column]], "names", None)

    return Table(
        origin=origin,
        form=form,
        names=tuple(table.column_names),
        rows=table.num_rows,
        read=lambda column: table.column(column),
        place=lambda row: f"{origin}, row {row + 1}",
        words=words,
    )


def _checked(table: Table) -> Table:
    if len(table.names) > MOST_COLUMNS or table.rows > MOST_ROWS:
        raise DataError(
            f"{table.origin}: {table.rows:,} rows of {len(table.names):,} columns; at most {MOST_ROWS:,} of "
            f"{MOST_COLUMNS:,}."
        )
    return table


def titled(table: TextTable, names: Sequence[str], header: bool) -> Table:
    """A text table by the names of its columns, its first row left out where it is the header.

    Raises:
        FileError: rows with another number of cells, or none at all; the header once more.
    """
    start = int(header)
    cells = table.rows.cells[start:]
    if not cells:
        raise DataError(f"{table.origin}, line 1: a header without rows; a row for each example is expected.")
    title = {"id": "id", "first": "sentence 1", "second": "sentence 2"}
    shown = ", ".join(title.get(name, name) for name in names[:8]) + (", …" if len(names) > 8 else "")
    expected = f"{len(names)} are expected ({shown}), separated by {_separators(table.form)}."
    wrong = [row for row, line in enumerate(cells) if len(line) != len(names)]
    if wrong:
        raise FileError(
            by_text((table.place(row + start), _width(len(cells[row]), expected)) for row in wrong)
        )
    again = [row for row, line in enumerate(cells) if header and line == table.rows.cells[0]]
    if again:
        joined = "the header once more, as where files were joined; remove the line."
        raise FileError(by_text((table.place(row + start), joined) for row in again))
    columns = list(zip(*cells, strict=True))
    return Table(
        origin=table.origin,
        form=table.form,
        names=tuple(names),
        rows=len(cells),
        read=lambda column: columns[column],
        place=lambda row: table.place(row + start),
        named=header,
    )


def _width(cells: int, expected: str) -> str:
    return f"{cells} column{'s' * (cells != 1)}; {expected}"


def _separators(form: str) -> str:
    return "commas" if form == "CSV" else "tabs"
