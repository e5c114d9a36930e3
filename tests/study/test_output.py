"""Commands print text, whatever it contains, and even if the reader has stopped."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from tests.conftest import ROOT
from tests.faults.small import SMALL
from xrt.record.listeners import tell
from xrt.record.paths import Results
from xrt.record.run import Run, TrialRecord
from xrt.spec import load_study
from xrt.study.console import Screen
from xrt.study.output import Output

PRINT = """
from xrt.study.output import Output
out, err = Output(), Output("stderr")
for i in range(20000):
    out.print(f"line {i} of a long study")
err.print("went on to its end")
"""


def printed(what: object) -> str:
    stream = io.StringIO()
    out = Output()
    out.file = stream
    out.print(what, soft_wrap=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    "text", ["models/[v2]/bert", "no file [/opt/x]", "a :smile: [red]b[/red] [link=c]", "[/]"]
)
def test_brackets_and_colons_are_what_they_are(text: str) -> None:
    assert printed(text) == f"{text}\n"
    table = Table(box=None)
    table.add_row(text)
    assert text in printed(table)


def test_a_trial_with_brackets_in_its_names_and_reason_is_shown_in_any_console() -> None:
    from rich.console import Console

    stream = io.StringIO()
    screen = Screen(load_study("mini", ["confirm=null"]), Console(file=stream, width=200))
    screen.trial_ended(
        TrialRecord(
            "0000",
            {"method": "plain", "encoder": "models/[v2]"},
            {},
            7,
            state="failed",
            reason="no [/opt/x] here",
        )
    )
    assert "plain [v2]" in stream.getvalue() and "no [/opt/x] here" in stream.getvalue()


def ended(command: str) -> subprocess.CompletedProcess:
    """A shell's command with `$print` in it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PRINT": PRINT, "PYTHON": sys.executable}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        (
            '"$PYTHON" -c "$PRINT" | head -3',
            "line 0 of a long study\nline 1 of a long study\nline 2 of a long study\n",
        ),
        ('"$PYTHON" -c "$PRINT" > /dev/full', ""),
        ('"$PYTHON" -c "$PRINT" >&-', ""),
    ],
    ids=["closed pipe", "full disk", "closed"],
)
def test_a_process_goes_on_to_its_end_when_nobody_reads_what_it_prints(command: str, seen: str) -> None:
    done = ended(command)
    assert (done.returncode, done.stdout, done.stderr) == (0, seen, "went on to its end\n")


@pytest.mark.parametrize("command", ["--help", "list", "run --help"])
@pytest.mark.parametrize("end", ["> /dev/full", "| head -c 0", ">&-"])
def test_no_command_ends_in_a_traceback_when_nobody_reads_what_it_prints(command: str, end: str) -> None:
    done = ended(f'"$PYTHON" -m xrt.study {command} {end}')
    assert "Traceback" not in done.stderr and done.stderr.count("\n") <= 1, done.stderr


def test_a_terminal_that_knows_ascii_alone_is_shown_other_signs() -> None:
    code = "from xrt.study.output import Output; Output().print(chr(9632) + chr(228))"
    done = ended(f'PYTHONIOENCODING=ascii "$PYTHON" -c "{code}"')
    assert (done.returncode, done.stdout) == (0, "#?\n"), done.stderr


class Failing:
    """A listener that raises."""

    def __init__(self) -> None:
        self.asked = 0

    def trial_started(self, trial: TrialRecord) -> None:
        self.asked += 1
        raise ValueError("closing tag '[/opt/x]' has nothing to close; http://me:secret@host")


def test_a_listener_that_fails_is_said_once_and_hears_nothing_more(caplog) -> None:
    class Hearing:
        heard = 0

        def trial_started(self, trial: TrialRecord) -> None:
            self.heard += 1

    failing, hearing = Failing(), Hearing()
    listeners = [failing, hearing]
    for _ in range(3):
        tell(listeners, "trial_started", TrialRecord("0000", {}, {}, 7))
    assert (failing.asked, hearing.heard, listeners) == (1, 3, [hearing])
    [line] = caplog.messages
    assert line.startswith("Failing: ValueError: closing tag") and "secret" not in line


@pytest.mark.slow
def test_a_study_whose_reader_has_gone_ends_with_its_answer(tmp_path: Path) -> None:
    study = f"{SMALL} --set search.trials=2 --set confirm=null"
    done = ended(f'"$PYTHON" -m xrt.study run {study} --tracking later --results {tmp_path} | head -1')
    assert done.returncode == 0 and done.stdout.count("\n") == 1, done.stderr
    [paths] = Results.at(tmp_path).runs()
    run = Run(paths)
    assert run.meta.status == "finished" and [t.state for t in run.trials()].count("finished") >= 1
