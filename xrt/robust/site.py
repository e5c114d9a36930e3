"""Where δ enters an encoder: its word embeddings (layer 0), or the states after layer k.

PyTorch hooks add it to the forward pass that reads token ids. So a pass with δ differs from a pass without it in
nothing else: positions, masks and pooling come from the same ids. (`inputs_embeds` would hide
the ids from the model: decoder families then mistake padding in the last column for the last token.)

Letters: B pairs, T tokens, D width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from xrt.errors import EncoderError


@contextmanager
def entering(model: Any, layer: int, states: torch.Tensor) -> Iterator[None]:
    """Within the block the model computes from `states` (B, T, D) at the site upwards, whatever is below it."""
    if layer == 0:
        with _hook(model.get_input_embeddings().register_forward_hook(_instead(states))):
            yield
        return

    def enter(
        _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        if args:
            return (states, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": states}

    owner, name, stack = upper_layers(model, layer)
    with (
        _hook(stack[layer].register_forward_pre_hook(enter, with_kwargs=True)),
        _replaced(owner, name, stack[layer:]),
    ):
        yield


@contextmanager
def leaving(model: Any, layer: int) -> Iterator[list[torch.Tensor]]:
    """Within the block the model stops after `layer` ≥ 1 layers; the list then holds their states (B, T, D)."""
    owner, name, stack = upper_layers(model, layer)
    caught: list[torch.Tensor] = []

    def catch(_module: nn.Module, _args: Any, output: Any) -> None:
        caught.append(output[0] if isinstance(output, tuple) else output)

    with (
        _hook(stack[layer - 1].register_forward_hook(catch)),
        _replaced(owner, name, stack[:layer]),
    ):
        yield caught


def upper_layers(model: Any, k: int) -> tuple[nn.Module, str, nn.ModuleList]:
    """The module that owns the stack of layers, its name there, and the stack itself.

    Raises:
        EncoderError: the encoder has no site after layer k.
    """
    count = layer_count(model)
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
    raise EncoderError(
        f"site: {type(model).__name__} shares its layers, or has no single stack of them; use the site word."
    )


def layer_count(model: Any) -> int:
    """The layers of the text encoder."""
    return int(model.config.get_text_config().num_hidden_layers)


def _instead(states: torch.Tensor) -> Any:
    def replace(_module: nn.Module, _args: Any, output: torch.Tensor) -> torch.Tensor:
        if output.shape == states.shape:
            return states
        if output.shape[0] != states.shape[0] or output.shape[1] < states.shape[1]:
            raise ValueError("it does not look up its words pair by pair, token by token")
        # Longformer pads the ids on the right, to a multiple of its window.
        return torch.cat([states, output[:, states.shape[1] :]], 1)

    return replace


@contextmanager
def _hook(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _replaced(owner: nn.Module, name: str, part: nn.ModuleList) -> Iterator[None]:
    whole = getattr(owner, name)
    setattr(owner, name, part)
    try:
        yield
    finally:
        setattr(owner, name, whole)
