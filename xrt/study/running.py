"""A run from start to end: record, search, confirmation, tracking and screen, joined here and nowhere else."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from rich.console import Console

from xrt.errors import SpecError, XrtError
from xrt.findings.compare import changed
from xrt.findings.confirming import wanted
from xrt.findings.findings import findings
from xrt.record.environment import redact
from xrt.record.listeners import tell
from xrt.record.paths import Results
from xrt.record.run import Listener, Run
from xrt.record.values import OVER
from xrt.record.witnesses import lost
from xrt.report.page import write_report
from xrt.spec.study import StudySpec
from xrt.spec.trial import check_unchanged
from xrt.study.before import check_same, checked_survey, digests
from xrt.study.console import Screen, print_lines
from xrt.tracking.moved import settle
from xrt.tracking.registry import deliver
from xrt.tracking.tracker import Tracker, known_trials
from xrt.tracking.tracker import check as check_tracking

LATER = (
    "later"  # in place of MLflow's address: write nothing to MLflow now; `sync` does it later from the record
)


class Interrupted(XrtError):
    """The user ended a run with Ctrl-C; the message says how to resume it."""

    exit_code = 130


def check_methods(run: Run) -> None:
    """Refuse to repeat or resume a run if the meaning of one of its methods has changed since.

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
    spec: StudySpec,
    results: Results,
    console: Console,
    tracking: str | None,
    origin: Run | None = None,
    name: str | None = None,
) -> Run:
    """Make a new run of a study and carry it through.

    Args:
        origin: The run that it repeats, if any; differences from that run are printed.
        name: The start of the run's name, before its time; None: the study's name.
    """
    from xrt.robust.weights import size_of
    from xrt.search.disk import check_disk
    from xrt.search.earlier import earlier, summary

    if console.is_terminal:
        console.print("Looking at data and encoders", style="dim")
    data, dropped, warnings = checked_survey(spec)
    rows = {part.split: part.rows for part in data}
    room = check_disk(spec, results.root, max(size_of(name) for name in spec.space.encoders), rows)
    after = earlier(spec, data, results, origin)
    settle(results, tracking, partial(console.print, markup=False, soft_wrap=True))
    if tracking != LATER:
        check_tracking(results, tracking)  # last: it makes the results folder
    print_lines(console, [room, *dropped, *([summary(after)] if after else [])])
    print_lines(console, warnings, "yellow")
    notes = {
        "tracking": tracking, "dropped": dropped, "warnings": warnings, "encoders": digests(spec), "after": after,
        "repeats": origin and origin.name,
    }  # fmt: skip
    run = Run.create(results, spec, data, notes, name)
    if origin:
        for name, then, now in changed(findings(origin), findings(run)):
            line = f"Changed since {origin.name}: {name}: {then}, now {now}."
            print_lines(console, [line])
    complete(run, console, tracking)
    return run


def resume_run(run: Run, console: Console, tracking: str | None) -> bool:
    """Resume a run; returns whether anything was left to do. A finished run is not touched.

    Raises:
        XrtError: the data are not those that the run began with, or cannot be used.
    """
    from xrt.search import checkpoints

    run.refuse_if_held()
    settle(run.paths.results, tracking, partial(console.print, markup=False, soft_wrap=True))
    found, missing = findings(run), _lost(run, tracking)
    incomplete = checkpoints.incomplete(run.paths, run.spec, found.trials)
    missing += [f"{t.id}: some of its files are missing; it is trained again." for t in incomplete]
    begun = (
        all(trial.state in OVER for trial in found.searched) and len(found.searched) >= run.spec.search.trials
    )
    if found.meta.status == "finished" and begun and not (missing or found.outside or wanted(run)):
        return False
    check_same(run)
    failed = [f"{t.id}: failed ({t.reason}); it is trained again." for t in found.outside]
    print_lines(console, [*missing, *failed], "yellow")
    with run.hold():
        for trial in run.trials():
            if trial.outside or trial in incomplete:
                run.save(trial.closed("stopped", time.time(), trial.reason))
        for trial in incomplete:
            checkpoints.keep_newest(run.paths, trial.id, 0)
    complete(run, console, tracking)
    return True


def _lost(run: Run, tracking: str | None) -> list[str]:
    """A line for each trial that has lost its record but is known to its files, Optuna's journal or MLflow."""
    from xrt.search.journal import known_trials as in_journal

    known, found = {trial.id for trial in run.trials()}, lost(run, remote=True)
    in_mlflow = known_trials(run, None if tracking == LATER else tracking)
    for who, ids in (("Optuna's journal", in_journal(run)), ("MLflow", in_mlflow)):
        found |= {id: f"{who} has it" for id in ids - known - found.keys()}
    return [
        f"{run.paths.trial(id)}: is missing, although {trace}: trial {id} is trained again if it is needed."
        for id, trace in sorted(found.items())
    ]


def extend(run: Run, changes: Mapping[str, Any], console: Console, tracking: str | None) -> None:
    """Raise bounds of a run, see `xrt.study.bounds`, and continue its search and its confirmation.

    Raises:
        XrtError: the data are not those that the run began with, or cannot be used.
    """
    run.refuse_if_held()
    check_same(run)
    settle(run.paths.results, tracking, partial(console.print, markup=False, soft_wrap=True))
    print_lines(console, _lost(run, tracking), "yellow")
    with run.hold():
        run.update_meta(**changes)
    complete(run, console, tracking)


def complete(run: Run, console: Console, tracking: str | None) -> None:
    """Complete the search, then the confirmation; Ctrl-C leaves a run that can be resumed."""

    def warn(text: str) -> None:
        print_lines(console, [text], "yellow")

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
            # Else MLflow cannot be reached, and the user has been warned.
            if tracker and tracker.remedy is None:
                _deliver(run, tracking, warn)


def _deliver(run: Run, tracking: str | None, warn: Callable[[str], None]) -> None:
    """Send report and winner to MLflow; a failure is a warning, because the run already has its answer."""
    try:
        deliver(run, tracking, warn)
    except Exception as error:  # whatever a store, a network or a full disk raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        again = run.command("sync") + (f" --tracking {tracking}" if tracking else "")
        warn(redact(f"MLflow lacks the report or the winner's model ({first[:200]}); `{again}` sends them."))


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM (a batch system, a reclaimed machine) and a closed terminal end a run as Ctrl-C does."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _search_and_confirm(run: Run, spec: StudySpec, listeners: list[Listener], screen: Screen) -> list[str]:
    """Run search and confirmation; returns the problems that are not a trial's, one line each."""
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
    """Record how the run ended, whatever happened, and notify the listeners."""
    status = "failed"
    try:
        yield
        status = "finished"
    except KeyboardInterrupt:
        status = "stopped"
        raise Interrupted(f"Interrupted. Nothing is lost; resume with: {run.command('resume')}") from None
    finally:
        for trial in run.trials():
            if trial.state in ("running", "pending"):
                run.save(trial.closed("stopped", time.time()))
        # Verdicts that were seen may have led somebody to add trials: the answer then says so.
        seen = run.meta.seen + (status == "finished")
        run.update_meta(status=status, ended=time.time(), seen=seen)
        tell(listeners, "run_ended", run)
