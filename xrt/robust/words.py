"""The rows of the word embeddings that a training updates: those that its data use, in a small separate table.

Without weight decay AdamW never moves a row that has no gradient, so leaving such rows out changes no weight, to the
bit (on a CPU, for widths that are multiples of 16). Of XLM-R base's 278 million parameters 192 million are word
embeddings, most of them in such rows. Knows no optimizer.

Letters: V pieces of the vocabulary, U of them in use, D width.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from xrt.robust.encoder import Encoder


class Words:
    """The word embeddings of an encoder in training.

    Between `take` and `give_back` a table of the used rows (U, D) replaces the encoder's own (V, D): look-ups read it,
    and a piece that is not in use is an error. At any other time the encoder has all its rows, as trained so far. All
    tensors keep their addresses.

    The encoder's own table is trained, as `weight` (V, D), if the rows are not known beforehand (`used` is None) or
    cannot be left out (`_separable`).
    """

    def __init__(self, encoder: Encoder, used: np.ndarray[Any, Any] | None, weight_decay: float) -> None:
        """`used`: the ids of all pieces that training data may hold, without those that the encoder adds itself."""
        self._words = encoder.model.get_input_embeddings()
        self.whole: nn.Parameter = self._words.weight
        self.weight, self._used = self.whole, None
        if used is None or weight_decay or not _separable(encoder):
            return
        count, device = len(self.whole), self.whole.device
        ids = np.unique(np.concatenate([used, _added(encoder)])).astype(np.int64)
        # With most rows in use a second table would need more memory than it saves.
        if 2 * len(ids) > count:
            return
        # Row U does not exist, so a piece that is not in use raises, and no step has to check for it.
        rows = torch.full((count,), len(ids))
        rows[ids] = torch.arange(len(ids))
        pad = self._words.padding_idx
        self._padding = (pad, None if pad is None else int(rows[pad]))
        self._used, self._rows = torch.from_numpy(ids).to(device), rows.to(device)
        self._norms = self.whole.new_zeros(count)
        self.weight = nn.Parameter(self.whole.detach()[self._used])

    def take(self) -> None:
        """Before steps: swap in the table of the used rows, with their present values."""
        if self._used is None:
            return
        torch.index_select(self.whole.detach(), 0, self._used, out=self.weight.detach())
        self._words.weight, self._words.padding_idx = self.weight, self._padding[1]
        self._hook = self._words.register_forward_pre_hook(self._row_of)

    def give_back(self) -> None:
        """After steps: swap in the whole table, with the used rows as trained so far."""
        if self._used is None:
            return
        self.whole.detach().index_copy_(0, self._used, self.weight.detach())
        self._words.weight, self._words.padding_idx = self.whole, self._padding[0]
        self._hook.remove()

    def clip(self, trained: list[nn.Parameter], most: float) -> torch.Tensor:
        """Scale the gradients to an L2 norm of at most `most`; returns the norm before.

        The word embeddings' norm is the norm of the norms of all V rows, because a sum in float32 depends on the zeros
        between its terms: the norm of U rows alone would differ in its last bit.
        """
        assert self._words.weight is self.weight  # between `take` and `give_back`
        gradients = [self._norm(p) if p is self.weight else p.grad for p in trained if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        torch.nn.utils.clip_grads_with_norm_(trained, most, norm)
        return norm

    def _row_of(self, _words: nn.Module, ids: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (self._rows[ids[0]],)

    def _norm(self, weight: nn.Parameter) -> torch.Tensor:
        """The norm of each row's gradient (V,)."""
        norms = torch.linalg.vector_norm(weight.grad, dim=1)
        return norms if self._used is None else self._norms.index_copy_(0, self._used, norms)


def _separable(encoder: Encoder) -> bool:
    """Whether rows can be left out: the table is plain and trained, and nothing else in the model reads it."""
    words = encoder.model.get_input_embeddings()
    readers = sum(p is words.weight for _, p in encoder.model.named_parameters(remove_duplicate=False))
    plain = type(words) is nn.Embedding and words.max_norm is None and not words.sparse
    return plain and readers == 1 and words.weight.requires_grad


def _added(encoder: Encoder) -> list[int]:
    """The pieces around and between sentences, and those that some families pad with."""
    template, padding = encoder.template, encoder.model.get_input_embeddings().padding_idx
    configured = encoder.model.config.get_text_config().pad_token_id
    added = [*template.before, *template.between, *template.after, *encoder.tokenizer.all_special_ids]
    return [*added, template.pad, *(pad for pad in (padding, configured) if pad is not None)]
