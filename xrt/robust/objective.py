"""What each method minimises: it fills the parameter gradients of one batch, and says what that costs.

Knows no optimizer, no order of batches and no files; the loop that calls it is `training`.

Letters: B pairs, T tokens, D width.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch

from xrt.data.batches import Batch
from xrt.robust.encoder import Encoder
from xrt.robust.perturb import Adversarial, Perturbation
from xrt.robust.region import Region


class Method(Protocol):
    """Fills the parameter gradients of one (micro-)batch with weight `weight`; returns the detached loss."""

    @property
    def perturbation(self) -> Perturbation: ...

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor: ...

    def cost(self, layers: int, site: int) -> float:
        """Cost of a step relative to a plain step, where a backward pass costs two forward passes."""
        ...


@dataclass(frozen=True)
class Perturbed:
    """Minimise the loss at embeddings + δ: plain, adversarial or noisy fine-tuning, by its perturbation.

    The inner passes run without dropout: the attack is on the network that will be used, it is cheaper, and it
    leaves the random numbers of the outer pass alone, so that radius 0 equals plain fine-tuning to the bit.
    `tests/bench/inner_dropout.py` measures it against one dropout mask for all passes of a step.
    """

    perturbation: Perturbation

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        states = encoder.embed(batch)
        delta = attack(encoder, batch, states.detach(), self.perturbation, generator)
        loss = encoder.loss(batch, states + delta)
        (loss * weight).backward()
        return loss.detach()

    def cost(self, layers: int, site: int) -> float:
        return 1 + self.perturbation.passes * 2 / 3 * (layers - site) / layers


@dataclass(frozen=True)
class Free:
    """FreeLB (Zhu et al. 2020, algorithm 1): every ascent pass also gives its parameter gradient, 1/K of the sum.

    All K passes of a step see the same dropout mask (ibid., section 3.3): the ascent follows one network.
    """

    perturbation: Adversarial

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        how, masks = self.perturbation, _random_numbers(encoder.device)
        region = Region.around(batch.input_ids, batch.perturbable, how.radius)
        delta, total, before = torch.zeros(()), torch.zeros((), device=encoder.device), masks.get_rng_state()
        for k in range(how.passes):
            masks.set_rng_state(before)
            states = encoder.embed(batch)
            if k == 0:
                delta = region.random(states.shape[-1], generator)
            delta.requires_grad_()
            loss = encoder.loss(batch, states + delta)
            (loss * (weight / how.passes)).backward()
            total += loss.detach() / how.passes
            if k + 1 < how.passes:
                assert delta.grad is not None
                delta = region.ascend(delta.detach(), delta.grad, how.step)
        return total

    def cost(self, layers: int, site: int) -> float:
        return float(self.perturbation.passes)


def attack(
    encoder: Encoder,
    batch: Batch,
    states: torch.Tensor,
    perturbation: Perturbation,
    generator: torch.Generator,
) -> torch.Tensor:
    """δ (B, T, D) of `perturbation` against the encoder without dropout; leaves the encoder in training mode."""
    with encoder.as_used():
        return perturbation(states, batch.perturbable, lambda moved: encoder.loss(batch, moved), generator)


def _random_numbers(device: torch.device) -> Any:
    """Where the random numbers of dropout come from: they live on the host, so reading them waits for nobody."""
    return torch if device.type == "cpu" else torch.get_device_module(device)
