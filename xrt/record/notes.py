"""A user's note on a run, in a file of its own, so that it can be written while a process works on the run."""

import time

from xrt.data.integrity import is_broken, sealed
from xrt.errors import RecordError
from xrt.record.environment import redact
from xrt.record.files import read_json, write_json
from xrt.record.run import Run

LONGEST = 1000  # characters


def write_note(run: Run, text: str) -> None:
    """Replace the note, with secrets redacted; an empty text removes it.

    Raises:
        RecordError: the text is too long, or the file cannot be written.
    """
    text = redact(text.strip())
    if len(text) > LONGEST:
        raise RecordError(f"note: {len(text):,} characters are too many; at most {LONGEST:,}.")
    path, place = run.paths.note, run.paths.results.place
    if not text:
        return place.delete(path)
    write_json(path, sealed({"run": run.meta.uid, "text": text, "time": time.time()}))
    place.push(path)
    place.flush()


def read_note(run: Run) -> str:
    """The note; empty if there is none.

    Raises:
        RecordError: its file is damaged.
    """
    if not run.paths.note.exists():
        return ""
    value = read_json(run.paths.note)
    if is_broken(value) or not isinstance(value.get("text"), str):
        raise RecordError(f"{run.paths.note}: is damaged; write the note again, or remove the file.")
    return str(value["text"])
