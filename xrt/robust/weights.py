"""An encoder's weights: whole and harmless before they are loaded, all in their place after it, with a new head.

Weights come from safetensors, which are numbers and nothing else; where an encoder has none (mDeBERTa), from a
pickle that PyTorch reads with `weights_only`: tensors are built, anything else is refused, no code of the file is run.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.utils import logging

from xrt.errors import EncoderError
from xrt.robust.sources import place, refused

SAFE, PICKLE = "model.safetensors", "pytorch_model.bin"
LISTED = 3  # names in a message


def check_weights(folder: Path) -> None:
    """Whether the weights in a folder are whole and harmless; reads their headers only.

    Raises:
        EncoderError: there are none, they are torn, or a pickle holds more than tensors.
    """
    found = next((name for name in (SAFE, f"{SAFE}.index.json", PICKLE, f"{PICKLE}.index.json")
                  if (folder / name).is_file()), None)  # fmt: skip
    if found is None:
        raise EncoderError(f"encoder: {folder}: has no weights; {SAFE} is expected.")
    for file in _parts(folder / found):
        try:
            if file.suffix == ".safetensors":
                with safe_open(file, "pt"):
                    pass
            else:
                torch.load(file, map_location="meta", weights_only=True, mmap=True)
        except (OSError, SafetensorError) as error:
            raise EncoderError(f"encoder: {file}: is torn or no safetensors file ({error}).") from error
        except Exception as error:  # unpickling raises whatever the file makes it raise
            raise refused(str(file)) from error


def size_of(name: str) -> int:
    """Bytes of an encoder's weights in float32, from its configuration alone."""
    config = AutoConfig.from_pretrained(place(name), trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    return 4 * sum(p.numel() for p in model.parameters())


def load_model(name: str, config: Any, seed: int) -> Any:
    """The model of a configuration with the encoder's weights, in float32, and a head drawn from `seed`.

    A head that comes with the weights is not kept: its labels may be others, or stand in another order. What a
    pretraining objective leaves between encoder and head (ModernBERT's `head`) is no such head, and stays.

    Raises:
        EncoderError: weights of the encoder are missing, or some have no place in it.
    """
    torch.manual_seed(seed)
    with _quietly(bars=not Path(place(name)).is_dir()):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            place(name), config=config, trust_remote_code=False, weights_only=True, dtype=torch.float32,
            ignore_mismatched_sizes=True, output_loading_info=True,
        )  # fmt: skip
    missing = set(report["missing_keys"])
    mismatched = {key: (found, wanted) for key, found, wanted in report["mismatched_keys"]}
    _check_belonging(name, model, missing, set(report["unexpected_keys"]), mismatched)
    head = {key for key in model.state_dict() if not _of_encoder(model, key)}
    if not head & missing:
        torch.manual_seed(seed)
        fresh = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False).state_dict()
        model.load_state_dict({key: fresh[key] for key in head}, strict=False)
    return model


@contextmanager
def _quietly(bars: bool) -> Iterator[None]:
    """Without transformers' own report of the weights, of which we make errors; without `bars` where none is loaded."""
    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if shown and not bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown and not bars:
            logging.enable_progress_bar()


def _check_belonging(
    name: str, model: Any, missing: set[str], unused: set[str], mismatched: dict[str, Any]
) -> None:
    """A head may be missing or left over; nothing else."""
    lacking = {key for key in missing | mismatched.keys() if _of_encoder(model, key)}
    extra = {key for key in unused if _belongs_inside(model, key)}
    parts = []
    if unfit := sorted(lacking & mismatched.keys()):
        parts.append(f"{len(unfit)} of another shape than its config.json says ({_some(unfit)})")
    if absent := sorted(lacking - mismatched.keys()):
        parts.append(f"{len(absent)} missing ({_some(absent)})")
    if extra:
        parts.append(f"{len(extra)} without a place in {type(model).__name__} ({_some(sorted(extra))})")
    if parts:
        raise EncoderError(
            f"encoder: {name}: its weights do not belong to it: {'; '.join(parts)}. Only a classification head may "
            "be missing. Were they saved from a wrapped model, or with another config.json?"
        )


def _of_encoder(model: Any, key: str) -> bool:
    """Whether a parameter lies below the head. The pooler counts as head: many pretrained encoders come without."""
    return key.startswith(f"{model.base_model_prefix}.") and "pooler" not in key


def _belongs_inside(model: Any, key: str) -> bool:
    """Whether a weight without a place looks as if it were meant for the encoder, not for some head."""
    if "pooler" in key:
        return False
    inside = {name.split(".")[0] for name, _ in model.base_model.named_parameters()}
    first = key.removeprefix(f"{model.base_model_prefix}.").split(".")[0]
    ends = {_anywhere(name) for name, _ in model.base_model.named_parameters() if _anywhere(name) != name}
    parts = _anywhere(key).split(".")
    return (
        key.startswith(f"{model.base_model_prefix}.")
        or first in inside
        or any(".".join(parts[i:]) in ends for i in range(len(parts)))
    )


def _anywhere(key: str) -> str:
    """A parameter's name whatever its layer."""
    return re.sub(r"\.\d+\.", ".*.", key)


def _some(keys: list[str]) -> str:
    return ", ".join([*keys[:LISTED], *(["…"] if len(keys) > LISTED else [])])


def _parts(file: Path) -> list[Path]:
    """The files that an index names, or the file itself."""
    if not file.name.endswith(".index.json"):
        return [file]
    try:
        names = set(json.loads(file.read_text("utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(f"encoder: {file}: is torn or no index of weights ({error}).") from error
    if outside := [name for name in names if not isinstance(name, str) or Path(name).name != name]:
        raise EncoderError(f"encoder: {file}: {outside[0]!r} is not the name of a file beside it.")
    return [file.with_name(name) for name in sorted(names)]
