"""The table of a paper: true to the findings, as CSV and as LaTeX that compiles."""

import csv
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.findings.findings import Findings, findings
from xrt.findings.statistics import Estimate
from xrt.report.page import write_report
from xrt.report.paper import Cell, PaperRow, PaperTable, as_csv, as_latex, paper_table
from xrt.spec.metric import MEANS, Metric

ODD = r"a_b & 5 % \ #{x}~^$"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    run = worked.make(tmp_path_factory.mktemp("results"))
    worked.search(run)
    worked.confirm(run)
    write_report(run)
    return findings(run)


def table_of(found: Findings) -> PaperTable:
    table = paper_table(found)
    assert table is not None
    return table


def test_an_arm_is_a_row_and_languages_and_means_are_columns(found: Findings) -> None:
    table = table_of(found)
    assert table.split == "test"
    means = [mean.words for name, mean in MEANS.items() if name not in ("sources", "all")]
    assert table.columns == (*worked.TASK.languages, *means)
    methods = [row.configuration.split()[0] for row in table.rows]
    assert methods == ["plain", "adversarial", "noise", "synonyms"]
    assert {row.seeds for row in table.rows} == {5}


def test_a_cell_is_the_arms_accuracy_the_best_of_a_column_is_marked_and_so_is_a_reliable_claim(
    found: Findings,
) -> None:
    table, confirmed = table_of(found), found.confirmation
    assert confirmed is not None
    place = table.columns.index("mixed pairs")
    for row, arm in zip(table.rows, confirmed.candidates.best, strict=True):
        assert row.cells[place].accuracy == confirmed.accuracy(arm, Metric("mean", "mixed"))
    for column in range(len(table.columns)):
        cells = [row.cells[column] for row in table.rows]
        assert [cell.best for cell in cells].count(True) >= 1
        assert max(cells, key=lambda cell: cell.accuracy.mean).best
    marked = {
        (row.configuration.split()[0], table.columns[i])
        for row in table.rows
        for i, cell in enumerate(row.cells)
        if cell.reliable
    }
    claims = {(c.arm.name, c.metric.words) for c in confirmed.claims if c.verdict in ("better", "worse")}
    assert marked == claims and ("adversarial", "mixed pairs") in claims


def test_the_csv_has_numbers_in_percent_and_the_marks_in_columns_of_their_own(found: Findings) -> None:
    table = table_of(found)
    read = list(csv.DictReader(io.StringIO(found.paths.table_csv.read_text("utf-8"))))
    assert [row["configuration"] for row in read] == [row.configuration for row in table.rows]
    for row, written in zip(table.rows, read, strict=True):
        for column, cell in zip(table.columns, row.cells, strict=True):
            assert float(written[f"{column}: mean"]) == pytest.approx(100 * cell.accuracy.mean, abs=0.005)
            assert float(written[f"{column}: sd"]) == pytest.approx(100 * cell.accuracy.sd, abs=0.005)
            assert written[f"{column}: reliable"] == str(int(cell.reliable))


def test_every_latex_row_has_a_cell_for_every_column_and_the_marks(found: Findings) -> None:
    text = found.paths.table_latex.read_text("utf-8")
    table = table_of(found)
    assert text == as_latex(table)
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 1 + len(table.rows)
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {1 + len(table.columns)}
    cells = [cell for row in table.rows for cell in row.cells]
    assert text.count(r"\textbf{") == sum(cell.best for cell in cells)
    assert text.count("$^{*}$") == sum(cell.reliable for cell in cells)


def test_the_best_of_a_column_is_bold_unless_all_print_the_same_number(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    worked.search(run)
    worked.confirm(run)
    for trial in run.trials():
        if trial.phase == "confirm":
            metrics = dict(trial.reports[0].metrics) | {"test/acc/ja": 0.5, "test/acc/ko": 0.5}
            metrics["test/acc/ko"] += 0.1 if trial.configuration.startswith("0004") else 0.0
            run.save(replace(trial, reports=(replace(trial.reports[0], metrics=metrics),), checkpoint=None))
    table = paper_table(findings(run))
    assert table
    bold = {column: [row.cells[i].best for row in table.rows] for i, column in enumerate(table.columns)}
    assert not any(bold["ja"]) and [row.seeds for row in table.rows] == [5] * len(table.rows)
    assert [row.configuration for row, best in zip(table.rows, bold["ko"], strict=True) if best] == [
        row.configuration for row in table.rows if row.configuration.startswith("adversarial")
    ]
    assert as_latex(table).startswith(
        "% Accuracy on test, %: mean and standard deviation over 5 seeds. Bold: "
    )


def test_no_name_breaks_the_latex_and_an_unknown_number_is_an_empty_cell() -> None:
    cells = (
        Cell(Estimate(0.5), best=True, reliable=True),
        Cell(Estimate(math.nan), best=False, reliable=False),
    )
    text = as_latex(PaperTable("test", (ODD, "x"), (PaperRow(ODD, ODD, 1, cells),)))
    escaped = r"a\_b \& 5 \% \textbackslash{} \#\{x\}\textasciitilde{}\textasciicircum{}\$"
    assert text.count(escaped) == 3
    assert rf"{escaped} & {escaped} & \textbf{{50.0}}$^{{*}}$ &  \\" in text
    read = list(
        csv.reader(io.StringIO(as_csv(PaperTable("test", (ODD, "x"), (PaperRow(ODD, ODD, 1, cells),)))))
    )
    assert read[1] == [ODD, ODD, "1", "50.00", "", "1", "", "", "0"]


def test_without_a_confirmation_there_is_no_table(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    worked.search(run)
    write_report(run)
    assert paper_table(findings(run)) is None and not run.paths.table_csv.exists()
