"""Text tables as rows of cells: separated by one character, with or without the quoting rules of CSV (RFC 4180).

Plain TSV has no quoting: a `"` is text, and a row is a line. Writers of CSV (pandas, spreadsheets) put a cell in
quotes when it holds a quote, and double the quotes inside. Read as plain TSV such a file gives `\"""Angel Eyes"" ist"`
for `"Angel Eyes" ist`; so what was written with quotes is recognised here. Knows no files.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """The rows of a text table, and the line (from 1) on which each begins; `quoted`: by the rules of CSV."""

    cells: list[list[str]]
    lines: list[int] | range
    quoted: bool


class BareQuote(Exception):
    """A quote where the rules of CSV allow none."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(line)


def tab_separated(text: str) -> Rows:
    """TSV, plain unless everything in it says that it was written with quotes."""
    plain = _plain(text, "\t")
    if '"' not in text:
        return plain
    try:
        quoted, evident = _parsed(text, "\t")
    except BareQuote:
        return plain
    # Plain text may hold cells such as "Yes" in quotes. A CSV writer does that to no cell unless it must or does it
    # to all. So either quotes are doubled somewhere, or rows have equally many cells in this reading only.
    even = len({len(row) for row in quoted.cells}) == 1
    return quoted if even and (evident or len({len(row) for row in plain.cells}) > 1) else plain


def comma_separated(text: str) -> Rows:
    """CSV; commas, semicolons or tabs, whichever the first line has most of outside quotes.

    Raises:
        BareQuote: a quote inside a cell that is not in quotes.
    """
    first = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    separator = max(",;\t", key=first.count)
    return _plain(text, separator) if '"' not in text else _parsed(text, separator)[0]


def _plain(text: str, separator: str) -> Rows:
    # Not splitlines(): it would also break at characters that may stand inside a sentence (U+2028, U+0085).
    cells = [line.removesuffix("\r").split(separator) for line in text.rstrip("\r\n").split("\n")]
    return Rows(cells, range(1, len(cells) + 1), quoted=False)


def _parsed(text: str, separator: str) -> tuple[Rows, bool]:
    """The rows by the rules of CSV, and whether the quotes cannot be text: doubled inside, or around all cells."""
    text = text.rstrip("\r\n")
    cell = re.compile(
        rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{separator}\r\n]*+(?:\r(?!\n)[^"{separator}\r\n]*)*))({separator}|\r?\n|\Z)'
    )
    rows, lines, row = [], [1], list[str]()
    at, line, doubled, bare = 0, 1, False, False
    while True:
        match = cell.match(text, at)
        if match is None:
            raise BareQuote(line + text.count("\n", at, _next_quote(text, at)))
        inside, outside, end = match.groups()
        if inside is not None:
            doubled = doubled or '""' in inside
            row.append(inside.replace('""', '"'))
            line += inside.count("\n")
        else:
            bare = bare or not _is_number(outside)
            row.append(outside)
        at = match.end()
        if end == separator:
            continue
        rows.append(row)
        if not end:
            return Rows(rows, lines, quoted=True), doubled or not bare
        row, line = [], line + 1
        lines.append(line)


def _next_quote(text: str, at: int) -> int:
    found = text.find('"', at)
    return len(text) if found < 0 else found


def _is_number(cell: str) -> bool:
    return not cell or cell.replace(".", "", 1).lstrip("-").isdigit()
