"""What a training step needs of a GPU's memory: a small model, for packing trials onto GPUs. Knows no GPU.

Weights, gradients and AdamW's two moments in float32 are 16 bytes a trained parameter, and 4 a frozen one; bfloat16
copies of the weights are 2 more. It is a bound: word embeddings that the data do not use need less (`words`).
Activations in bfloat16 are 34 bytes a token, layer and unit of width, and 5 a head and pair of tokens where attention
is not fused (Korthikanti et al. 2022, section 4). The rest is CUDA's own, and what its allocator cannot use. The inner
steps of an adversarial method keep no more than a plain step does.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from xrt.mini import ENCODERS

OVERHEAD = 0.7 * 2**30  # bytes: CUDA's context and kernels
SLACK = 1.2  # fragments, and batches that vary in length


@dataclass(frozen=True)
class Shape:
    """Of an encoder: parameters in all and of its word embeddings, layers, width, attention heads."""

    parameters: int
    embeddings: int
    layers: int
    width: int
    heads: int


@lru_cache
def shape_of(name: str) -> Shape:
    """From the encoder's configuration alone: no weights are read and no memory is used for them."""
    config = AutoConfig.from_pretrained(str(ENCODERS.get(name, name)), trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    return Shape(
        sum(p.numel() for p in model.parameters()),
        model.get_input_embeddings().weight.numel(),
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
    )


def step_gib(shape: Shape, pairs: int, tokens: int, *, frozen_embeddings: bool = False) -> float:
    """GiB of a training step with so many pairs at once, each of `tokens` tokens."""
    frozen = shape.embeddings if frozen_embeddings else 0
    states = 16 * (shape.parameters - frozen) + 4 * frozen + 2 * shape.parameters
    layer = pairs * tokens * (34 * shape.width + 5 * shape.heads * tokens)
    return (SLACK * (states + shape.layers * layer) + OVERHEAD) / 2**30


# cuBLAS, cuDNN and the driver take memory beside torch's allocator, and say so in words of their own
SHORT = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's memory was too small, whoever noticed."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in SHORT)
    )
