"""Perturbations of hidden states: what is added to the embeddings of a training step.

A perturbation knows only tensors: given embeddings (B, T, D), the perturbable positions (B, T), a closure
`loss_of(embeddings)` and a generator, it returns δ (B, T, D): detached, float32, zero outside the positions. It
never touches parameter gradients. It knows no model, no optimizer and no text; synonyms, which change words, live
in `xrt.data.synonyms`.

Letters: B pairs, T tokens, D width. Radii and scales are absolute (already multiplied by the site's mean norm).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from xrt.robust.region import Region

LossOf = Callable[[torch.Tensor], torch.Tensor]


class Perturbation(Protocol):
    """Adds robustness by changing what the model reads.

    `passes`: inner forward-backward passes a call. `size`: the largest norm of δ_i; of noise, its usual one.
    """

    @property
    def passes(self) -> int: ...

    @property
    def size(self) -> float: ...

    def __call__(
        self, embeddings: torch.Tensor, perturbable: torch.Tensor, loss_of: LossOf, generator: torch.Generator
    ) -> torch.Tensor: ...


@dataclass(frozen=True)
class Clean:
    """No perturbation: plain fine-tuning."""

    passes: int = 0
    size: float = 0.0

    def __call__(
        self, embeddings: torch.Tensor, perturbable: torch.Tensor, loss_of: LossOf, generator: torch.Generator
    ) -> torch.Tensor:
        return torch.zeros_like(embeddings, dtype=torch.float32)


@dataclass(frozen=True)
class Adversarial:
    """PGD in the robust region (Madry et al. 2018; Huang et al. 2021, section 3.2).

    δ⁰ is uniform in the ball; `passes` times δ ← project(δ + α·g_i/‖g_i‖), g = ∂loss/∂δ, α = 1.5·radius/passes.
    Only ∂loss/∂δ is computed: a pass costs a forward and the half of a backward that leads to the input.
    """

    radius: float
    passes: int

    @property
    def size(self) -> float:
        return self.radius

    @property
    def step(self) -> float:
        """The length α of one ascent step."""
        return 1.5 * self.radius / self.passes

    def __call__(
        self, embeddings: torch.Tensor, perturbable: torch.Tensor, loss_of: LossOf, generator: torch.Generator
    ) -> torch.Tensor:
        region = Region.around(embeddings, perturbable, self.radius)
        delta = region.random(embeddings.shape[-1], generator)
        for _ in range(self.passes):
            delta.requires_grad_()
            (gradient,) = torch.autograd.grad(loss_of(embeddings + delta), delta)
            delta = region.ascend(delta.detach(), gradient, self.step)
        return delta


@dataclass(frozen=True)
class Noise:
    """Random smoothing (RS-RP, Huang et al. 2021, section 3.3): δ_i = scale/√D · N(0, I_D), so that ‖δ_i‖ ≈ scale."""

    scale: float
    passes: int = 0

    @property
    def size(self) -> float:
        return self.scale

    def __call__(
        self, embeddings: torch.Tensor, perturbable: torch.Tensor, loss_of: LossOf, generator: torch.Generator
    ) -> torch.Tensor:
        shape, width = embeddings.shape, embeddings.shape[-1]
        draw = torch.randn(shape, generator=generator, device=embeddings.device)
        return draw * (perturbable.unsqueeze(-1) * (self.scale / width**0.5))
