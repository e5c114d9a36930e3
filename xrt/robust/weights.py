"""An encoder's weights before they are loaded: how many there are, and that nothing in their files can run.

Weights come from safetensors, which are numbers and nothing else; where an encoder has none (mDeBERTa), from a
pickle that PyTorch reads with `weights_only`: tensors are built, anything else is refused, no code of the file is run.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForSequenceClassification

from xrt.errors import EncoderError
from xrt.mini import ENCODERS

SAFE, PICKLE = "model.safetensors", "pytorch_model.bin"


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


def refused(what: str) -> EncoderError:
    """The answer to a pickle of anything but tensors."""
    return EncoderError(
        f"encoder: {what}: is refused: it is no plain file of weights, and a pickle may run any code. "
        f"Convert it, where you trust it, to {SAFE}."
    )


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


def size_of(name: str) -> int:
    """Bytes of an encoder's weights in float32, from its configuration alone."""
    config = AutoConfig.from_pretrained(str(ENCODERS.get(name, name)), trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    return 4 * sum(p.numel() for p in model.parameters())
