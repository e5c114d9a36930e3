"""A pretrained encoder with a classification head, split at one site: the part below runs once, the part above many
times.

Works with whatever `AutoModelForSequenceClassification` loads, from the hub or a folder, if `inspection` finds that it
computes the same in training and in evaluation. Never runs remote code. Knows no methods, optimizers or data sets.

Letters: B pairs, T tokens, D width, C classes.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import GradientCheckpointingLayer

from xrt.data.batches import Batch, PairTemplate
from xrt.errors import EncoderError
from xrt.robust.settings import keep_positions, mask_unseen, recompute, set_dropout
from xrt.robust.site import entering, layer_count, leaving, upper_layers
from xrt.robust.sources import load_config, load_tokenizer, worded
from xrt.robust.weights import load_model

# Modules whose forward pass never reads their training flag; that of others may.
FLAGLESS = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.ModuleList)


@dataclass
class Encoder:
    """Model, tokenizer and the site where δ is added: `layer` 0 is the word embeddings, k the states after layer k.

    `sentences` of an input: 1, or 2 for a pair. `mixed`: matrix products in bfloat16; None: if the device supports it.
    """

    model: Any  # a transformers model; its type cannot be named without importing all of them
    tokenizer: Any
    layer: int = 0
    sentences: int = 2
    mixed: bool | None = None
    template: PairTemplate = field(init=False)
    _flagged: list[nn.Module] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.template = PairTemplate.of(self.tokenizer, self.sentences)
        self._flagged = [module for module in self.model.modules() if type(module) not in FLAGLESS]
        if self.layer:
            upper_layers(self.model, self.layer)  # raises early if there is no such site

    @property
    def device(self) -> torch.device:
        return torch.device(self._words.device)

    @property
    def layers(self) -> int:
        return layer_count(self.model)

    def embed(self, batch: Batch) -> torch.Tensor:
        """The states at the site (B, T, D), with their graph: input word embeddings, or the states after layer k."""
        if self.layer == 0:
            return self.model.get_input_embeddings()(batch.input_ids)
        with leaving(self.model, self.layer) as caught, self._autocast():
            self.model.base_model(**_inputs(self.model, batch))
        return caught[0].to(self._words.dtype)  # autocast may have made it bfloat16

    def logits(self, batch: Batch, states: torch.Tensor) -> torch.Tensor:
        """Class scores (B, C) in float32, from the states at the site (B, T, D) upwards."""
        with entering(self.model, self.layer, states):
            return self.scores(batch)

    def scores(self, batch: Batch) -> torch.Tensor:
        """Class scores (B, C) in float32, from the token ids."""
        with self._autocast():
            return self.model(**_inputs(self.model, batch)).logits.float()

    def loss(self, batch: Batch, states: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy over the B pairs, from the states at the site (B, T, D) upwards."""
        return F.cross_entropy(self.logits(batch, states), batch.labels)

    @contextmanager
    def as_used(self) -> Iterator[None]:
        """Without dropout, as the network will be used; training mode afterwards.

        Layers that recompute their states in a backward pass keep their own training flag, which switches that on and
        has no effect on dropout (the flags of the modules inside them do). Because this runs in every step, it neither
        searches for modules nor touches those that never read their flag.
        """
        for module in self._flagged:
            module.training = isinstance(module, GradientCheckpointingLayer)
        try:
            yield
        finally:
            for module in self._flagged:
                module.training = True

    def casting_once(self) -> AbstractContextManager[Any]:
        """Within the block a weight is cast to bfloat16 once, however many passes read it; it must not change there.

        autocast keeps its copies until its outermost block ends, even if that is disabled. This one is disabled, so
        backward passes and computations on gradients stay outside of autocast.
        """
        return torch.autocast(self.device.type, enabled=False)

    @torch.inference_mode()
    def predict(self, batch: Batch) -> torch.Tensor:
        """The most likely class of each pair (B,)."""
        return self.scores(batch).argmax(-1)

    @torch.inference_mode()
    def site_norm(self, token_ids: np.ndarray[Any, Any], batches: list[Batch]) -> float:
        """The mean L2 norm at the site: the unit of radius and noise scale.

        Word embeddings: over the vocabulary that `token_ids` uses. Layer k: over the perturbable positions
        of `batches`.

        Raises:
            EncoderError: the norm is zero or not a number, so that no radius would perturb anything.
        """
        if self.layer == 0:
            used = torch.from_numpy(np.unique(token_ids).astype(np.int64)).to(self.device)
            norm = float(self.model.get_input_embeddings()(used).float().norm(dim=-1).mean())
        else:
            self.model.eval()
            norms = [self.embed(b).norm(dim=-1)[b.perturbable] for b in (b.to(self.device) for b in batches)]
            norm = float(torch.cat(norms).mean())
        if not 0 < norm < math.inf:
            site = f"states of layer {self.layer}" if self.layer else "word embeddings"
            raise EncoderError(
                f"{self.model.name_or_path}: the {site} have a mean norm of {norm}, the unit of radius and noise; "
                "the weights are damaged. Give another encoder."
            )
        return norm

    @property
    def _words(self) -> torch.Tensor:
        """The word embeddings, which every encoder has; finding them needs no walk through the modules."""
        weight: torch.Tensor = self.model.get_input_embeddings().weight
        return weight

    def _autocast(self) -> AbstractContextManager[Any]:
        mixed = self.mixed
        if mixed is None:
            mixed = self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if mixed else nullcontext()


def load_encoder(
    name: str,
    labels: tuple[str, ...],
    *,
    sentences: int = 2,
    layer: int = 0,
    dropout: float | None = None,
    gradient_checkpointing: bool = False,
    seed: int = 0,
) -> Encoder:
    """Load a hub name, a folder or a shipped mini encoder, with a new classification head drawn from `seed`.

    Args:
        dropout: overrides every dropout probability of the encoder.
        gradient_checkpointing: keep the states between layers only, and compute those inside a layer again in the
            backward pass (Chen et al. 2016): same numbers, less memory, about a third more time.

    Raises:
        EncoderError: it cannot be found or loaded, its weights do not belong to it, or it does not work as an encoder
            of sentence pairs.
    """
    with worded(name):
        config = load_config(name)
        tokenizer = load_tokenizer(name)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
        text = config.get_text_config()
        if text.pad_token_id is None:  # decoder families read the last token that is not padding
            text.pad_token_id = tokenizer.pad_token_id
        model = load_model(name, config, seed)
        _check_words(name, model, tokenizer)
        if dropout is not None:
            set_dropout(model, dropout)
        mask_unseen(model)
        keep_positions(model)
        if gradient_checkpointing:
            recompute(model)
        return Encoder(model, tokenizer, layer, sentences)


def _check_words(name: str, model: Any, tokenizer: Any) -> None:
    try:
        words = model.get_input_embeddings()
    except NotImplementedError:  # as transformers raises for a model whose words it cannot find
        words = None
    if not isinstance(words, nn.Embedding):
        raise EncoderError(
            f"encoder: {name}: {type(model).__name__} has no plain table of word embeddings, where δ could be added. "
            "Choose another encoder."
        )
    if len(tokenizer) > words.num_embeddings:
        raise EncoderError(
            f"encoder: {name}: its tokenizer has {len(tokenizer)} pieces, its word embeddings only "
            f"{words.num_embeddings}; they do not belong together."
        )


def _inputs(model: Any, batch: Batch) -> dict[str, torch.Tensor]:
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    if batch.token_type_ids is not None and getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = batch.token_type_ids
    return inputs
