"""The commands that read: list, status, best, report, compare, narrow, cite. They answer at once."""

from pathlib import Path
from typing import Annotated

import typer

from xrt.study.app import LOOK, ResultsOption, RunArgument, app, doubts, opened_run, option, out, summary


@app.command(name="list", rich_help_panel=LOOK)
def list_runs(results: ResultsOption = None) -> None:
    """List the runs in the results folder, each with its answer in short.

    Example: `python -m xrt.study list`
    """
    from xrt.errors import RecordError
    from xrt.findings.findings import findings
    from xrt.record.paths import Results
    from xrt.record.run import Run
    from xrt.study.tables import runs_table

    at = Results.at(results)
    found, damaged = [], list[str]()
    for paths in at.runs():
        try:
            read = findings(Run.of(paths), partly=True)
            damaged += read.damaged
            found.append(read)
        except RecordError as error:
            damaged += error.problems[:1]
    if found:
        out.print(runs_table(found))
    elif not damaged:
        out.print(f"No run in {at.root} yet; start one: python -m xrt.study run mini", soft_wrap=True)
    doubts(damaged)


@app.command(rich_help_panel=LOOK)
def status(
    run: RunArgument,
    results: ResultsOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh it until the run ends.")] = False,
) -> None:
    """Show how far a run is; from another terminal, while it runs.

    Example: `python -m xrt.study status mini --watch`
    """
    from xrt.findings.findings import findings
    from xrt.study.watching import status_of
    from xrt.study.watching import watch as until_end

    opened = opened_run(run, results)
    if watch:
        until_end(opened, results, option(results), out)
    found = findings(opened, partly=True)
    # Sentences and commands are not broken: they are copied.
    tables, lines = status_of(opened, found, option(results))
    out.print(tables, "", lines, sep="\n", soft_wrap=True)
    doubts(found.damaged)


@app.command(rich_help_panel=LOOK)
def best(run: RunArgument, results: ResultsOption = None) -> None:
    """Show the outcome of a run: its best trials, the accuracy matrix of the best, the answer in one sentence.

    Example: `python -m xrt.study best mini`
    """
    summary(opened_run(run, results), results)


@app.command(rich_help_panel=LOOK)
def report(
    run: RunArgument,
    results: ResultsOption = None,
    figures: Annotated[
        Path | None,
        typer.Option(help="Also write every figure to this folder: PDF, SVG, and its data as CSV."),
    ] = None,
) -> None:
    """Write the report of a run (HTML, Markdown) and the table for a paper (CSV, LaTeX) into its folder.

    Example: `python -m xrt.study report mini --figures paper/figures`
    """
    from xrt.findings.findings import findings
    from xrt.report.gallery import write_figures
    from xrt.report.page import write_report

    found = findings(opened := opened_run(run, results), partly=True)
    out.print(f"Written: {write_report(opened, found)}", soft_wrap=True)
    if figures:
        names = write_figures(found, figures)
        out.print(f"Figures in {figures}: {', '.join(names) or 'none yet'}", soft_wrap=True)
    doubts(found.damaged)


@app.command(rich_help_panel=LOOK)
def compare(
    left: RunArgument,
    right: RunArgument,
    results: ResultsOption = None,
) -> None:
    """Compare two runs: how their studies differ, and whether the outcome does.

    Example: `python -m xrt.study compare mini-20260101-120000 mini`
    """
    from xrt.findings.compare import compare as compared
    from xrt.findings.findings import findings
    from xrt.study.tables import comparison_table

    one, other = opened_run(left, results), opened_run(right, results)
    both = findings(one, partly=True), findings(other, partly=True)
    out.print(comparison_table(one, other, compared(*both)))
    doubts(line for found in both for line in found.damaged)


@app.command(rich_help_panel=LOOK)
def narrow(run: RunArgument, results: ResultsOption = None) -> None:
    """Print the next study: the same question, in a space narrowed to the best trials of a run.

    Example: `python -m xrt.study narrow mini`
    """
    from xrt.findings.findings import findings
    from xrt.findings.narrowing import narrow as narrowed

    found = findings(opened_run(run, results), partly=True)
    # Plain text, for a file: a table's lines would be folded.
    print(f"# Around the best trials of {found.meta.name}.\n{narrowed(found).to_yaml()}", end="")
    doubts(found.damaged)


@app.command(rich_help_panel=LOOK)
def cite(run: RunArgument, results: ResultsOption = None) -> None:
    """Print the methods of a run for a paper: a paragraph with all its numbers, and BibTeX of what it used.

    Example: `python -m xrt.study cite mini`
    """
    from xrt.findings.findings import findings
    from xrt.report.citing import bibtex, paragraph

    found = findings(opened_run(run, results), partly=True)
    print(f"{paragraph(found)}\n\n{bibtex(found)}")
    doubts(found.damaged)
