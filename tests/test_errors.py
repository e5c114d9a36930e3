"""What a trial's errors mean for it."""

import errno

import pytest

from xrt.errors import DataError, EncoderError, RecordError, TrainingError, XrtError, is_outside

FULL = OSError(errno.ENOSPC, "No space left on device")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "outside"),
    [
        (FULL, True),
        (ConnectionResetError("the hub"), True),
        (DataError("train-en.tsv: is missing."), True),
        (EncoderError("encoder: e5: is no folder."), True),
        (RecordError("0003.json: cannot be written."), True),
        (caused(RuntimeError("in a library"), FULL), True),
        (TrainingError("the loss is NaN at step 3."), False),
        (XrtError("anything else"), False),
        (RuntimeError("CUDA error: out of memory"), False),
        (MemoryError(), False),
    ],
)
def test_a_trial_is_tried_again_for_what_was_outside_it_alone(error: Exception, outside: bool) -> None:
    assert is_outside(error) is outside
