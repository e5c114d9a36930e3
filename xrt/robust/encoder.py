"""A pretrained encoder with a classification head, opened at one site: below it runs once, above it many times.

Works with whatever `AutoModelForSequenceClassification` loads, from the hub or a folder; no remote code is ever
run. Knows nothing of methods, optimizers or data sets.

Letters: B pairs, T tokens, D width, C classes.
"""

import logging
import pickle
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import AttentionInterface, AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_layers import GradientCheckpointingLayer

from xrt.data.batches import Batch, PairTemplate
from xrt.data.network import within
from xrt.errors import EncoderError, closest
from xrt.mini import ENCODERS
from xrt.robust.weights import check_weights, refused


@dataclass
class Encoder:
    """Model, tokenizer and the site where δ is added: `layer` 0 is the word embeddings, k the states after layer k."""

    model: Any  # a transformers model; its type cannot be named without importing all of them
    tokenizer: Any
    layer: int = 0
    template: PairTemplate = field(init=False)

    def __post_init__(self) -> None:
        self.template = PairTemplate.of(self.tokenizer)
        if self.layer:
            _upper_layers(self.model, self.layer)  # refuses early what it cannot do

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def layers(self) -> int:
        return int(self.model.config.num_hidden_layers)

    def embed(self, batch: Batch) -> torch.Tensor:
        """The states at the site (B, T, D), with their graph: input word embeddings, or the states after layer k."""
        if self.layer == 0:
            return self.model.get_input_embeddings()(batch.input_ids)
        owner, name, stack = _upper_layers(self.model, self.layer)
        caught: list[torch.Tensor] = []

        def catch(_module: nn.Module, _args: Any, output: Any) -> None:
            caught.append(output[0] if isinstance(output, tuple) else output)

        handle = stack[self.layer - 1].register_forward_hook(catch)
        try:
            with _replaced(owner, name, stack[: self.layer]), self._autocast():
                self.model.base_model(input_ids=batch.input_ids, **_masks(self.model, batch))
        finally:
            handle.remove()
        return caught[0].float()

    def logits(self, batch: Batch, states: torch.Tensor) -> torch.Tensor:
        """Class scores (B, C) in float32, from the states at the site (B, T, D) upwards."""
        masks = _masks(self.model, batch)
        if self.layer == 0:
            with self._autocast():
                return self.model(inputs_embeds=states, **masks).logits.float()
        owner, name, stack = _upper_layers(self.model, self.layer)

        def enter(
            _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[Any, dict[str, Any]]:
            if args:
                return (states, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": states}

        handle = stack[self.layer].register_forward_pre_hook(enter, with_kwargs=True)
        try:
            with _replaced(owner, name, stack[self.layer :]), self._autocast():
                return self.model(input_ids=batch.input_ids, **masks).logits.float()
        finally:
            handle.remove()

    def loss(self, batch: Batch, states: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy over the B pairs, from the states at the site (B, T, D) upwards."""
        return F.cross_entropy(self.logits(batch, states), batch.labels)

    @contextmanager
    def as_used(self) -> Iterator[None]:
        """Without dropout, as the network will be used; training mode afterwards.

        Layers that recompute their states in a backward pass go on doing so: they ask for it by their own training
        flag, which has no dropout to it (that of the modules inside them has).
        """
        self.model.eval()
        for module in self.model.modules():
            if isinstance(module, GradientCheckpointingLayer):
                module.training = True
        try:
            yield
        finally:
            self.model.train()

    @torch.inference_mode()
    def predict(self, batch: Batch) -> torch.Tensor:
        """The most likely class of each pair (B,)."""
        with self._autocast():
            return (
                self.model(input_ids=batch.input_ids, **_masks(self.model, batch)).logits.float().argmax(-1)
            )

    @torch.inference_mode()
    def site_norm(self, token_ids: np.ndarray[Any, Any], batches: list[Batch]) -> float:
        """The mean L2 norm at the site: the unit of radius and noise scale.

        Word embeddings: over the vocabulary that `token_ids` uses. Layer k: over the perturbable positions
        of `batches`.
        """
        if self.layer == 0:
            used = torch.from_numpy(np.unique(token_ids).astype(np.int64)).to(self.device)
            return float(self.model.get_input_embeddings()(used).float().norm(dim=-1).mean())
        self.model.eval()
        norms = [self.embed(b).norm(dim=-1)[b.perturbable] for b in (b.to(self.device) for b in batches)]
        return float(torch.cat(norms).mean())

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()


def load_encoder(
    name: str,
    labels: tuple[str, ...],
    *,
    layer: int = 0,
    dropout: float | None = None,
    gradient_checkpointing: bool = False,
    seed: int = 0,
) -> Encoder:
    """Load a hub name, a folder or a shipped mini encoder, with a new classification head drawn from `seed`.

    Args:
        dropout: overrides every dropout probability of the encoder's configuration.
        gradient_checkpointing: keep the states between layers only, and compute those inside a layer again in the
            backward pass (Chen et al. 2016): same numbers, less memory, about a third more time.

    Raises:
        EncoderError: it cannot be found or loaded, or does not work as an encoder of sentence pairs.
    """
    where = str(ENCODERS.get(name, name))
    try:
        config = AutoConfig.from_pretrained(where, trust_remote_code=False)
        if dropout is not None:
            _set_dropout(config, dropout)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_pretrained(
            where, config=config, trust_remote_code=False, weights_only=True, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
        encoder = Encoder(model, tokenizer, layer)
        _mask_unseen(model)
        if gradient_checkpointing:
            _recompute(model)
    except EncoderError:
        raise
    except pickle.UnpicklingError as error:  # PyTorch's own text advises to run what it has refused
        raise refused(f"{name}: pytorch_model.bin") from error
    except Exception as error:  # a foreign file makes these libraries raise whatever they like
        raise _unusable(name, error) from error
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise EncoderError(
            f"encoder: {name}: its tokenizer has {len(tokenizer)} pieces, its word embeddings only "
            f"{model.get_input_embeddings().num_embeddings}; they do not belong together."
        )
    return encoder


def check_encoder(name: str) -> None:
    """Whether an encoder's configuration and tokenizer can be read, and a folder's weights are whole; loads none.

    Raises:
        EncoderError: they cannot.
    """
    where = str(ENCODERS.get(name, name))

    # Its retries tell a user nothing that the one line below does not.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    error = within(PATIENCE, lambda: AutoConfig.from_pretrained(where, trust_remote_code=False))
    if error is not None:
        raise _unusable(name, error) from error
    load_tokenizer(name)
    if Path(where).is_dir():
        check_weights(Path(where))


def load_tokenizer(name: str) -> Any:
    """The tokenizer alone, which must keep the two sentences of a pair in order.

    Raises:
        EncoderError: it cannot be read, or does not.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(ENCODERS.get(name, name)), trust_remote_code=False)
        PairTemplate.of(tokenizer)
    except Exception as unusable:  # a foreign file makes these libraries raise whatever they like
        raise _unusable(name, unusable, "its tokenizer cannot be read: ") from unusable
    return tokenizer


UNSEEN = "sdpa_mask_unseen"  # transformers' name for our attention: its own, but for the mask
PATIENCE = 6.0  # seconds for the hub to send a configuration, a kilobyte


def _unusable(name: str, error: Exception, what: str = "") -> EncoderError:
    return EncoderError(
        f"encoder: {name}: {what}{_first_line(error)} Give the name of an encoder on the Hugging Face hub, "
        f"or a folder with config.json, a tokenizer and safetensors.{closest(name, ENCODERS)}"
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    # a line that ends with a colon has not said it yet
    told = re.sub(r":\s*\n\s*", ": ", text).splitlines()[0]
    return told.rstrip(" .,:") + "."


def _recompute(model: Any) -> None:
    try:
        model.activation_checkpointing_enable()
    except ValueError as error:
        raise EncoderError(
            f"training.gradient_checkpointing: {type(model).__name__} cannot compute its layers again; set it to "
            "false, and training.micro_batch to less."
        ) from error


def _mask_unseen(model: Any) -> None:
    """Build attention masks without asking the device whether there is anything to mask.

    transformers asks it in every forward pass, to leave the mask out where no pair is padded; a GPU then waits for the
    host K + 1 times a step. Models that build their masks in another way are left as they are.
    """
    if model.config._attn_implementation == "sdpa" and model._can_set_attn_implementation():
        AttentionInterface.register(UNSEEN, sdpa_attention_forward)
        AttentionMaskInterface.register(UNSEEN, _sdpa_mask)
        model.set_attn_implementation(UNSEEN)


def _sdpa_mask(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    return sdpa_mask(*args, **{**kwargs, "allow_is_bidirectional_skip": False})


def _set_dropout(config: Any, probability: float) -> None:
    for key, value in config.to_dict().items():
        if "dropout" in key and (value is None or isinstance(value, float | int)):
            setattr(config, key, probability)


def _masks(model: Any, batch: Batch) -> dict[str, torch.Tensor]:
    masks = {"attention_mask": batch.attention_mask}
    if batch.token_type_ids is not None and getattr(model.config, "type_vocab_size", 0) > 1:
        masks["token_type_ids"] = batch.token_type_ids
    return masks


def _upper_layers(model: Any, k: int) -> tuple[nn.Module, str, nn.ModuleList]:
    """The module that owns the stack of layers, its name there, and the stack itself."""
    count = getattr(model.config, "num_hidden_layers", 0)
    if not 0 < k < count:
        raise EncoderError(
            f"site: layer {k} is not inside the encoder; 1 to {count - 1} are (or the site word)."
        )
    if getattr(model.config, "conv_kernel_size", 0):
        raise EncoderError("site: this encoder mixes its first layer with a convolution; use the site word.")
    for module in model.base_model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == count:
                return module, name, child
    raise EncoderError(f"site: {type(model).__name__} shares its layers; use the site word.")


@contextmanager
def _replaced(owner: nn.Module, name: str, part: nn.ModuleList) -> Iterator[None]:
    whole = getattr(owner, name)
    setattr(owner, name, part)
    try:
        yield
    finally:
        setattr(owner, name, whole)
