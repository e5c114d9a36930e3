"""What a training step needs of a GPU's memory: a small model, for packing trials onto GPUs. Knows no GPU.

Weights, gradients and AdamW's two moments in float32 are 16 bytes a trained parameter, and 4 a frozen one; bfloat16
copies of the weights are 2 more. It is a bound: word embeddings that the data do not use need less (`words`).
Activations in bfloat16 are 34 bytes a token, layer and unit of width, and 5 a head and pair of tokens where attention
is not fused (Korthikanti et al. 2022, section 4). The rest is CUDA's own, and what its allocator cannot use. The inner
steps of an adversarial method keep no more than a plain step does. An evaluation keeps the activations of one layer, of
a batch of its own. What was measured beside it on an H100: the log of findings (studies/README.md).
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from xrt.mini import ENCODERS

OVERHEAD = 1.0 * 2**30  # bytes: CUDA's context and kernels; 0.86 GiB on an H100
SLACK = 1.2  # fragments, and batches that vary in length
EVALUATED = 32768  # tokens of a batch that is evaluated on a GPU
# Bytes a head and pair of tokens: attention that is not fused; DeBERTa adds two gathered maps and their indices.
MAP, DEBERTA = 5, 18


@dataclass(frozen=True)
class Shape:
    """Of an encoder: parameters in all and of its word embeddings, layers, width, attention heads."""

    parameters: int
    embeddings: int
    layers: int
    width: int
    heads: int
    map: int = MAP


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
        DEBERTA if config.model_type.startswith("deberta") else MAP,
    )


def step_gib(
    shape: Shape, pairs: int, tokens: int, *, frozen_embeddings: bool = False, compiled: bool = False
) -> float:
    """GiB of a training step with so many pairs at once, each of `tokens` tokens.

    Args:
        compiled: steps are CUDA graphs, whose memory nothing else can use.
    """
    activations = pairs * tokens * shape.layers * _token(shape, tokens)
    return _gib(shape, activations * (1 + compiled), frozen_embeddings)


def evaluation_gib(shape: Shape, tokens: int, *, frozen_embeddings: bool = False) -> float:
    """The same of an evaluation during the training: one layer at a time, of a large batch."""
    return _gib(shape, EVALUATED * _token(shape, tokens), frozen_embeddings)


def _gib(shape: Shape, activations: int, frozen_embeddings: bool) -> float:
    frozen = shape.embeddings if frozen_embeddings else 0
    states = 16 * (shape.parameters - frozen) + 4 * frozen + 2 * shape.parameters
    return (SLACK * (states + activations) + OVERHEAD) / 2**30


def _token(shape: Shape, tokens: int) -> int:
    """Bytes of the activations of a token in one layer."""
    return 34 * shape.width + shape.map * shape.heads * tokens


# cuBLAS, cuDNN and the driver take memory beside torch's allocator, and say so in words of their own
SHORT = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's memory was too small, whoever noticed."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in SHORT)
    )
