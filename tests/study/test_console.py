import io
import time

from rich.console import Console

from xrt.study.console import evaluation_bar


def shown(terminal: bool) -> str:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100)
    with evaluation_bar(console) as watch:
        for split, total in (("dev", 400), ("test", 700)):
            for done in range(100, total + 1, 100):
                watch(split, done, total)
                if done == 300:
                    time.sleep(0.3)  # the screen is drawn ten times a second
    return written.getvalue()


def test_a_long_evaluation_shows_its_split_its_questions_and_the_time_left():
    told = shown(terminal=True)
    assert "dev" in told and "300/400" in told and "test" in told and "300/700" in told
    assert ":" in told.split("300/700")[1]  # the time left


def test_where_there_is_no_terminal_nothing_is_drawn():
    assert shown(terminal=False).strip() == ""
