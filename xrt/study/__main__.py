"""The commands: `python -m xrt.study run mini`. Every command does one thing that other floors know how to do.

Exit codes: 0 done; 1 the run ended without a finished trial; 2 bad input; 130 interrupted, can be resumed.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from xrt.errors import XrtError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Which robust training, with which settings, helps a multilingual encoder? A study finds out.\n\n"
    "Start with `python -m xrt.study run mini`: minutes on any laptop, nothing to download.",
)
out, err = Console(highlight=False), Console(stderr=True, highlight=False)

ResultsOption = Annotated[
    Path | None, typer.Option("--results", help="Folder of all runs. [default: ./results, or XRT_RESULTS]")
]
RunArgument = Annotated[str, typer.Argument(help="A run's name; a study's name means its newest run.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override a field: --set search.trials=8. Repeatable.")
]
TrackingOption = Annotated[
    str | None,
    typer.Option(help="Address of MLflow, or `later`. [default: an SQLite store in the results folder]"),
]


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="A study's name (pawsx, xnli, mini) or a YAML file.")],
    overrides: SetOption = None,
    results: ResultsOption = None,
    tracking: TrackingOption = None,
) -> None:
    """Run a study: search, prune, confirm, and record all of it.

    Example: `python -m xrt.study run mini --set search.trials=8`
    """
    from xrt.record.paths import Results
    from xrt.spec import load_study
    from xrt.study.running import start

    spec = load_study(study, overrides or [])
    done = start(spec, Results.at(results), out, tracking)
    summary(done.name, results)


@app.command()
def resume(run: RunArgument, results: ResultsOption = None, tracking: TrackingOption = None) -> None:
    """Go on with a run that was interrupted: finished trials stay, the others continue from their checkpoints.

    Example: `python -m xrt.study resume mini`
    """
    from xrt.record.paths import Results
    from xrt.record.run import Run
    from xrt.spec import load_study
    from xrt.study.running import carry_on

    opened = Run.open(Results.at(results), run)
    spec = load_study(str(opened.paths.spec), [])
    carry_on(opened, spec, out, tracking)
    summary(opened.name, results)


@app.command(name="list")
def list_runs(results: ResultsOption = None) -> None:
    """List the runs in the results folder.

    Example: `python -m xrt.study list`
    """
    from rich.table import Table

    from xrt.record.paths import Results
    from xrt.record.run import Run

    table = Table("run", "status", "trials", "task", box=None, pad_edge=False)
    for paths in Results.at(results).runs():
        opened = Run(paths)
        table.add_row(opened.name, opened.meta.status, str(len(opened.trials())), opened.meta.task)
    out.print(table)


@app.command()
def best(run: RunArgument, results: ResultsOption = None) -> None:
    """Show the best trials of a run, by its own metric on the whole dev split.

    Example: `python -m xrt.study best mini`
    """
    summary(run, results)


@app.command()
def sync(run: RunArgument, results: ResultsOption = None, tracking: TrackingOption = None) -> None:
    """Write a run into MLflow again, from its record alone. What is already there stays; nothing is doubled.

    Example: `python -m xrt.study sync mini`
    """
    from xrt.answers.tracking import sync as project
    from xrt.record.paths import Results
    from xrt.record.run import Run

    opened = Run.open(Results.at(results), run)
    out.print(str(project(opened, tracking or opened.paths.results.tracking_uri)))


@app.command()
def trial(run: RunArgument, id: Annotated[str, typer.Argument(help="A trial's id, as in 0003.")],
          results: ResultsOption = None) -> None:  # fmt: skip
    """Run one trial of a run again, alone in this process, without Ray: for a debugger. Records nothing.

    Example: `python -m xrt.study trial mini 0003`
    """
    from xrt.record.paths import Results
    from xrt.record.run import Run
    from xrt.search.trial import RungReport, run_trial
    from xrt.spec.trial import TrialConfig

    record = Run.open(Results.at(results), run).trial(id)

    def report(rung: RungReport) -> None:
        out.print(f"rung {rung.rung + 1}, step {rung.step}, {rung.share:.0%} of the training")
        for name, value in rung.metrics.items():
            if "/pair/" not in name:
                out.print(f"  {name:32} {value:.4f}")

    run_trial(TrialConfig.from_dict(record.config), report)


@app.command()
def ui(
    results: ResultsOption = None,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open MLflow's pages on the results folder, for this machine only unless asked.

    Example: `python -m xrt.study ui --port 5001`
    """
    from xrt.record.paths import Results

    at = Results.at(results)
    if not at.mlflow_db.exists():
        raise XrtError(f"{at.mlflow_db}: there is no MLflow store yet; run a study or `sync` a run first.")
    out.print(f"MLflow at http://{host}:{port} (Ctrl-C ends it)")
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    command += ["--backend-store-uri", at.tracking_uri, "--default-artifact-root", at.mlartifacts.as_uri()]
    os.execv(sys.executable, command)


def summary(name: str, results: Path | None) -> None:
    """The last words of a run: its best trials, and where to look on."""
    from xrt.answers.table import rows
    from xrt.record.paths import Results
    from xrt.record.run import Run
    from xrt.spec import load_study
    from xrt.study.console import trial_table

    opened = Run.open(Results.at(results), name)
    spec = load_study(str(opened.paths.spec), [])
    out.print(trial_table(rows(opened), spec, top=10))
    out.print(f"\n{opened.name}: {opened.meta.status}. Recorded in {opened.paths.root}")
    out.print("Browse it with: python -m xrt.study ui" + (f" --results {results}" if results else ""))


def main() -> None:
    """Run a command; a user's mistake becomes a few lines and exit code 2."""
    try:
        app()
    except XrtError as error:
        for problem in error.problems:
            err.print(problem, style="red", soft_wrap=True, markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("Interrupted.")
        sys.exit(130)


if __name__ == "__main__":
    main()
