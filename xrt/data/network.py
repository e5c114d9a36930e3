"""Network calls with a time limit: a name server that never answers ignores socket timeouts."""

import threading
from collections.abc import Callable


def within(seconds: float, call: Callable[[], object]) -> Exception | None:
    """Run `call` for at most `seconds`; returns what it raised, or None if it returned.

    A call that takes longer is left behind in a daemon thread and counts as a `TimeoutError`.
    """
    raised: list[Exception | None] = []

    def run() -> None:
        try:
            call()
            raised.append(None)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return raised[0] if raised else TimeoutError(f"no answer within {seconds:g} seconds")


def reason(error: BaseException) -> str:
    """The first line of what went wrong, for the brackets of a message."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
