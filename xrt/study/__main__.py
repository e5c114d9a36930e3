"""The commands: `python -m xrt.study run mini`. Every command does one thing that other floors know how to do.

Exit codes: 0 done; 1 the run ended without a finished trial; 2 bad input; 130 interrupted, can be resumed.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from xrt.errors import XrtError

if TYPE_CHECKING:
    from xrt.record.run import Run

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
    raise typer.Exit(code_of(done))


@app.command()
def resume(run: RunArgument, results: ResultsOption = None, tracking: TrackingOption = None) -> None:
    """Go on with a run that was interrupted: finished trials stay, the others continue from their checkpoints.

    Example: `python -m xrt.study resume mini`
    """
    from xrt.spec import load_study
    from xrt.study.running import carry_on

    opened = opened_run(run, results)
    spec = load_study(str(opened.paths.spec), [])
    carry_on(opened, spec, out, tracking)
    summary(opened.name, results)
    raise typer.Exit(code_of(opened))


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
    """Say what a run found, in one sentence, and show its best trials.

    Example: `python -m xrt.study best mini`
    """
    summary(run, results)


@app.command()
def sync(run: RunArgument, results: ResultsOption = None, tracking: TrackingOption = None) -> None:
    """Write a run into MLflow again, from its record alone. What is already there stays; nothing is doubled.

    Example: `python -m xrt.study sync mini`
    """
    from xrt.answers.tracking import sync as project

    opened = opened_run(run, results)
    out.print(str(project(opened, tracking or opened.paths.results.tracking_uri)))


@app.command()
def trial(run: RunArgument, id: Annotated[str, typer.Argument(help="A trial's id, as in 0003.")],
          results: ResultsOption = None) -> None:  # fmt: skip
    """Run one trial of a run again, alone in this process, without Ray: for a debugger. Records nothing.

    Example: `python -m xrt.study trial mini 0003`
    """
    from xrt.search.trial import RungReport, run_trial
    from xrt.spec.trial import TrialConfig
    from xrt.study.console import evaluation_bar

    record = opened_run(run, results).trial(id)

    def report(rung: RungReport) -> None:
        out.print(f"rung {rung.rung + 1}, step {rung.step}, {rung.share:.0%} of the training")
        for name, value in rung.metrics.items():
            if "/pair/" not in name:
                out.print(f"  {name:32} {value:.4f}")

    with evaluation_bar(err) as watch:
        run_trial(TrialConfig.from_dict(record.config), report, watch=watch)


@app.command()
def plan(
    study: Annotated[str, typer.Argument(help="A study's name or a YAML file.")], overrides: SetOption = None
) -> None:
    """Say what a study would do and cost here, without running it. Times a few steps of the first encoder.

    Example: `python -m xrt.study plan mini --set search.trials=100`
    """
    from xrt.search.plan import make_plan
    from xrt.spec import load_study
    from xrt.study.console import plan_table
    from xrt.study.running import check_before

    spec = load_study(study, overrides or [])
    check_before(spec)
    out.print(plan_table(spec, make_plan(spec)))


@app.command()
def status(run: RunArgument, results: ResultsOption = None) -> None:
    """Show how far a run is; from another terminal, while it runs.

    Example: `python -m xrt.study status mini`
    """
    from xrt.study.console import holder_line

    opened = opened_run(run, results)
    summary(opened.name, results)
    out.print(holder_line(opened))


@app.command()
def report(run: RunArgument, results: ResultsOption = None) -> None:
    """Write the report of a run: one HTML file and its Markdown, in the run's folder.

    Example: `python -m xrt.study report mini`
    """
    from xrt.answers.report import write_report

    out.print(f"Written: {write_report(opened_run(run, results))}", soft_wrap=True)


@app.command()
def compare(
    left: Annotated[str, typer.Argument(help="A run, or a study for its newest.")],
    right: Annotated[str, typer.Argument(help="The run to compare it with.")],
    results: ResultsOption = None,
) -> None:
    """Compare two runs: what was asked differently, and whether the outcome differs.

    Example: `python -m xrt.study compare mini-20260101-120000 mini`
    """
    from xrt.answers.compare import compare as compared
    from xrt.study.console import comparison_table

    one, other = opened_run(left, results), opened_run(right, results)
    out.print(comparison_table(one, other, compared(one, other)))


@app.command()
def export(
    run: RunArgument,
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    trial: Annotated[str | None, typer.Option(help="A trial's id. [default: the winner]")] = None,
    push_to_hub: Annotated[str | None, typer.Option(help="Also upload it under this name.")] = None,
    results: ResultsOption = None,
) -> None:
    """Write a trained encoder as a transformers folder with a model card.

    Example: `python -m xrt.study export mini build/winner`
    """
    from xrt.answers.export import export as write
    from xrt.answers.export import push_to_hub as push

    out.print(f"Written: {write(opened_run(run, results), trial, folder)}", soft_wrap=True)
    if push_to_hub:
        out.print(f"Uploaded: {push(folder, push_to_hub)}", soft_wrap=True)


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


def opened_run(name: str, results: Path | None) -> "Run":
    """The run of that name, or the newest of the study of that name."""
    from xrt.record.paths import Results
    from xrt.record.run import Run

    return Run.open(Results.at(results), name)


def code_of(run: "Run") -> int:
    """0 when the run has an answer, 1 when no trial was trained to its end."""
    return 0 if any(trial.state == "finished" for trial in run.trials()) else 1


def summary(name: str, results: Path | None) -> None:
    """The last words of a run: its best trials, and where to look on."""
    from xrt.answers.confirmed import confirmation
    from xrt.answers.table import rows
    from xrt.answers.wording import answer
    from xrt.spec import load_study
    from xrt.study.console import trial_table

    opened = opened_run(name, results)
    spec = load_study(str(opened.paths.spec), [])
    out.print(trial_table(rows(opened), spec, top=10))
    out.print(f"\n{answer(opened, confirmation(opened)).sentence}")
    out.print(f"{opened.name}: {opened.meta.status}. Recorded in {opened.paths.root}", soft_wrap=True)
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
