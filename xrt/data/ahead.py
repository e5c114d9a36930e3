"""Batches made in a thread, ahead of the loop that trains or predicts on them.

Making one takes no random number of the training and leaves no trace: a batch is a function of its step. So nothing of
what lies ready belongs to the state of a training, and a resumed one makes it again.
"""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")

AHEAD = 2  # batches: one more than is needed, for they differ in what they cost


def ahead(batches: Iterator[Made], count: int = AHEAD) -> Generator[Made]:
    """The same batches in the same order, `count` of them made before they are wanted; an error comes in its turn."""
    worker = ThreadPoolExecutor(1, "batches")
    try:
        waiting = deque(worker.submit(next, batches, None) for _ in range(count))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(worker.submit(next, batches, None))
            yield batch
    finally:
        # Waits for the batch that is being made: a thread that outlived its trial would take time from the next.
        worker.shutdown(cancel_futures=True)
