"""The commands that train: run, resume, confirm, trial; and plan, which says what that would cost."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from xrt.errors import RecordError, XrtError
from xrt.study.app import (
    ResultsOption,
    RunArgument,
    SetOption,
    TrackingOption,
    app,
    code_of,
    err,
    opened_run,
    option,
    out,
    run_names,
    study_names,
    summary,
)

if TYPE_CHECKING:
    from xrt.findings.findings import Findings
    from xrt.record.paths import RunPaths
    from xrt.spec.study import StudySpec


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
    again: Annotated[
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

    if (study is None) == (origin is None):
        raise XrtError("run: give either a study (run mini) or a run to repeat (run --from RUN).")
    before = opened_run(origin, results) if origin else None
    if before:
        from xrt.study.running import check_methods

        check_methods(before)
    spec = load_study(study or str(before and before.paths.spec), overrides or [])
    if again and (runs := Results.at(results).runs(spec.study)):
        newest = opened_run(runs[-1].name, results)
        if newest.meta.status != "finished" or any(trial.outside for trial in newest.trials()):
            return resume(newest.name, results, tracking)
        out.print(f"{newest.name} is finished; `run` without --resume starts another.", soft_wrap=True)
        raise typer.Exit(0)
    # Torch and transformers take ten seconds to load: a mistake in the study is said before.
    from xrt.study.running import start

    done = start(spec, Results.at(results), out, tracking, before)
    summary(done, results)
    raise typer.Exit(code_of(done))


@app.command()
def resume(run: RunArgument, results: ResultsOption = None, tracking: TrackingOption = None) -> None:
    """Resume a run that was interrupted: finished trials stay, the others continue from their checkpoints.

    Example: `python -m xrt.study resume mini`
    """
    from xrt.study.running import check_methods, go_on

    opened = opened_run(run, results)
    check_methods(opened)
    if not go_on(opened, out, tracking or opened.meta.tracking):
        more = f"python -m xrt.study confirm {opened.name}{option(results)} --set confirm.seeds=[5,10]"
        out.print(f"{opened.name} is finished; nothing is left to resume. More seeds: {more}", soft_wrap=True)
        raise typer.Exit(code_of(opened))
    summary(opened, results)
    raise typer.Exit(code_of(opened))


@app.command()
def confirm(
    run: RunArgument,
    overrides: SetOption = None,
    results: ResultsOption = None,
    tracking: TrackingOption = None,
) -> None:
    """Continue the confirmation of a finished run: more seeds where the verdict is open, none is trained twice.

    Example: `python -m xrt.study confirm mini --set confirm.seeds=[3,4]`
    """
    from xrt.study.running import check_methods, confirm_more

    opened = opened_run(run, results)
    check_methods(opened)
    confirm_more(opened, overrides or [], out, tracking or opened.meta.tracking)
    summary(opened, results)
    raise typer.Exit(code_of(opened))


@app.command()
def trial(run: RunArgument, id: Annotated[str, typer.Argument(help="A trial's id, as in 0003.")],
          results: ResultsOption = None) -> None:  # fmt: skip
    """Run one trial of a run again, alone in this process, without Ray: for a debugger. Records nothing.

    Example: `python -m xrt.study trial mini 0003`
    """
    from xrt.search.trial import RungReport, begin
    from xrt.spec.trial import TrialConfig, check_unchanged
    from xrt.study.console import evaluation_bar

    opened = opened_run(run, results)
    record = opened.trial(id)
    check_unchanged(record.config)
    _as_a_trial(opened.spec)

    with evaluation_bar(err) as watch:
        for at in begin(TrialConfig.from_dict(record.config), watch=watch):
            if not isinstance(at, RungReport):  # a checkpoint, which is for runs
                continue
            out.print(f"rung {at.rung + 1}, step {at.step}, {at.share:.0%} of the training")
            for name, value in at.metrics.items():
                if "/pair/" not in name:
                    out.print(f"  {name:32} {value:.4f}")


@app.command()
def plan(
    study: Annotated[str, typer.Argument(help="A study's name or a YAML file.", autocompletion=study_names)],
    overrides: SetOption = None,
    results: ResultsOption = None,
) -> None:
    """Say what a study would do and cost here, without running it. Times some steps of each encoder and method.

    Example: `python -m xrt.study plan mini --set search.trials=100`
    """
    from xrt.record.paths import Results
    from xrt.search.plan import make_plan
    from xrt.search.timing import timings
    from xrt.spec import load_study
    from xrt.study.before import check_before
    from xrt.study.planned import plan_table

    spec = load_study(study, overrides or [])
    check_before(spec)
    runs = Results.at(results).runs(spec.study)
    _as_a_trial(spec)
    with err.status("") as status:  # on a terminal only
        measured = timings(spec, lambda what: status.update(f"timing {what}"))
    out.print(plan_table(spec, make_plan(spec, measured, earlier(runs))))


def _as_a_trial(spec: "StudySpec") -> None:
    """This process computes with the threads of a trial, and on a GPU only if trials of the study do."""
    from xrt.search.packing import cores
    from xrt.search.trial import use_gpu, use_threads

    use_threads(min(spec.resources.cpu, cores()))
    use_gpu(float(spec.resources.gpu != 0))


def earlier(runs: "Sequence[RunPaths]") -> "Findings | None":
    """The newest of these runs that has a confirmation."""
    from xrt.findings.findings import findings
    from xrt.record.run import Run

    for paths in reversed(runs):
        with suppress(RecordError):
            if (found := findings(Run(paths))).confirmation:
                return found
    return None
