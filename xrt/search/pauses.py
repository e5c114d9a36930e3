"""Why a trial stops between two rungs: to evaluate its weights, to save them, to report its progress."""

import time
from collections.abc import Container

from xrt.robust.training import CHECK_EVERY

REPORT_EVERY = 10.0  # seconds between two progress reports of a trial


class Pauses:
    """Decides after each step whether the training pauses there.

    Attributes:
        saves: it paused for a checkpoint.
        reports: it paused to report its progress.
    """

    def __init__(self, looks: Container[int], seconds: float) -> None:
        self.looks, self.saves, self.reports = looks, False, False
        self._saving, self._reporting = _Clock(seconds), _Clock(REPORT_EVERY)

    def __call__(self, step: int) -> bool:
        self.saves = step % CHECK_EVERY == 0 and self._saving.due()
        self.reports = self._reporting.due()
        return step in self.looks or self.saves or self.reports


class _Clock:
    """Says when something is due every `seconds`. So a kill costs at most so many seconds between checkpoints."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._last = seconds, time.monotonic()

    def due(self) -> bool:
        """Whether it is time; if so, the next interval begins."""
        now = time.monotonic()
        if now - self._last < self.seconds:
            return False
        self._last = now
        return True
