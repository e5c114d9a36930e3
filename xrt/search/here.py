"""Runs trials one after the other in this process, without Ray: for tests and debuggers."""

from xrt.errors import XrtError, is_outside
from xrt.record.environment import host
from xrt.record.values import Pace
from xrt.search.book import Book, Rung, Task
from xrt.search.trial import RungReport, begin, device_name


def run_here(book: Book) -> None:
    """All that is left to run."""
    while task := book.next():
        try:
            _run(book, task)
        except XrtError as error:
            book.failed(task.id, str(error), is_outside(error))


def _run(book: Book, task: Task) -> None:
    going = book.started(task.id, host(), device_name())
    seconds = book.spec.checkpoints.seconds
    trial = begin(task.config, task.resume, task.known, seconds, about=task.about)
    for at in trial if going else ():
        if isinstance(at, Pace):
            book.moved(task.id, at)
            continue
        if at.save:
            folder = book.run.paths.tune / "here" / task.id / f"checkpoint_{at.step:06d}"
            folder.mkdir(parents=True, exist_ok=True)
            at.save(folder)
        if not isinstance(at, RungReport):
            going = book.saved(task.id, at.step)
        else:
            going = book.reported(task.id, Rung(at.rung, at.share, at.step, at.metrics))
        if not going:
            break
