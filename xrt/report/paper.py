"""The table for a paper: one row per arm, one column per language and mean except `all`; as text, CSV and LaTeX.

Mean ± standard deviation over seeds on the confirmed split. In LaTeX the best of a column is bold, unless all tie. An
asterisk marks a reliable difference to plain fine-tuning by that column's claim.
"""

import csv
import io
import math
from typing import NamedTuple

from xrt.findings.findings import Confirmation, Findings
from xrt.findings.statistics import Estimate
from xrt.findings.words import count
from xrt.spec.arms import Arm
from xrt.spec.metric import Metric, means_of


class Cell(NamedTuple):
    """An accuracy with its marks."""

    accuracy: Estimate
    best: bool
    reliable: bool

    @property
    def text(self) -> str:
        """`76.2 ± 0.7*`."""
        if math.isnan(self.accuracy.mean):
            return ""
        sd = "" if math.isnan(self.accuracy.sd) else f" ± {100 * self.accuracy.sd:.1f}"
        return f"{100 * self.accuracy.mean:.1f}{sd}{'*' if self.reliable else ''}"


class PaperRow(NamedTuple):
    encoder: str
    configuration: str
    seeds: int
    cells: tuple[Cell, ...]


class PaperTable(NamedTuple):
    """Rows in the order of the arms, plain first."""

    split: str
    columns: tuple[str, ...]
    rows: tuple[PaperRow, ...]


def paper_table(found: Findings) -> PaperTable | None:
    """None where nothing is confirmed."""
    confirmed = found.confirmation
    if confirmed is None:
        return None
    metrics = [Metric("acc", language) for language in found.meta.languages]
    metrics += [m for m in means_of(found.spec.task) if m.name != "all"]
    arms = [arm for arm in confirmed.candidates.best if confirmed.best(arm).trials]
    means = {(arm, m): confirmed.accuracy(arm, m) for arm in arms for m in metrics}
    metrics = [m for m in metrics if any(not math.isnan(means[arm, m].mean) for arm in arms)]
    rows = tuple(_row(confirmed, arm, metrics, means) for arm in arms)
    return PaperTable(confirmed.split, tuple(m.words for m in metrics), rows)


def _row(
    confirmed: Confirmation, arm: Arm, metrics: list[Metric], means: dict[tuple[Arm, Metric], Estimate]
) -> PaperRow:
    reliable = {c.metric.on("dev") for c in confirmed.claims_of(arm) if c.verdict in ("better", "worse")}
    columns = {m: {round(e.mean, 3) for (_, other), e in means.items() if other == m} for m in metrics}
    # Where all arms print the same number, none is best.
    best = {m: max(values) if len(values) > 1 else math.inf for m, values in columns.items()}
    cells = tuple(
        Cell(means[arm, m], round(means[arm, m].mean, 3) == best[m], m in reliable) for m in metrics
    )
    configuration = confirmed.best(arm)
    return PaperRow(configuration.encoder, configuration.label, len(configuration.trials), cells)


def as_csv(table: PaperTable) -> str:
    """Mean and standard deviation as numbers, in percent, with the marks in columns of their own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    parts = ("mean", "sd", "reliable")
    head = [f"{column}: {part}" for column in table.columns for part in parts]
    writer.writerow(["encoder", "configuration", "seeds", *head])
    for row in table.rows:
        numbers: list[object] = []
        for cell in row.cells:
            numbers += [_number(cell.accuracy.mean), _number(cell.accuracy.sd), int(cell.reliable)]
        writer.writerow([row.encoder, row.configuration, row.seeds, *numbers])
    return out.getvalue()


def as_latex(table: PaperTable) -> str:
    """A table for the package booktabs, under a comment for its caption."""
    seeds = sorted({row.seeds for row in table.rows})
    over = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else count(seeds[0] if seeds else 0, "seed")
    lines = [
        f"% Accuracy on {table.split}, %: mean and standard deviation over {over}. Bold: best of a column.",
        "% *: reliably different from plain fine-tuning. Needs the package booktabs.",
    ]
    lines += [rf"\begin{{tabular}}{{ll{'r' * len(table.columns)}}}", r"\toprule"]
    lines += [" & ".join(["encoder", "method", *map(latex_text, table.columns)]) + r" \\", r"\midrule"]
    lines += [" & ".join(_latex_cells(row)) + r" \\" for row in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex_cells(row: PaperRow) -> list[str]:
    cells = []
    for cell in row.cells:
        number, _, sd = cell.text.rstrip("*").partition(" ± ")
        shown = rf"\textbf{{{number}}}" if cell.best else number
        shown += rf" {{\scriptsize $\pm$ {sd}}}" if sd else ""
        cells.append(shown + ("$^{*}$" if cell.reliable else ""))
    return [latex_text(row.encoder), latex_text(row.configuration), *cells]


def latex_text(text: str) -> str:
    """Text that LaTeX prints as it is."""
    names = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(names.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def _number(share: float) -> str:
    return "" if math.isnan(share) else f"{100 * share:.2f}"
