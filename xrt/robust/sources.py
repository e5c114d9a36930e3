"""An encoder's configuration and tokenizer, by hub name, by folder or by the name of a shipped encoder.

Whatever the libraries raise about a user's file becomes one line that names the encoder.
"""

import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from xrt.data.batches import PairTemplate
from xrt.errors import EncoderError, closest
from xrt.mini import ENCODERS


def place(name: str) -> str:
    """The folder of a shipped encoder; any other name as it is, `~` for the home of an account."""
    return str(ENCODERS.get(name, os.path.expanduser(name)))


def load_config(name: str) -> Any:
    """The configuration alone, for training: without a cache of keys and values, for one label per pair.

    Raises:
        EncoderError: it cannot be read, or its family has a decoder beside the encoder.
    """
    with worded(name):
        config = AutoConfig.from_pretrained(place(name), trust_remote_code=False)
    if getattr(config, "is_encoder_decoder", False):
        raise EncoderError(
            f"encoder: {name}: {config.model_type} reads a pair twice, with an encoder and with a decoder; δ would "
            "reach the encoder alone. Choose a family with one stack of layers."
        )
    config.get_text_config().use_cache = False
    config.problem_type = None  # it is `regression` in some fine-tuned checkpoints
    return config


def load_tokenizer(name: str) -> Any:
    """The tokenizer alone, which must keep the two sentences of a pair in order.

    Raises:
        EncoderError: it cannot be read, or does not keep them in order.
    """
    with worded(name, "its tokenizer cannot be read: "):
        tokenizer = AutoTokenizer.from_pretrained(place(name), trust_remote_code=False)
        if tokenizer.pad_token_id is None:  # decoder families have none
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        PairTemplate.of(tokenizer)
    return tokenizer


@contextmanager
def worded(name: str, what: str = "") -> Iterator[None]:
    """Turn any error of the block into one line about the encoder; an `EncoderError` already is one.

    Raises:
        EncoderError: instead of anything else.
    """
    try:
        yield
    except EncoderError:
        raise
    except pickle.UnpicklingError as error:  # PyTorch's message advises to run what it has refused
        raise refused(f"{name}: pytorch_model.bin") from error
    except Exception as error:  # for a bad file these libraries raise errors of any kind
        raise unusable(name, error, what) from error


def unusable(name: str, error: Exception, what: str = "") -> EncoderError:
    """The error for anything that a library raised while it read an encoder."""
    # safetensors reports a file without read permission as missing.
    folder = place(name)
    files = Path(folder).glob("*") if os.path.isdir(folder) else ()  # of too long a name, `glob` would raise
    closed = sorted(str(file) for file in files if not os.access(file, os.R_OK))
    if closed:
        return EncoderError(
            f"encoder: {', '.join(closed)}: cannot be read (Permission denied); its owner can: chmod +r"
        )
    return EncoderError(
        f"encoder: {name}: {what}{first_line(error)} Give the name of an encoder on the Hugging Face hub, "
        f"or a folder with config.json, a tokenizer and safetensors.{closest(name, ENCODERS)}"
    )


def refused(what: str) -> EncoderError:
    """The error for a pickle that holds more than tensors."""
    return EncoderError(
        f"encoder: {what}: is refused: it is not a plain weights file, and a pickle may run any code. "
        "Convert it, where you trust it, to model.safetensors."
    )


def first_line(error: Exception) -> str:
    """What went wrong, as one sentence."""
    text = str(error).strip() or type(error).__name__
    # After a colon at the end of a line, the next line has the reason.
    line = re.sub(r":\s*\n\s*", ": ", text).splitlines()[0]
    return line.rstrip(" .,:") + "."
