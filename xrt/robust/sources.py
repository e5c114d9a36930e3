"""Where an encoder comes from: its configuration and tokenizer, by hub name, folder or name of a shipped one.

Whatever these libraries raise about a foreign file becomes one line that names the encoder.
"""

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from transformers import AutoConfig, AutoTokenizer

from xrt.data.batches import PairTemplate
from xrt.data.integrity import digest, fingerprint
from xrt.errors import EncoderError, closest
from xrt.mini import ENCODERS

MEANT = (".json", ".txt", ".model", ".safetensors", ".bin")  # of the files in a folder, those that are loaded


def place(name: str) -> str:
    """The folder of a shipped encoder; any other name as it is."""
    return str(ENCODERS.get(name, name))


def digest_of(name: str) -> str | None:
    """Changes with the weights, configuration and tokenizer of an encoder.

    Of one from the hub it is the commit that is in the cache, from which trials load it; None where none is.
    """
    folder = Path(place(name))
    if not folder.is_dir():
        cached = try_to_load_from_cache(name, "config.json")
        # <cache>/models--<name>/snapshots/<commit>/config.json: the layout that the hub documents
        return Path(cached).parent.name if isinstance(cached, str) else None
    files = sorted(path for path in folder.iterdir() if path.suffix in MEANT and path.is_file())
    try:
        return digest([[path.name, *fingerprint(path.resolve())] for path in files])
    except OSError as error:
        raise EncoderError(
            f"encoder: {name}: {error.filename}: cannot be read ({error.strerror})."
        ) from error


def load_config(name: str) -> Any:
    """The configuration alone, for training: without a cache of keys and values, for one label a pair.

    Raises:
        EncoderError: it cannot be read, or is of a family that has a decoder beside its encoder.
    """
    with worded(name):
        config = AutoConfig.from_pretrained(place(name), trust_remote_code=False)
    if getattr(config, "is_encoder_decoder", False):
        raise EncoderError(
            f"encoder: {name}: {config.model_type} reads a pair twice, with an encoder and with a decoder; δ would "
            "reach the encoder alone. Choose a family with one stack of layers."
        )
    config.get_text_config().use_cache = False
    config.problem_type = None  # a fine-tuned checkpoint may say `regression`
    return config


def load_tokenizer(name: str) -> Any:
    """The tokenizer alone, which must keep the two sentences of a pair in order.

    Raises:
        EncoderError: it cannot be read, or does not.
    """
    with worded(name, "its tokenizer cannot be read: "):
        tokenizer = AutoTokenizer.from_pretrained(place(name), trust_remote_code=False)
        if tokenizer.pad_token_id is None:  # decoder families have none of their own
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        PairTemplate.of(tokenizer)
    return tokenizer


@contextmanager
def worded(name: str, what: str = "") -> Iterator[None]:
    """Whatever is raised within becomes one line about the encoder; an `EncoderError` already is one.

    Raises:
        EncoderError: instead of anything else.
    """
    try:
        yield
    except EncoderError:
        raise
    except pickle.UnpicklingError as error:  # PyTorch's own text advises to run what it has refused
        raise refused(f"{name}: pytorch_model.bin") from error
    except Exception as error:  # a foreign file makes these libraries raise whatever they like
        raise unusable(name, error, what) from error


def unusable(name: str, error: Exception, what: str = "") -> EncoderError:
    """The answer to whatever a library raised while it read an encoder."""
    return EncoderError(
        f"encoder: {name}: {what}{first_line(error)} Give the name of an encoder on the Hugging Face hub, "
        f"or a folder with config.json, a tokenizer and safetensors.{closest(name, ENCODERS)}"
    )


def refused(what: str) -> EncoderError:
    """The answer to a pickle of anything but tensors."""
    return EncoderError(
        f"encoder: {what}: is refused: it is no plain file of weights, and a pickle may run any code. "
        "Convert it, where you trust it, to model.safetensors."
    )


def first_line(error: Exception) -> str:
    """What went wrong, as one sentence."""
    text = str(error).strip() or type(error).__name__
    # A line that ends with a colon has not said it yet.
    told = re.sub(r":\s*\n\s*", ": ", text).splitlines()[0]
    return told.rstrip(" .,:") + "."
