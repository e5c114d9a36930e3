"""What the commands share: the application, its options, opening a run, and the summary at a run's end."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from xrt.study.output import Output

if TYPE_CHECKING:
    from xrt.record.run import Run

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Which robust training, with which settings, helps a multilingual encoder? A study finds out.\n\n"
    "Start with `python -m xrt.study run mini`: minutes on any laptop, nothing to download.",
)
out, err = Output(), Output("stderr")
# The groups of `--help`.
RUN, LOOK, SHARE, CLUSTER = "Run a study", "Look at a run", "Share it", "On other machines"
ORDER = "Keep runs in order"


def _print_version(wanted: bool) -> None:
    if wanted:
        import xrt

        out.print(f"xrt {xrt.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def study_names(incomplete: str) -> list[str]:
    """For the shell's completion."""
    from xrt.spec.loading import known_studies

    return [name for name in known_studies() if name.startswith(incomplete)]


def run_names(incomplete: str) -> list[str]:
    """For the shell's completion: studies that have a run, and runs, newest first."""
    from xrt.record.paths import Results

    at = Results.at()
    names = [*at.studies(), *(paths.name for paths in reversed(at.runs()))]
    return [name for name in names if name.startswith(incomplete)]


ResultsOption = Annotated[
    str | None,
    typer.Option(
        "--results", help="Folder of all runs, or s3://bucket/path. [default: ./results, or XRT_RESULTS]"
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        help="A run's name; a study's name, or one given by --name, means its newest run.",
        autocompletion=run_names,
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override a field: --set search.trials=8. Repeatable.")
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        envvar="XRT_TRACKING",
        help="Address of MLflow, or `later`. [default: an SQLite store in the results folder]",
    ),
]


def opened_run(name: str, results: str | None) -> "Run":
    """The run of that name, or the newest run of the study of that name."""
    from xrt.record.paths import Results
    from xrt.record.run import Run

    return Run.open(Results.at(results), name)


def code_of(run: "Run") -> int:
    """0 when a trial of the run has finished, else 1."""
    from xrt.findings.findings import findings

    return 0 if any(trial.state == "finished" for trial in findings(run).trials) else 1


def option(results: str | None) -> str:
    """`--results` as it was given, for the commands that are printed."""
    return f" --results {results}" if results else ""


def summary(run: "Run", results: str | None) -> None:
    """Print the outcome of a run: its best trials, its configurations, its answer, and where to read more."""
    from xrt.findings.findings import findings
    from xrt.study.tables import last_words, trial_table

    found = findings(run, partly=True)
    out.print(trial_table(found.searched, found.spec, top=10))
    out.print(last_words(found, option(results)), crop=False)
    doubts(found.damaged)


def doubts(lines: Iterable[str]) -> None:
    """Print the damaged files of a record, below what the rest says."""
    for line in lines:
        err.print(line, style="red", soft_wrap=True)
