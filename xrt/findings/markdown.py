"""Text and tables in Markdown. Knows no runs."""

import re
from collections.abc import Collection, Sequence


def plain_text(text: str) -> str:
    """Text on one line, escaped for Markdown, so that a trial's reason cannot become a link or a picture."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def grid(
    head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int], bold: int | None = None
) -> str:
    """A table; the columns of `numbers` are aligned to the right, and the row `bold` is bold."""
    rule = ["---:" if i in numbers else "---" for i in range(len(head))]
    lines = [[plain_text(cell) for cell in head], rule]
    for i, row in enumerate(rows):
        cells = [plain_text(cell) for cell in row]
        lines.append([f"**{cell}**" if i == bold and cell else cell for cell in cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
