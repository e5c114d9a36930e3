"""Rows of configurations as a table that fits the terminal: a row takes at most two lines.

The least important columns give way first; a configuration that is still too long ends with "…".
"""

import textwrap
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

LINES = 2  # of a row
GAP, LEAST = 2, 12  # characters between columns; of a configuration, however narrow the terminal is


@dataclass(frozen=True)
class Column:
    """A column, as wide as its longest cell. `right`: aligned to the right, for numbers."""

    head: str
    cells: Sequence[str | Text]
    right: bool = False

    @property
    def width(self) -> int:
        return max(cell_len(str(cell)) for cell in (self.head, *self.cells))


@dataclass(frozen=True)
class Fitted:
    """Draws itself as wide as it may be.

    Attributes:
        ids: of the rows, on the left of their configurations.
        columns: on the right of them.
        least: the heads of the columns that may be left out, the least important first.
        bold: the rows, by id, in bold.
    """

    ids: Sequence[str]
    configurations: Sequence[str]
    columns: Sequence[Column]
    least: Sequence[str] = ()
    bold: Container[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        columns, room = self._fitting(options.max_width)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("trial", "configuration"):
            table.add_column(head, no_wrap=True)
        for column in columns:
            table.add_column(column.head, justify="right" if column.right else "left", no_wrap=True)
        for place, id in enumerate(self.ids):
            about = "\n".join(_folded(self.configurations[place], room))
            cells = (column.cells[place] for column in columns)
            table.add_row(id, Text(about), *cells, style="bold" if id in self.bold else None)
        yield table

    def _fitting(self, width: int) -> tuple[list[Column], int]:
        """The columns that fit, and the width that they leave to a configuration."""
        columns, least = list(self.columns), list(self.least)
        own = Column("trial", self.ids).width + GAP
        while True:
            room = max(LEAST, width - own - sum(column.width + GAP for column in columns))
            folded = (textwrap.wrap(text, room, break_on_hyphens=False) for text in self.configurations)
            if not least or all(len(lines) <= LINES for lines in folded):
                return columns, room
            gone = least.pop(0)
            columns = [column for column in columns if column.head != gone]


def _folded(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, room, max_lines=LINES, placeholder=" …", break_on_hyphens=False)
