"""Work in a thread behind the training, one task at a time; `wait` raises the task's error."""

import threading
from collections.abc import Callable
from concurrent.futures import Future


class Behind:
    """At most one running task. The `with` block ends only when the task is done, however the block ends."""

    def __init__(self) -> None:
        self._done: Future[None] | None = None

    def begin(self, action: Callable[[], None]) -> None:
        """Start a task and return at once. `wait` must have been called for the task before."""
        assert self._done is None
        self._done = Future()
        # Not an executor: Python would wait for its threads before it ends, on a full disk for minutes.
        threading.Thread(target=_settle, args=(action, self._done), daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether a task is running."""
        return self._done is not None and not self._done.done()

    def wait(self) -> None:
        """Return when no task is running.

        Raises:
            BaseException: the error of the task, raised once.
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
    except BaseException as error:  # also `SystemExit`, with which Tune ends a trial
        done.set_exception(error)
