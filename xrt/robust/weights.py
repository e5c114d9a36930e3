"""An encoder's weights: checked before and after they are loaded, with a new head.

Weights come from safetensors, which hold numbers only. If an encoder has none (mDeBERTa), they come from a pickle that
PyTorch reads with `weights_only`: it builds tensors, refuses anything else and runs no code of the file.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.utils import logging

from xrt.data.integrity import digest, fingerprint
from xrt.errors import EncoderError
from xrt.robust.sources import load_tokenizer, place, refused

SAFE, PICKLE = "model.safetensors", "pytorch_model.bin"
CONFIG = "config.json"
# In addition to the vocabulary files, which the tokenizer names.
TOKENIZER = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
LISTED = 3  # names in a message


def check_weights(folder: Path) -> None:
    """Check that the weights in a folder are whole and hold no code; reads their headers only.

    Raises:
        EncoderError: they are missing or truncated, or a pickle holds more than tensors.
    """
    for file in _files(folder):
        try:
            if file.suffix == ".safetensors":
                with safe_open(file, "pt"):
                    pass
            else:
                torch.load(file, map_location="meta", weights_only=True, mmap=True)
        except (OSError, SafetensorError) as error:
            raise EncoderError(
                f"encoder: {file}: is truncated or not a safetensors file ({error})."
            ) from error
        except Exception as error:  # unpickling a bad file raises errors of any kind
            raise refused(str(file)) from error


def digest_of(name: str) -> str | None:
    """A digest of an encoder's loaded files: configuration, tokenizer, weights.

    For an encoder from the hub it is of the files in the cache, behind `COMMIT+`; None if none are there.

    Raises:
        EncoderError: a file cannot be read.
    """
    folder, commit = Path(place(name)), ""
    if not folder.is_dir():
        cached = try_to_load_from_cache(name, CONFIG)
        if not isinstance(cached, str):
            return None
        folder = Path(cached).parent
        # <cache>/models--<name>/snapshots/<commit>/config.json: the layout that the hub documents
        commit = f"{folder.name}+"
    names = {CONFIG, *TOKENIZER, *load_tokenizer(name).vocab_files_names.values()}
    files = sorted({*_files(folder), *(folder / file for file in names if (folder / file).is_file())})
    try:
        return commit + digest([[file.name, *fingerprint(file.resolve())] for file in files])
    except OSError as error:
        raise EncoderError(
            f"encoder: {name}: {error.filename}: cannot be read ({error.strerror})."
        ) from error


def size_of(name: str) -> int:
    """Bytes of an encoder's weights in float32, from its configuration alone."""
    config = AutoConfig.from_pretrained(place(name), trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    return 4 * sum(p.numel() for p in model.parameters())


def load_model(name: str, config: Any, seed: int) -> Any:
    """The model of a configuration with the encoder's weights, in float32, and a head drawn from `seed`.

    A head that comes with the weights is replaced, because its labels or their order may differ. A layer that
    pretraining leaves between encoder and head (ModernBERT's `head`) is kept.

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
    """Silence transformers' own report of the weights, which we turn into errors, and progress bars unless `bars`."""
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
    """Whether a parameter lies below the head. The pooler counts as head: many pretrained encoders have none."""
    return key.startswith(f"{model.base_model_prefix}.") and "pooler" not in key


def _belongs_inside(model: Any, key: str) -> bool:
    """Whether a weight without a place seems to belong to the encoder, not to some head."""
    if "pooler" in key or key.endswith(".masked_bias"):  # the latter: a constant that GPT-2 once saved
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
    """A parameter's name without its layer's number."""
    return re.sub(r"\.\d+\.", ".*.", key)


def _some(keys: list[str]) -> str:
    return ", ".join([*keys[:LISTED], *(["…"] if len(keys) > LISTED else [])])


def _files(folder: Path) -> list[Path]:
    """The weights files that are loaded."""
    names = (SAFE, f"{SAFE}.index.json", PICKLE, f"{PICKLE}.index.json")
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise EncoderError(f"encoder: {folder}: has no weights; {SAFE} is expected.")
    return _parts(found)


def _parts(file: Path) -> list[Path]:
    """The files that an index names, or the file itself."""
    if not file.name.endswith(".index.json"):
        return [file]
    try:
        names = set(json.loads(file.read_text("utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(f"encoder: {file}: is truncated or not an index of weights ({error}).") from error
    if outside := [name for name in names if not isinstance(name, str) or Path(name).name != name]:
        raise EncoderError(f"encoder: {file}: {outside[0]!r} is not the name of a file beside it.")
    return [file.with_name(name) for name in sorted(names)]
