"""What a training step needs of a GPU's memory: a small model, for packing trials onto GPUs. Knows no GPU.

Weights, gradients and AdamW's two moments in float32 take 16 bytes per trained parameter, and 4 per frozen one;
bfloat16 copies of the weights take 2 more. This is a bound: word embeddings that the data do not use need less
(`words`). Activations in bfloat16 take 34 bytes per token, layer and unit of width, and 5 per head and pair of tokens
if attention is not fused (Korthikanti et al. 2022, section 4); in float32, twice that. The rest is CUDA's own, and
fragments. Inner steps of an adversarial method keep no more than a plain step. An evaluation keeps one layer's
activations, of a batch of its own size. Measurements on an H100 stand in the log of findings (studies/README.md).
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from xrt.mini import ENCODERS

OVERHEAD = 1.0 * 2**30  # bytes: CUDA's context and kernels; 0.86 GiB on an H100
SLACK = 1.2  # fragments, and batches that vary in length
EVALUATED = 32768  # tokens of a batch that is evaluated on a GPU
# Bytes per head and pair of tokens, if attention is not fused; DeBERTa adds two gathered maps and their indices.
MAP, DEBERTA = 5, 18


@dataclass(frozen=True)
class Shape:
    """An encoder's size: all parameters, those of its word embeddings, layers, width, attention heads."""

    parameters: int
    embeddings: int
    layers: int
    width: int
    heads: int
    map: int = MAP


@lru_cache
def shape_of(name: str) -> Shape:
    """From the encoder's configuration alone: weights are neither read nor allocated."""
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
    shape: Shape,
    pairs: int,
    tokens: int,
    *,
    frozen_embeddings: bool = False,
    compiled: bool = False,
    single: bool = False,
) -> float:
    """GiB of a training step with `pairs` pairs at once, each of `tokens` tokens.

    Args:
        compiled: steps are CUDA graphs, whose memory nothing else can use.
        single: matrix products in float32.
    """
    activations = pairs * tokens * shape.layers * _token(shape, tokens) * (1 + single)
    return _gib(shape, activations * (1 + compiled), frozen_embeddings)


def evaluation_gib(
    shape: Shape, tokens: int, *, frozen_embeddings: bool = False, single: bool = False
) -> float:
    """GiB of an evaluation during the training: one layer at a time, of a large batch."""
    return _gib(shape, EVALUATED * _token(shape, tokens) * (1 + single), frozen_embeddings)


def _gib(shape: Shape, activations: int, frozen_embeddings: bool) -> float:
    frozen = shape.embeddings if frozen_embeddings else 0
    states = 16 * (shape.parameters - frozen) + 4 * frozen + 2 * shape.parameters
    return (SLACK * (states + activations) + OVERHEAD) / 2**30


def _token(shape: Shape, tokens: int) -> int:
    """Bytes of a token's activations in one layer."""
    return 34 * shape.width + shape.map * shape.heads * tokens


# Errors of cuBLAS, cuDNN and the driver, which allocate memory beside torch's allocator.
SHORT = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a GPU's memory was too small, whichever library raised it."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in SHORT)
    )
