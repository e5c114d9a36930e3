"""What each method minimises: fills the parameter gradients of one batch, and knows what that costs.

Knows no optimizer, no order of batches and no files; the loop that calls it is `training`.

Letters: B pairs, T tokens, D width, C classes.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F

from xrt.data.batches import Batch
from xrt.robust.encoder import Encoder
from xrt.robust.perturb import Adversarial, Perturbation
from xrt.robust.region import Region


class Method(Protocol):
    """Fills the parameter gradients of one (micro-)batch with weight `weight`; returns the detached objective."""

    @property
    def perturbation(self) -> Perturbation: ...

    @property
    def objective(self) -> "Objective": ...

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor: ...

    def cost(self, layers: int, site: int) -> float:
        """Cost of a step relative to a plain step, where a backward pass costs two forward passes."""
        ...


@dataclass(frozen=True)
class Objective:
    """clean·L(x) + weight·L(x+δ), or with `kl` (1 + clean)·L(x) + weight·KL(x, x+δ).

    L is the cross entropy, KL the symmetric divergence of the predictions (Jiang et al. 2020; Aghajanyan et al. 2021);
    with `kl` an attack raises KL too. As there, the two passes of a step draw different dropout masks.
    """

    clean: float = 0.0
    weight: float = 1.0
    kl: bool = False

    @property
    def clean_passes(self) -> int:
        """Passes of a step without δ, each a forward and a backward."""
        return int(self.kl or self.clean > 0)

    def of(self, encoder: Encoder, batch: Batch, states: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """The objective at the states (B, T, D) of the site and their δ, with its graph."""
        # First, so that it draws the dropout mask that plain fine-tuning would.
        clean = encoder.logits(batch, states) if self.clean_passes else None
        moved = encoder.logits(batch, states + delta)
        term = divergence(moved, clean) if self.kl and clean is not None else _loss(moved, batch)
        term = term if self.weight == 1.0 else self.weight * term
        return term if clean is None else term + (self.kl + self.clean) * _loss(clean, batch)


@dataclass(frozen=True)
class Perturbed:
    """Minimise the objective at embeddings + δ: plain, adversarial or noisy fine-tuning, by its perturbation.

    The inner passes run without dropout. So they attack the network that will be used, cost less, and draw no random
    numbers of the outer pass: with radius 0 the training equals plain fine-tuning to the bit.
    `tests/bench/inner_dropout.py` measures it against one dropout mask for all passes of a step.
    """

    perturbation: Perturbation
    objective: Objective = Objective()

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        states = encoder.embed(batch)
        delta = attack(encoder, batch, states.detach(), self, generator)
        loss = self.objective.of(encoder, batch, states, delta)
        (loss * weight).backward()
        return loss.detach()

    def cost(self, layers: int, site: int) -> float:
        inner = self.perturbation.passes
        # An attack on the divergence needs the predictions without δ: one more forward pass, a third.
        thirds = 2 * inner + 3 * self.objective.clean_passes + (self.objective.kl and inner > 0)
        return 1 + thirds / 3 * (layers - site) / layers


@dataclass(frozen=True)
class Free:
    """FreeLB (Zhu et al. 2020): K ascents, and K + 1 parameter gradients, each with weight 1/(K + 1).

    As in the authors' fairseq code. Their algorithm 1 and their code for transformers leave out the last gradient, at
    the δ after the last ascent, so K = 1 never trains on an ascent. All passes of a step share one dropout mask
    (ibid.), so that the ascent follows one network.
    """

    perturbation: Adversarial

    @property
    def objective(self) -> Objective:
        return Objective()

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        how, masks = self.perturbation, _random_numbers(encoder.device)
        region = Region.around(batch.input_ids, batch.perturbable, how.radius, how.ball)
        delta, total, before = torch.zeros(()), torch.zeros((), device=encoder.device), masks.get_rng_state()
        for k in range(how.passes + 1):
            masks.set_rng_state(before)
            states = encoder.embed(batch)
            if k == 0:
                delta = how.begin(region, states.shape[-1], generator)
            delta.requires_grad_()
            loss = encoder.loss(batch, states + delta) / (how.passes + 1)
            (loss * weight).backward()
            total += loss.detach()
            if k < how.passes:
                assert delta.grad is not None
                delta = region.ascend(delta.detach(), delta.grad, how.step)
        return total

    def cost(self, layers: int, site: int) -> float:
        return float(self.perturbation.passes + 1)


def attack(
    encoder: Encoder, batch: Batch, states: torch.Tensor, method: Method, generator: torch.Generator
) -> torch.Tensor:
    """A method's δ (B, T, D) against the encoder without dropout; the encoder is in training mode before and after."""
    # Without an ascent nothing passes through the encoder.
    with encoder.as_used() if method.perturbation.passes else nullcontext():
        raised = Raised(encoder, batch, states, method)
        return method.perturbation(states, batch.perturbable, raised, generator)


class Raised:
    """What an attack raises, as a function of the states (B, T, D): the loss, or the divergence from no δ."""

    def __init__(self, encoder: Encoder, batch: Batch, states: torch.Tensor, method: Method) -> None:
        self._encoder, self._batch, self._clean = encoder, batch, None
        if method.objective.kl and method.perturbation.passes:
            # Not under no_grad: before torch 2.11 autocast reuses the weights that it casts there in later passes,
            # which then have no gradient.
            self._clean = encoder.logits(batch, states).detach()

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        logits = self._encoder.logits(self._batch, states)
        return _loss(logits, self._batch) if self._clean is None else divergence(logits, self._clean)


def divergence(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """KL(p‖q) + KL(q‖p), the mean over the B pairs, of two predictions as logits (B, C)."""
    p, q = F.log_softmax(one, -1), F.log_softmax(other, -1)
    return ((p.exp() - q.exp()) * (p - q)).sum(-1).mean()


def _loss(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    return F.cross_entropy(logits, batch.labels)


def _random_numbers(device: torch.device) -> Any:
    """The module whose random state dropout uses; that state is on the host, so reading it waits for no GPU."""
    return torch if device.type == "cpu" else torch.get_device_module(device)
