"""A run from start to end: record, search, confirmation, tracking and screen, joined here and nowhere else."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console

from xrt.errors import SpecError, XrtError
from xrt.findings.compare import changed
from xrt.findings.confirming import wanted
from xrt.findings.findings import findings
from xrt.record.environment import redact
from xrt.record.listeners import tell
from xrt.record.paths import Results
from xrt.record.run import Listener, Run
from xrt.record.witnesses import lost
from xrt.report.page import write_report
from xrt.spec.overrides import read_override
from xrt.spec.sections import checked_seeds
from xrt.spec.study import StudySpec
from xrt.spec.trial import check_unchanged
from xrt.study.before import check_same, digests, looked_at
from xrt.study.console import OVER, Screen
from xrt.tracking.registry import deliver
from xrt.tracking.tracker import Tracker, known_trials
from xrt.tracking.tracker import check as check_tracking

LATER = "later"  # as an address of MLflow: write nothing there now; `sync` does it from the record


class Interrupted(XrtError):
    """The user ended a run with Ctrl-C; the message says how to go on."""

    exit_code = 130


def check_methods(run: Run) -> None:
    """Refuse a run to repeat or resume, some of whose methods mean something else by now.

    Raises:
        SpecError: one line for each.
    """
    problems: dict[str, None] = {}
    for trial in run.trials():
        try:
            check_unchanged(trial.config)
        except SpecError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise SpecError(list(problems))


def start(
    spec: StudySpec, results: Results, console: Console, tracking: str | None, origin: Run | None = None
) -> Run:
    """Make a new run of a study and carry it through.

    Args:
        origin: The run that it repeats, if it does; what has changed since is said.
    """
    from xrt.robust.weights import size_of
    from xrt.search.disk import check_disk

    data, dropped, warnings = looked_at(spec)
    rows = {part.split: part.rows for part in data}
    room = check_disk(spec, results.root, max(size_of(name) for name in spec.space.encoders), rows)
    if tracking != LATER:
        check_tracking(results, tracking)  # last: it makes the results folder
    for line in [room, *dropped]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in warnings:
        console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    notes = {"tracking": tracking, "dropped": dropped, "warnings": warnings, "encoders": digests(spec)}
    run = Run.create(results, spec, data, notes | ({"repeats": origin.name} if origin else {}))
    if origin:
        for name, then, now in changed(findings(origin), findings(run)):
            line = f"Not as in {origin.name}: {name}: {then}, now {now}."
            console.print(line, markup=False, soft_wrap=True)
    carry_on(run, console, tracking)
    return run


def go_on(run: Run, console: Console, tracking: str | None) -> bool:
    """Resume a run; returns whether anything was left to do. A finished run is not touched.

    Raises:
        XrtError: the data are not those that the run began with, or cannot be used.
    """
    found, missing = findings(run), _lost(run, tracking)
    begun = (
        all(trial.state in OVER for trial in found.searched) and len(found.searched) >= run.spec.search.trials
    )
    if found.meta.status == "finished" and begun and not (missing or found.outside or wanted(run)):
        return False
    check_same(run)
    for line in [*missing, *(f"{t.id}: failed ({t.reason}); it is trained again." for t in found.outside)]:
        console.print(line, style="yellow", markup=False, soft_wrap=True)
    with run.hold():
        for trial in run.trials():
            if trial.outside:
                run.save(trial.closed("stopped", time.time(), trial.reason))
    carry_on(run, console, tracking)
    return True


def _lost(run: Run, tracking: str | None) -> list[str]:
    """A line for each trial whose record is gone, while its files, Optuna's journal or MLflow know of it."""
    from xrt.search.journal import known_trials as in_journal

    known, found = {trial.id for trial in run.trials()}, lost(run, remote=True)
    in_mlflow = set() if tracking == LATER else known_trials(run, tracking)
    for who, ids in (("Optuna's journal", in_journal(run)), ("MLflow", in_mlflow)):
        found |= {id: f"{who} has it" for id in ids - known - found.keys()}
    return [
        f"{run.paths.trial(id)}: is gone, although {who}: trial {id} is trained again where it is needed."
        for id, who in sorted(found.items())
    ]


def confirm_more(run: Run, overrides: Sequence[str], console: Console, tracking: str | None) -> None:
    """Raise the bounds of a run's confirmation and continue it.

    Raises:
        SpecError: an override is not of confirm.seeds, or the study has no confirmation.
    """
    if run.spec.confirm is None:
        raise SpecError(f"{run.name}: the study has no confirmation (confirm: null); run it with one.")
    bounds = run.meta.seeds or run.spec.confirm.seeds
    for override in map(read_override, overrides):
        if override.field != ("confirm", "seeds"):
            raise SpecError(
                f"--set: {'.'.join(override.field)}: is fixed in a run; only confirm.seeds can change."
            )
        bounds = checked_seeds(override.value)
    check_same(run)
    for line in _lost(run, tracking):
        console.print(line, style="yellow", markup=False, soft_wrap=True)
    with run.hold():
        run.update_meta(seeds=bounds)
    carry_on(run, console, tracking)


def carry_on(run: Run, console: Console, tracking: str | None) -> None:
    """Search what is left to search, confirm what is left to confirm; Ctrl-C leaves a run that can be resumed."""

    def warn(text: str) -> None:
        console.print(text, style="yellow", markup=False, soft_wrap=True)

    spec = run.spec
    tracker = None if tracking == LATER else Tracker(run, tracking, warn=warn)
    with run.hold(), _terminable(), Screen(spec, console) as screen:
        listeners: list[Listener] = [screen, *([tracker] if tracker else [])]
        run.update_meta(status="running", ended=None, waiting=None)
        tell(listeners, "run_started", run)
        with _ended(run, listeners):
            for problem in _search_and_confirm(run, spec, listeners, screen):
                warn(problem)
        with console.status("Writing the report; registering the winner in MLflow"):
            write_report(run)
            if tracker and tracker.remedy is None:  # else MLflow is away, and that has been said
                _deliver(run, tracking, warn)


def _deliver(run: Run, tracking: str | None, warn: Callable[[str], None]) -> None:
    """Report and winner into MLflow; the run has its answer whatever becomes of that."""
    try:
        deliver(run, tracking)
    except Exception as error:  # whatever a store, a network or a full disk raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        again = run.command("sync") + (f" --tracking {tracking}" if tracking else "")
        warn(redact(f"MLflow lacks the report or the winner's model ({first[:200]}); `{again}` sends them."))


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM (a batch system, a machine that is taken away) and a closed terminal end a run as Ctrl-C does."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _search_and_confirm(run: Run, spec: StudySpec, listeners: list[Listener], screen: Screen) -> list[str]:
    """Returns what went wrong beside the trials."""
    from xrt.search.probing import Probing
    from xrt.search.tuning import confirm, search

    probing = Probing.begin(run, spec, spec.space.encoders)
    search(run, spec, listeners)
    problems = probing.collect()
    while more := wanted(run):
        screen.confirming = sum(
            t.phase == "confirm" and t.state in OVER for t in screen.trials.values()
        ) + len(more)
        confirm(run, spec, more, listeners)
    return problems


@contextlib.contextmanager
def _ended(run: Run, listeners: list[Listener]) -> Iterator[None]:
    """Writes how the run ended, whatever happened, and tells the listeners."""
    status = "failed"
    try:
        yield
        status = "finished"
    except KeyboardInterrupt:
        status = "stopped"
        raise Interrupted(f"Interrupted. Nothing is lost; go on with: {run.command('resume')}") from None
    finally:
        for trial in run.trials():
            if trial.state in ("running", "pending"):
                run.save(trial.closed("stopped", time.time()))
        # Whoever adds trials to a finished run may have been led by its verdicts.
        seen = run.meta.seen + (status == "finished")
        run.update_meta(status=status, ended=time.time(), seen=seen)
        tell(listeners, "run_ended", run)
