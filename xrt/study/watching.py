"""The status of a run, once or refreshed. It needs only the record, so any machine with the record can watch."""

import time
from contextlib import nullcontext, suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from xrt.findings.findings import Findings, findings
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.study.tables import confirmed_table, holder_line, progress_line, time_line, trial_table

EVERY = 2.0  # seconds between two looks
REST = 9.0  # pause, in multiples of the time of a look: slow looks (a long run, a bucket) come less often


def status_of(run: Run, found: Findings, option: str) -> tuple[Group, Text]:
    """Its best trials and confirmed configurations; counts, times, the answer so far, and how to go on.

    Args:
        option: `--results FOLDER` as it was given, for the commands that are named.
    """
    tables: list[RenderableType] = [trial_table(found.searched, found.spec, top=10)]
    if confirmed := confirmed_table(found):
        tables += [Text(), confirmed]
    lines = (
        progress_line(found),
        time_line(run, found),
        found.answer.sentence,
        *([f"Note: {found.note}"] if found.note else []),
        holder_line(run, option, found.confirmation is None or found.confirmation.learned),
    )
    return Group(*tables), Text("\n".join(lines))


def watch(run: Run, results: str | None, option: str, console: Console) -> None:
    """Refresh the status in place until the run ends or Ctrl-C; without a terminal, print one line per change."""
    last = ""
    live = Live(console=console, auto_refresh=False, transient=True)
    with suppress(KeyboardInterrupt), live if console.is_terminal else nullcontext():
        while run.holder() is not None:
            began = time.monotonic()
            Results.at(results)  # brings what is new in a bucket
            found = findings(run, partly=True)
            if console.is_terminal:
                tables, lines = status_of(run, found, option)
                # The lines come first: a terminal that is too low cuts off the end.
                live.update(Group(lines, Text(), tables), refresh=True)
            elif (line := progress_line(found)) != last:
                last = line
                console.print(line, soft_wrap=True)
            time.sleep(max(EVERY, REST * (time.monotonic() - began)))
