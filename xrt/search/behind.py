"""What is done behind the training: one thing at a time, in a thread; its error comes where it is waited for."""

import threading
from collections.abc import Callable
from concurrent.futures import Future


class Behind:
    """Nothing, or one thing under way. A block of it ends when that is done, however the block ends."""

    def __init__(self) -> None:
        self._done: Future[None] | None = None

    def begin(self, action: Callable[[], None]) -> None:
        """Return at once, while it is done. What was begun before must have been waited for."""
        assert self._done is None
        self._done = Future()
        # Python waits for the threads of an executor before it ends: on a full disk that would take minutes.
        threading.Thread(target=_settle, args=(action, self._done), daemon=True).start()

    def wait(self) -> None:
        """Return when nothing is under way.

        Raises:
            BaseException: what was begun failed so; said once.
        """
        done, self._done = self._done, None
        if done:
            done.result()

    def __enter__(self) -> "Behind":
        return self

    def __exit__(self, *error: object) -> None:
        self.wait()


def _settle(action: Callable[[], None], done: Future[None]) -> None:
    try:
        action()
        done.set_result(None)
    except BaseException as error:  # also the `SystemExit` by which Tune ends a trial
        done.set_exception(error)
