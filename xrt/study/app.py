"""What the commands share: the application, its options, how a run is found, and the last words of a run."""

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
    typer.Argument(help="A run's name; a study's name means its newest run.", autocompletion=run_names),
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
    """The run of that name, or the newest of the study of that name."""
    from xrt.record.paths import Results
    from xrt.record.run import Run

    return Run.open(Results.at(results), name)


def code_of(run: "Run") -> int:
    """0 when the run has an answer, 1 when no trial was trained to its end."""
    from xrt.findings.findings import findings

    return 0 if any(trial.state == "finished" for trial in findings(run).trials) else 1


def option(results: str | None) -> str:
    """`--results` as it was given, for the commands that are printed."""
    return f" --results {results}" if results else ""


def summary(run: "Run", results: str | None) -> None:
    """The last words of a run: its best trials, its configurations, its answer, where to look on."""
    from xrt.findings.findings import findings
    from xrt.study.tables import last_words, trial_table

    found = findings(run, partly=True)
    out.print(trial_table(found.searched, found.spec, top=10))
    out.print(last_words(found, option(results)), crop=False)
    doubts(found.damaged)


def doubts(lines: Iterable[str]) -> None:
    """What of a record cannot be believed, below what the rest says."""
    for line in lines:
        err.print(line, style="red", soft_wrap=True)
