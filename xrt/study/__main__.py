"""The commands: `python -m xrt.study run mini`. Every command does one thing that other floors know how to do.

Exit codes: 0 done; 1 the run ended without a finished trial; 2 bad input; 130 interrupted, can be resumed.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from xrt.errors import XrtError
from xrt.study.output import Output

if TYPE_CHECKING:
    from xrt.record.run import Run

QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}  # what they tell, the trials record

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


@app.command()
def run(
    study: Annotated[
        str | None,
        typer.Argument(help="A study's name (pawsx, xnli, mini) or a YAML file.", autocompletion=study_names),
    ] = None,
    overrides: SetOption = None,
    results: ResultsOption = None,
    tracking: TrackingOption = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from", help="Repeat this run from its record, in place of STUDY.", autocompletion=run_names
        ),
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest run of the study, if there is one.")
    ] = False,
) -> None:
    """Run a study: search, prune, confirm, and record all of it.

    Example: `python -m xrt.study run mini --set search.trials=8`

    Or again, as a run was: `python -m xrt.study run --from mini-20260101-120000`

    Or the same command as often as it takes, in a batch system's job: `python -m xrt.study run --resume mini`
    """
    from xrt.record.paths import Results
    from xrt.spec import load_study
    from xrt.study.running import check_methods, start

    if (study is None) == (origin is None):
        raise XrtError("run: give either a study (run mini) or a run to repeat (run --from RUN).")
    before = opened_run(origin, results) if origin else None
    if before:
        check_methods(before)
    spec = load_study(study or str(before and before.paths.spec), overrides or [])
    if go_on and (runs := Results.at(results).runs(spec.study)):
        if (newest := opened_run(runs[-1].name, results)).meta.status != "finished":
            return resume(newest.name, results, tracking)
        out.print(f"{newest.name} is finished; `run` without --resume starts another.", soft_wrap=True)
        raise typer.Exit(0)
    done = start(spec, Results.at(results), out, tracking, before)
    summary(done, results)
    raise typer.Exit(code_of(done))


@app.command()
def resume(run: RunArgument, results: ResultsOption = None, tracking: TrackingOption = None) -> None:
    """Go on with a run that was interrupted: finished trials stay, the others continue from their checkpoints.

    Example: `python -m xrt.study resume mini`
    """
    from xrt.study.running import carry_on, check_methods

    opened = opened_run(run, results)
    check_methods(opened)
    carry_on(opened, out, tracking or opened.meta.tracking)
    summary(opened, results)
    raise typer.Exit(code_of(opened))


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
            found.append(findings(Run(paths)))
        except RecordError as error:
            damaged += error.problems[:1]
    if found:
        out.print(runs_table(found))
    elif not damaged:
        out.print(f"No run in {at.root} yet; start one: python -m xrt.study run mini", soft_wrap=True)
    for line in damaged:
        out.print(line, style="red", markup=False, soft_wrap=True)


@app.command()
def best(run: RunArgument, results: ResultsOption = None) -> None:
    """Say what a run found: its best trials, the accuracy of the best in every pair, the answer in one sentence.

    Example: `python -m xrt.study best mini`
    """
    summary(opened_run(run, results), results)


@app.command()
def sync(run: RunArgument, results: ResultsOption = None, tracking: TrackingOption = None) -> None:
    """Write a run into MLflow again, from its record alone: its numbers, report and winner. Nothing is doubled.

    Example: `python -m xrt.study sync mini`
    """
    from xrt.report.page import write_report
    from xrt.tracking.registry import deliver
    from xrt.tracking.tracker import Synced
    from xrt.tracking.tracker import sync as project

    opened = opened_run(run, results)
    write_report(opened)
    out.print(str(project(opened, tracking) + Synced(changes=deliver(opened, tracking))))


@app.command()
def trial(run: RunArgument, id: Annotated[str, typer.Argument(help="A trial's id, as in 0003.")],
          results: ResultsOption = None) -> None:  # fmt: skip
    """Run one trial of a run again, alone in this process, without Ray: for a debugger. Records nothing.

    Example: `python -m xrt.study trial mini 0003`
    """
    from xrt.search.trial import RungReport, begin
    from xrt.spec.trial import TrialConfig, check_unchanged
    from xrt.study.console import evaluation_bar

    record = opened_run(run, results).trial(id)
    check_unchanged(record.config)

    with evaluation_bar(err) as watch:
        for at in begin(TrialConfig.from_dict(record.config), watch=watch):
            assert isinstance(at, RungReport), "checkpoints between rungs are for runs"
            out.print(f"rung {at.rung + 1}, step {at.step}, {at.share:.0%} of the training")
            for name, value in at.metrics.items():
                if "/pair/" not in name:
                    out.print(f"  {name:32} {value:.4f}")


@app.command()
def plan(
    study: Annotated[str, typer.Argument(help="A study's name or a YAML file.", autocompletion=study_names)],
    overrides: SetOption = None,
) -> None:
    """Say what a study would do and cost here, without running it. Times a few steps of the first encoder.

    Example: `python -m xrt.study plan mini --set search.trials=100`
    """
    from xrt.search.plan import make_plan
    from xrt.spec import load_study
    from xrt.study.planned import plan_table
    from xrt.study.running import check_before

    spec = load_study(study, overrides or [])
    check_before(spec)
    out.print(plan_table(spec, make_plan(spec)))


@app.command()
def status(run: RunArgument, results: ResultsOption = None) -> None:
    """Show how far a run is; from another terminal, while it runs.

    Example: `python -m xrt.study status mini`
    """
    from xrt.findings.findings import findings
    from xrt.study.tables import confirmed_table, holder_line, progress_line, trial_table

    opened = opened_run(run, results)
    found = findings(opened)
    out.print(trial_table(found.searched, found.spec, top=10))
    if table := confirmed_table(found):
        out.print()
        out.print(table)
    lines = ("", progress_line(found), found.answer.sentence, holder_line(opened, option(results)))
    out.print("\n".join(lines), markup=False, soft_wrap=True)


@app.command()
def report(run: RunArgument, results: ResultsOption = None) -> None:
    """Write the report of a run: one HTML file and its Markdown, in the run's folder.

    Example: `python -m xrt.study report mini`
    """
    from xrt.report.page import write_report

    out.print(f"Written: {write_report(opened_run(run, results))}", soft_wrap=True)


@app.command()
def compare(
    left: RunArgument,
    right: RunArgument,
    results: ResultsOption = None,
) -> None:
    """Compare two runs: what was asked differently, and whether the outcome differs.

    Example: `python -m xrt.study compare mini-20260101-120000 mini`
    """
    from xrt.findings.compare import compare as compared
    from xrt.findings.findings import findings
    from xrt.study.tables import comparison_table

    one, other = opened_run(left, results), opened_run(right, results)
    out.print(comparison_table(one, other, compared(findings(one), findings(other))))


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
    from xrt.tracking.export import export as write
    from xrt.tracking.export import push_to_hub as push

    out.print(f"Written: {write(opened_run(run, results), trial, folder)}", soft_wrap=True)
    if push_to_hub:
        out.print(f"Uploaded: {push(folder, push_to_hub)}", soft_wrap=True)


@app.command()
def ui(
    results: ResultsOption = None,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    cluster: Annotated[
        str | None, typer.Option(help="Of a cluster: the file that `ray up` was given.")
    ] = None,
) -> None:
    """Open MLflow's pages on the results folder, for this machine only unless asked.

    Example: `python -m xrt.study ui --port 5001`
    """
    from xrt.record.paths import Results
    from xrt.tracking.store import tables

    if cluster:
        tunnel(cluster)
    at = Results.at(results)
    if not at.mlflow_db.exists():
        raise XrtError(f"{at.mlflow_db}: there is no MLflow store yet; run a study or `sync` a run first.")
    out.print(f"MLflow at http://{host}:{port} (Ctrl-C ends it)")
    for study, page in tables(at).items():
        out.print(f"  {study}: http://{host}:{port}/{page}", soft_wrap=True, highlight=False)
    # MLflow answers only to these names, so that a page elsewhere cannot reach it through the browser
    known = dict.fromkeys(("localhost", "127.0.0.1", host))
    names = ",".join(
        name + port_ for name in known for port_ in ("", ":*")
    )  # a tunnel may end at another port
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    command += ["--allowed-hosts", names]
    command += ["--backend-store-uri", at.tracking_uri, "--default-artifact-root", at.mlartifacts.as_uri()]
    # jobs are for pages that judge language models: ten processes, and none of them is of use here
    os.execve(sys.executable, command, {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})


def tunnel(cluster: str) -> NoReturn:
    """Become Ray's own ssh tunnel to MLflow on a cluster's head, which listens there on loopback."""
    if not Path(cluster).is_file():
        raise XrtError(f"--cluster: {cluster}: there is no such file; the one that `ray up` was given.")
    out.print("MLflow of the cluster at http://127.0.0.1:5000 (Ctrl-C ends it)")
    ray = str(Path(sys.executable).with_name("ray"))
    os.execv(ray, [ray, "exec", cluster, "--port-forward", "5000", "sleep infinity"])


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

    found = findings(run)
    out.print(trial_table(found.searched, found.spec, top=10))
    out.print(last_words(found, option(results)), crop=False)


def main() -> None:
    """Run a command; a user's mistake becomes a few lines and exit code 2."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # a shell completes by the first word of a line, so there it is the installed script, however it was asked for
    completing = any(word.endswith("-completion") for word in sys.argv[1:2])
    try:
        app(prog_name="xrt" if completing else None)
    except XrtError as error:
        for problem in error.problems:
            _print(problem, style="red")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("Interrupted.")
        sys.exit(130)
    except Exception:  # a mistake of ours; its texts may hold what only the environment should
        _print(traceback.format_exc())
        sys.exit(1)


def _print(text: str, style: str | None = None) -> None:
    """To standard error, without secrets."""
    from xrt.record.environment import redact

    err.print(redact(text), style=style, soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
