"""Settings of the study file inside a loaded encoder (dropout, recomputation); steps that never wait for the GPU."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForSequenceClassification

from xrt.errors import EncoderError

UNSEEN = "sdpa_mask_unseen"  # our attention's name in transformers: its own, with another mask


def set_dropout(model: Any, probability: float) -> None:
    """Give every dropout of a model this probability, whatever its family calls it, also in its configuration.

    `inspection` checks that nothing random was missed. LayerDrop leaves out whole layers, so it is not a dropout.
    """
    for key, value in model.config.to_dict().items():
        if _is_dropout(key, value) or (key.endswith("dropout") and value is None):
            setattr(model.config, key, probability)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        for key, value in list(vars(module).items()):
            if _is_dropout(key, value):
                setattr(module, key, probability)


def _is_dropout(key: str, value: object) -> bool:
    named = ("drop" in key and "layerdrop" not in key and "path" not in key) or key.endswith("pdrop")
    return named and isinstance(value, float | int) and not isinstance(value, bool)


def recompute(model: Any) -> None:
    """Keep the states between layers only, and compute those inside a layer again in the backward pass.

    Raises:
        EncoderError: the family does not support it.
    """
    try:
        model.activation_checkpointing_enable()
    except ValueError as error:
        raise EncoderError(
            f"training.gradient_checkpointing: {type(model).__name__} cannot compute its layers again; set it to "
            "false, and training.micro_batch to less."
        ) from error


def mask_unseen(model: Any) -> None:
    """Build attention masks without reading from the device whether anything is to be masked.

    transformers does so in every forward pass, to leave out the mask if no pair is padded; the GPU then waits for the
    host K + 1 times per step. Models that build their masks in another way are left as they are.
    """
    if _has_sdpa(model.config):
        AttentionInterface.register(UNSEEN, AttentionInterface()["sdpa"])
        AttentionMaskInterface.register(UNSEEN, _sdpa_mask)
        model.set_attn_implementation(UNSEEN)


def keep_positions(model: Any) -> None:
    """Compute DeBERTa's relative positions once per width; its family does so in every forward pass.

    They depend on nothing else. Computing them copies from the host: the GPU waits, and no CUDA graph can record it.
    """
    for module in model.modules():
        if hasattr(module, "get_rel_pos"):
            module.get_rel_pos = _Positions(module.get_rel_pos)


class _Positions:
    def __init__(self, compute: Callable[..., torch.Tensor | None]) -> None:
        self._compute, self._known = compute, dict[tuple[torch.device, int], torch.Tensor | None]()

    def __call__(self, hidden_states: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor | None:
        if any(value is not None for value in (*others, *named.values())):
            return self._compute(hidden_states, *others, **named)
        key = (hidden_states.device, hidden_states.shape[-2])
        if key not in self._known:
            # Not an inference tensor, because training may read it next.
            with torch.inference_mode(False):
                self._known[key] = self._compute(hidden_states)
        return self._known[key]


def _has_sdpa(config: Any) -> bool:
    try:
        with torch.device("meta"):
            AutoModelForSequenceClassification.from_config(deepcopy(config), attn_implementation="sdpa")
    except ValueError:
        return False
    return True


def _sdpa_mask(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    return AttentionMaskInterface()["sdpa"](*args, **{**kwargs, "allow_is_bidirectional_skip": False})
