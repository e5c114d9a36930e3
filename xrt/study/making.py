"""The commands that train: run, resume, confirm, trial; and plan, which says what that would cost."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from xrt.errors import RecordError, XrtError
from xrt.study.app import (
    RUN,
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
    from xrt.record.run import Run
    from xrt.spec.study import StudySpec


OriginOption = Annotated[
    str | None,
    typer.Option(
        "--from", help="Repeat this run from its record, in place of STUDY.", autocompletion=run_names
    ),
]
ExtendOption = Annotated[
    str | None,
    typer.Option(
        "--extend",
        help="Add trials to this run, in place of STUDY: with --set search.trials=+24.",
        autocompletion=run_names,
    ),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Continue the newest run of the study, if there is one.")
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", help="A name for the run, in place of the study's: NAME-20260101-120000."),
]


@app.command(rich_help_panel=RUN)
def run(
    study: Annotated[
        str | None,
        typer.Argument(help="A study's name (pawsx, xnli, mini) or a YAML file.", autocompletion=study_names),
    ] = None,
    overrides: SetOption = None,
    results: ResultsOption = None,
    tracking: TrackingOption = None,
    origin: OriginOption = None,
    extended: ExtendOption = None,
    again: ResumeOption = False,
    name: NameOption = None,
) -> None:
    """Run a study: search, prune, confirm, and record all of it.

    Example: `python -m xrt.study run mini --set search.trials=8`

    Repeat a run from its record: `python -m xrt.study run --from mini-20260101-120000`

    Add trials to its search: `python -m xrt.study run --extend mini --set search.trials=+24`

    Start it, or continue it when a batch system sends the job again: `python -m xrt.study run --resume mini`
    """
    from xrt.record.paths import Results, checked
    from xrt.spec import load_study

    if [study, origin, extended].count(None) != 2:
        raise XrtError(
            "run: give a study (run mini), a run to repeat (--from RUN) or a run to extend (--extend RUN)."
        )
    if name:
        checked(name, "--name", longest=120)
    if extended:
        if name:
            raise XrtError("run --extend: a run keeps its name; leave --name out.")
        return _raise_bounds(extended, overrides, results, tracking, search=True)
    before, bounds = _to_repeat(origin, results) if origin else (None, [])
    spec = load_study(study or str(before and before.paths.spec), bounds + (overrides or []))
    if again and (runs := Results.at(results).runs(spec.study, name)):
        newest = opened_run(runs[-1].name, results)
        if newest.meta.status != "finished" or any(trial.outside for trial in newest.trials()):
            return resume(newest.name, results, tracking)
        out.print(f"{newest.name} is finished; `run` without --resume starts another.", soft_wrap=True)
        raise typer.Exit(0)
    # Torch and transformers take ten seconds to load, so mistakes in the study are reported first.
    from xrt.study.running import start

    done = start(spec, Results.at(results), out, tracking, before, name)
    summary(done, results)
    raise typer.Exit(code_of(done))


def _to_repeat(name: str, results: str | None) -> "tuple[Run, list[str]]":
    """A run, and overrides for the bounds that were raised since it began."""
    from xrt.study.bounds import as_overrides
    from xrt.study.running import check_methods

    check_methods(opened := opened_run(name, results))
    return opened, as_overrides(opened)


@app.command(rich_help_panel=RUN)
def resume(run: RunArgument, results: ResultsOption = None, tracking: TrackingOption = None) -> None:
    """Resume a run that was interrupted: finished trials stay, the others continue from their checkpoints.

    Example: `python -m xrt.study resume mini`
    """
    from xrt.study.running import check_methods, resume_run

    opened = opened_run(run, results)
    check_methods(opened)
    if not resume_run(opened, out, tracking or opened.meta.tracking):
        more = f"python -m xrt.study confirm {opened.name}{option(results)} --set confirm.seeds=[5,10]"
        out.print(f"{opened.name} is finished; nothing is left to resume. More seeds: {more}", soft_wrap=True)
        raise typer.Exit(code_of(opened))
    summary(opened, results)
    raise typer.Exit(code_of(opened))


@app.command(rich_help_panel=RUN)
def confirm(
    run: RunArgument,
    overrides: SetOption = None,
    results: ResultsOption = None,
    tracking: TrackingOption = None,
) -> None:
    """Continue the confirmation of a finished run: train more seeds where the verdict is open, none twice.

    Example: `python -m xrt.study confirm mini --set confirm.seeds=[3,4]`
    """
    _raise_bounds(run, overrides, results, tracking, search=False)


def _raise_bounds(
    name: str, overrides: list[str] | None, results: str | None, tracking: str | None, *, search: bool
) -> None:
    """Continue a run with more trials of its search, or with more seeds of its confirmation alone."""
    from xrt.study.bounds import SEEDS, TRIALS, raised
    from xrt.study.running import check_methods, extend

    opened = opened_run(name, results)
    check_methods(opened)
    if search and not any(text.startswith("search.trials") for text in overrides or []):
        raise XrtError("run --extend: search.trials is missing; for 24 more trials: --set search.trials=+24.")
    changes = raised(opened, overrides or [], (TRIALS, SEEDS) if search else (SEEDS,))
    before = len(opened.trials())
    extend(opened, changes, out, tracking or opened.meta.tracking)
    if len(opened.trials()) == before and opened.spec.confirm:
        most = opened.spec.confirm.seeds[1]
        out.print(
            "No training was added: every verdict is decided, or would not become reliable with the seeds allowed. "
            f"To train every configuration with {most} seeds: --set confirm.seeds={most}",
            soft_wrap=True,
        )
    summary(opened, results)
    raise typer.Exit(code_of(opened))


@app.command(rich_help_panel=RUN)
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


@app.command(rich_help_panel=RUN)
def plan(
    study: Annotated[str, typer.Argument(help="A study's name or a YAML file.", autocompletion=study_names)],
    overrides: SetOption = None,
    results: ResultsOption = None,
) -> None:
    """Estimate what a study would do and cost here, without running it. Times some steps of each encoder and method.

    Example: `python -m xrt.study plan mini --set search.trials=100`
    """
    from xrt.record.paths import Results
    from xrt.spec import load_study

    spec = load_study(study, overrides or [])
    # As in `run`, mistakes in the study are reported before torch and transformers are loaded.
    from xrt.search.plan import make_plan
    from xrt.search.timing import timings
    from xrt.study.before import checked_survey
    from xrt.study.console import print_lines
    from xrt.study.planned import plan_table

    survey = checked_survey(spec)
    print_lines(out, survey.dropped)
    print_lines(out, survey.warnings, "yellow")
    runs = Results.at(results).runs(spec.study)
    _as_a_trial(spec)
    with err.status("") as status:  # on a terminal only
        measured = timings(spec, lambda part: status.update(f"timing {part}"))
    out.print(plan_table(spec, make_plan(spec, measured, newest_confirmed(runs))))


def _as_a_trial(spec: "StudySpec") -> None:
    """Give this process the threads of a trial, and a GPU only if the study's trials use one."""
    from xrt.search.packing import cores
    from xrt.search.trial import use_gpu, use_threads

    use_threads(min(spec.resources.cpu, cores()))
    use_gpu(float(spec.resources.gpu != 0))


def newest_confirmed(runs: "Sequence[RunPaths]") -> "Findings | None":
    """The newest of these runs that has a confirmation."""
    from xrt.findings.findings import findings
    from xrt.record.run import Run

    for paths in reversed(runs):
        with suppress(RecordError):
            if (found := findings(Run(paths))).confirmation:
                return found
    return None
