"""A training state in a folder: safetensors and a JSON, complete or not there.

Together with the trial's configuration this is all that an exact resumption needs, since every random number is a
function of (seed, step). Size: three times the trained weights in float32 (weights and AdamW's two moments).
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from xrt.errors import RecordError
from xrt.robust.training import TrainingState

WEIGHTS, OPTIMIZER, PROGRESS = "weights.safetensors", "optimizer.safetensors", "progress.json"


def save(state: TrainingState, folder: Path, *, optimizer: bool = True) -> None:
    """Write the state into `folder`; the small JSON comes last, so its existence says that the rest is whole.

    Args:
        optimizer: leave out the optimizer of a training that has ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.contiguous() for k, v in state.encoder.model.state_dict().items()}
    save_file(_unshared(weights), folder / WEIGHTS)
    if optimizer:
        save_file(_flat(state.optimizer.state_dict()["state"]), folder / OPTIMIZER)
    (folder / PROGRESS).write_text(json.dumps({"step": state.step, "optimizer": optimizer}))


def restore(state: TrainingState, folder: Path) -> None:
    """Continue from what `save` wrote, bit for bit.

    Raises:
        RecordError: the folder holds no whole checkpoint of this encoder.
    """
    try:
        progress = json.loads((folder / PROGRESS).read_text())
        load_weights(state.encoder.model, folder)
        if progress["optimizer"]:
            whole = state.optimizer.state_dict()
            whole["state"] = _nested(load_file(folder / OPTIMIZER))
            state.optimizer.load_state_dict(whole)
        state.step = int(progress["step"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        raise RecordError(
            f"{folder}: not a whole checkpoint of this trial ({error}); delete it to start over."
        ) from error


def load_weights(model: Any, folder: Path) -> None:
    """Load the weights of a checkpoint into a model of the same shape."""
    missing, unexpected = model.load_state_dict(load_file(folder / WEIGHTS), strict=False)
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    if unexpected or set(missing) - tied:
        raise ValueError(f"weights of another encoder: {[*unexpected, *missing][:3]}")


def _unshared(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Safetensors refuses tensors that share memory: tied weights are written once, under the first name."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in weights.items():
        if tensor.data_ptr() not in seen or tensor.numel() == 0:
            kept[name] = tensor
        seen.add(tensor.data_ptr())
    return kept


def _flat(states: dict[int, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {f"{i}.{k}": v.contiguous() for i, moments in states.items() for k, v in moments.items()}


def _nested(flat: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in flat.items():
        index, key = name.split(".", 1)
        states.setdefault(int(index), {})[key] = tensor
    return states
