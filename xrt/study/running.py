"""A run from start to end: record, search, confirmation, tracking and screen, joined here and nowhere else."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from xrt.data import Aligned, Split, check, load
from xrt.data.problems import joined
from xrt.data.tokens import unknown_share
from xrt.errors import SpecError, XrtError
from xrt.findings.compare import changed
from xrt.findings.confirming import wanted
from xrt.findings.findings import findings
from xrt.record.environment import redact
from xrt.record.listeners import tell
from xrt.record.paths import Results
from xrt.record.run import Data, Listener, Run
from xrt.report.page import write_report
from xrt.spec.study import StudySpec
from xrt.spec.trial import check_unchanged, rung_steps
from xrt.study.before import check_classes, checks
from xrt.study.console import OVER, Screen
from xrt.tracking.registry import deliver
from xrt.tracking.tracker import Tracker
from xrt.tracking.tracker import check as check_tracking


class Interrupted(XrtError):
    """The user ended a run with Ctrl-C; the message says how to go on."""

    exit_code = 130


MOST_UNKNOWN, SENTENCES_LOOKED_AT = 0.05, 500
LATER = "later"  # as an address of MLflow: write nothing there now; `sync` does it from the record


def check_before(spec: StudySpec) -> None:
    """Everything that can be known to be wrong before a run exists: data, encoders.

    Raises:
        XrtError: with every problem that was found.
    """
    splits: tuple[Split, ...] = ("train", "dev", "test") if spec.confirm else ("train", "dev")
    looks: list[Callable[[], object]] = [lambda: check(spec.task, spec.data.origin, splits), *checks(spec)]
    errors: list[XrtError] = []
    # Side by side: without a network each waits for its answer.
    with ThreadPoolExecutor(len(looks)) as pool:
        for future in [pool.submit(look) for look in looks]:
            try:
                future.result()
            except XrtError as error:
                errors.append(error)
    if errors:
        raise joined(errors)


def looked_at(spec: StudySpec) -> tuple[tuple[Data, ...], list[str], list[str]]:
    """What `survey` finds, once nothing is wrong.

    Raises:
        XrtError: every problem at once: of encoders, of files that are missing, of the rows of all splits.
    """
    errors: list[XrtError] = []
    found = None
    try:
        check_before(spec)
    except XrtError as error:
        errors.append(error)
    if not (errors and spec.data.source == "hub"):  # a hub that does not answer would be waited for again
        try:
            found = survey(spec, tokenizers=not errors)
        except XrtError as error:
            errors.append(error)
    if errors or found is None:
        raise joined(errors)
    return found


def encoders(spec: StudySpec) -> list[str]:
    """The encoders that the space names."""
    return [str(option) for option in getattr(spec.space.encoder, "options", ())]


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
    room = check_disk(spec, results.root, max(size_of(name) for name in encoders(spec)), rows)
    if tracking != LATER:
        check_tracking(results, tracking)  # last: it makes the results folder
    for line in [room, *dropped]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in warnings:
        console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    notes = {"tracking": tracking, "dropped": dropped, "warnings": warnings}
    run = Run.create(results, spec, data, notes | ({"repeats": origin.name} if origin else {}))
    if origin:
        for name, then, now in changed(findings(origin), findings(run)):
            line = f"Not as in {origin.name}: {name}: {then}, now {now}."
            console.print(line, markup=False, soft_wrap=True)
    carry_on(run, console, tracking)
    return run


def carry_on(run: Run, console: Console, tracking: str | None) -> None:
    """Search what is left to search, confirm what is left to confirm; Ctrl-C leaves a run that can be resumed."""

    def warn(text: str) -> None:
        console.print(text, style="yellow", markup=False, soft_wrap=True)

    spec = run.spec
    tracker = None if tracking == LATER else Tracker(run, tracking, warn=warn)
    with run.hold(), _terminable(), Screen(spec, console) as screen:
        listeners: list[Listener] = [screen, *([tracker] if tracker else [])]
        run.update_meta(status="running", ended=None)
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
        again = f"python -m xrt.study sync {run.name}" + (f" --tracking {tracking}" if tracking else "")
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

    probing = Probing.begin(run, spec, encoders(spec))
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
        raise Interrupted(
            f"Interrupted. Nothing is lost; go on with: python -m xrt.study resume {run.name}"
        ) from None
    finally:
        for trial in run.trials():
            if trial.state in ("running", "pending"):
                run.save(trial.closed("stopped", time.time()))
        run.update_meta(status=status, ended=time.time())
        tell(listeners, "run_ended", run)


def survey(spec: StudySpec, tokenizers: bool = True) -> tuple[tuple[Data, ...], list[str], list[str]]:
    """Fingerprints of the splits that this run reads (test only if it will be confirmed), what they drop, warnings.

    Reads them whole, so that a wrong row, or too few of them, is found before anything is trained.

    Args:
        tokenizers: whether the encoders are sound, so that theirs can be looked at.
    """
    wanted: dict[Split, str] = {"train": "training", "dev": "evaluation"}
    if spec.confirm:
        wanted["test"] = "test"
    found, dropped = [], []
    warnings: list[str] = []
    errors: list[XrtError] = []
    for split, context in wanted.items():
        try:
            aligned = load(spec.task, spec.data.origin, split)
            _require_enough(spec, aligned)
            if split == "train":
                check_classes(spec, aligned)
        except XrtError as error:
            errors.append(error)
            continue
        if split == "dev" and tokenizers:
            warnings += [line for name in encoders(spec) for line in _unknown(name, aligned)]
        if aligned.unlabelled:
            warnings.append(
                f"Warning: {split} has no labels in {', '.join(aligned.unlabelled)}; accuracies that need them are "
                "left out, and where the study's metric is one of them dev takes the place of test."
            )
        warnings += [f"Warning: {line}" for line in aligned.warnings]
        found.append(Data(spec.task.name, split, aligned.digest, len(aligned), context, spec.data.place))
        dropped += [*aligned.notes, *_dropped(aligned)]
    if errors:
        raise joined(errors)
    return tuple(found), dropped, warnings


def _require_enough(spec: StudySpec, aligned: Aligned) -> None:
    """Raises where a split has too few examples for the rungs, or for the rows that the study takes of it."""
    if aligned.split == "train":
        rows = min(len(aligned), spec.data.train_rows or len(aligned))
        rung_steps(spec.rungs, spec.training.epochs * math.ceil(rows / spec.training.batch_size))
        return
    count = spec.data.dev_rows if aligned.split == "dev" else spec.data.test_rows
    if count is not None:
        aligned.sample(count, seed=0)


def _unknown(encoder: str, aligned: Aligned) -> Iterator[str]:
    """A line for each language of which the encoder's tokenizer does not know a good part."""
    from xrt.robust.sources import load_tokenizer

    tokenizer = load_tokenizer(encoder)
    for language in aligned.languages:
        there = [sentence for sentence in aligned.sentences(language).first if sentence]
        share = unknown_share(tokenizer, there[:SENTENCES_LOOKED_AT])
        if share > MOST_UNKNOWN:
            yield (
                f'Warning: the tokenizer of {encoder} maps {share:.0%} of the pieces of "{language}" to unknown; '
                "scores in that language say little about this encoder."
            )


def _dropped(aligned: Aligned) -> list[str]:
    """One line that says what a split leaves out, or none if it leaves out nothing."""
    source, parts = aligned.task.source, []
    for language in aligned.languages:
        own, mixed = aligned.drops[language, language], aligned.drops.get((source, language))
        conflict = mixed.conflict if mixed else 0
        if own.missing or conflict:
            conflicts = f", {conflict} label conflicts with {source}" if conflict else ""
            parts.append(f"{language} {own.missing} missing{conflicts}")
    told = f"{aligned.split}: of {len(aligned)} aligned examples, left out of pairs with"
    return [f"{told} {'; '.join(parts)}."] if parts else []
