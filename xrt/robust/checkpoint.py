"""A training state in a folder: safetensors, and a JSON with their checksums, so that damage is detected.

Together with the trial's configuration this is all that an exact resumption needs, since every random number is a
function of (seed, step). Size: 4 bytes per parameter for the weights, 8 per trained parameter for AdamW's two moments
(of the word embeddings only the rows in use, see `words`), and 4 more if the training may end with weights other than
its last (`kept`). A finished training's checkpoint holds its final weights only. XLM-R base, 278 million parameters:
2.0 GB with 30,000 of its 250,002 pieces in use (3.1 with `kept`), 3.3 GB with all of them (4.4), and 1.1 GB at its end.
The host holds a copy while it is written.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file

from xrt.data.integrity import content, fingerprint, is_broken, readable_as_its_folder, sealed
from xrt.errors import RecordError
from xrt.robust.keeping import Kept
from xrt.robust.training import TrainingState

WEIGHTS, OPTIMIZER, PROGRESS = "weights.safetensors", "optimizer.safetensors", "progress.json"
KEPT = "kept.safetensors"


def save(
    state: TrainingState, folder: Path, *, optimizer: bool = True, about: Mapping[str, Any] | None = None
) -> None:
    """Write the state into `folder`; arguments and errors are those of `snapshot`."""
    snapshot(state, optimizer=optimizer, about=about)(folder)


def snapshot(
    state: TrainingState, *, optimizer: bool = True, about: Mapping[str, Any] | None = None
) -> Callable[[Path], None]:
    """Copy the state to the host, while no step is under way.

    Args:
        optimizer: leave out the optimizer of a training that has ended.
        about: the identity (run and trial), in JSON's types.

    Returns:
        A function that writes the copy into a folder. Any thread may call it while the training continues. It writes
        the small JSON last, with the lengths and checksums of the other files and its own checksum. It raises `OSError`
        if the folder cannot be written, with `errno.ENOSPC` when the disk is full.
    """
    tensors = {WEIGHTS: _on_host(_untied(state.encoder.model))}
    if optimizer:
        tensors[OPTIMIZER] = _on_host(_flat(state.optimizer.state_dict()["state"]))
    if kept := state.kept:
        tensors[KEPT] = dict(kept.weights)  # on the host already, and never changed in place
    progress = {
        "about": {**about, "step": state.step} if about else {},
        "step": state.step,
        "micro_batch": state.micro_batch,
        "optimizer": optimizer,
        # As text: the score before the first evaluation is minus infinity, which JSON lacks.
        "kept": {"score": repr(kept.score), "count": kept.count} if kept else None,
        "meter": state.meter.sums(),
    }
    return partial(_write, tensors, progress)


def _write(tensors: Mapping[str, dict[str, torch.Tensor]], progress: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in tensors.items():
        _write_file(values, folder / name)
    files = {name: fingerprint(folder / name) for name in tensors}
    (folder / PROGRESS).write_text(json.dumps(sealed({**progress, "files": files})))


def step_in(progress: bytes, lengths: Mapping[str, int], trial: str | None = None) -> int | None:
    """The step of a checkpoint whose files all have the recorded length; None for any other folder.

    Args:
        progress: its `PROGRESS` file.
        lengths: bytes of each file in the folder.
        trial: accept a checkpoint of this trial only.
    """
    try:
        saved = json.loads(progress)
        wanted = {name: length for name, (length, _) in saved["files"].items()}
        whole = all(lengths.get(name) == length for name, length in wanted.items())
        own = trial is None or saved.get("about", {}).get("trial", trial) == trial
        return int(saved["step"]) if own and whole and WEIGHTS in wanted and not is_broken(saved) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def check(folder: Path, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The contents of a checkpoint's JSON, after a check of all checksums.

    Args:
        about: the identity that it must have; a checkpoint without one is of an earlier version.

    Raises:
        RecordError: a file is missing, damaged, or of another trial.
    """
    try:
        values: dict[str, Any] = json.loads(content(folder / PROGRESS))
        if is_broken(values):
            raise ValueError(f"{PROGRESS} is not what was written")
        for name, noted in values["files"].items():
            if fingerprint(folder / name) != noted:
                raise ValueError(f"{name} is not what was written")
        for key, wanted in (about or {}).items():
            if values.get("about", {}).get(key, wanted) != wanted:
                raise ValueError(f"it is of {key} {values['about'][key]}, not of {wanted}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_whole(folder, error) from error
    return values


def restore(state: TrainingState, folder: Path, about: Mapping[str, Any] | None = None) -> None:
    """Continue from what `save` wrote, bit for bit. All of it is read and checked before the state is touched.

    Raises:
        RecordError: the folder holds no whole checkpoint of this encoder and trial.
    """
    values = check(folder, about)
    try:
        moments = _moments(state.optimizer, folder) if values["optimizer"] else None
        load_weights(state.encoder.model, folder)
        if moments is not None:
            state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})
        state.kept = None
        if (kept := values.get("kept")) is not None:
            state.kept = Kept(load_file(folder / KEPT), float(kept["score"]), int(kept["count"]))
        state.meter.load(values["meter"])
        state.step, state.micro_batch = int(values["step"]), values["micro_batch"]
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        SafetensorError,
        RuntimeError,
    ) as error:
        raise _not_whole(folder, error) from error


def _not_whole(folder: Path, error: Exception) -> RecordError:
    return RecordError(f"{folder}: not a whole checkpoint of this trial ({error}); delete it to start over.")


def load_weights(model: Any, folder: Path) -> None:
    """Load the weights of a checkpoint into a model of the same shape; weights that are tied were written once.

    Raises:
        RuntimeError: they are of another encoder.
    """
    load_model(model, folder / WEIGHTS)


def _untied(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """All weights; tied ones once, under the first of their names, as `load_model` expects."""
    weights = model.state_dict()
    names = {(value.data_ptr(), value.shape): name for name, value in reversed(weights.items())}
    return {name: weights[name] for name in names.values()}


def _flat(states: dict[int, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {f"{i}.{k}": v for i, moments in states.items() for k, v in moments.items()}


def _on_host(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    whole = torch.contiguous_format
    return {name: value.to("cpu", copy=True, memory_format=whole) for name, value in tensors.items()}


def _moments(optimizer: torch.optim.Optimizer, folder: Path) -> dict[int, dict[str, torch.Tensor]]:
    """The moments of a checkpoint, after a check that they have the shapes of the trained parameters."""
    moments = _nested(load_file(folder / OPTIMIZER))
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, parts in moments.items():
        for part in parts.values():
            if part.ndim and part.shape != trained[index].shape:
                raise ValueError(f"{OPTIMIZER} is of other word embeddings, or of an earlier version")
    return moments


def _nested(flat: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in flat.items():
        index, key = name.split(".", 1)
        states.setdefault(int(index), {})[key] = tensor
    return states


def _write_file(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """As `save_file`, but an error has the number that says what is wrong with the disk."""
    try:
        save_file(tensors, path)
        readable_as_its_folder(path)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error
