"""The commands that read: list, status, best, report, compare. They answer at once, whatever runs meanwhile."""

from xrt.study.app import ResultsOption, RunArgument, app, doubts, opened_run, option, out, summary


@app.command(name="list")
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
            one = findings(Run.of(paths), partly=True)
            damaged += one.damaged
            found.append(one)
        except RecordError as error:
            damaged += error.problems[:1]
    if found:
        out.print(runs_table(found))
    elif not damaged:
        out.print(f"No run in {at.root} yet; start one: python -m xrt.study run mini", soft_wrap=True)
    doubts(damaged)


@app.command()
def status(run: RunArgument, results: ResultsOption = None) -> None:
    """Show how far a run is; from another terminal, while it runs.

    Example: `python -m xrt.study status mini`
    """
    from xrt.findings.findings import findings
    from xrt.study.tables import confirmed_table, holder_line, progress_line, trial_table

    opened = opened_run(run, results)
    found = findings(opened, partly=True)
    out.print(trial_table(found.searched, found.spec, top=10))
    if table := confirmed_table(found):
        out.print()
        out.print(table)
    lines = ("", progress_line(found), found.answer.sentence, holder_line(opened, option(results)))
    out.print("\n".join(lines), markup=False, soft_wrap=True)
    doubts(found.damaged)


@app.command()
def best(run: RunArgument, results: ResultsOption = None) -> None:
    """Say what a run found: its best trials, the accuracy of the best in every pair, the answer in one sentence.

    Example: `python -m xrt.study best mini`
    """
    summary(opened_run(run, results), results)


@app.command()
def report(run: RunArgument, results: ResultsOption = None) -> None:
    """Write the report of a run: one HTML file and its Markdown, in the run's folder.

    Example: `python -m xrt.study report mini`
    """
    from xrt.findings.findings import findings
    from xrt.report.page import write_report

    found = findings(opened := opened_run(run, results), partly=True)
    out.print(f"Written: {write_report(opened, found)}", soft_wrap=True)
    doubts(found.damaged)


@app.command()
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
