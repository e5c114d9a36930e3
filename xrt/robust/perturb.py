"""Perturbations of hidden states: what is added to the embeddings of a training step.

A perturbation knows only tensors. From embeddings (B, T, D), the perturbable positions (B, T), a closure
`loss_of(embeddings)` and a generator it makes δ (B, T, D): detached, float32, zero outside the positions. It
never touches parameter gradients. It knows no model, no optimizer and no text; synonyms, which change words, live
in `xrt.data.synonyms`.

Letters: B pairs, T tokens, D width. Radii and scales are absolute (already multiplied by the site's mean norm).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from xrt.robust.region import Ball, Region

LossOf = Callable[[torch.Tensor], torch.Tensor]
# δ⁰: zero, a random point of the ball, or one near its centre, for objectives without a gradient at zero.
Start = Literal["zero", "small", "ball"]
SMALL = 0.2  # of the ball: as in FreeLB's settings for MNLI (0.1/√3 in a ball of 0.3)


class Perturbation(Protocol):
    """Adds robustness by changing what the model reads.

    `passes`: inner forward-backward passes per call. `size`: the largest possible mean ‖δ_i‖; of noise its usual value.
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
    """PGD in the robust region (Madry et al. 2018; Huang et al. 2021).

    δ⁰ as `start` says; `passes` = K times δ ← project(δ + α·g/‖g‖), g = ∂loss/∂δ, with α the radius for K = 1, which
    from zero is one normalised gradient step (Miyato et al. 2017), and 2.5·radius/K for more. Only ∂loss/∂δ is
    computed: a pass costs a forward pass, and the half of a backward pass that leads to the input.

    Zero is the default, because in D dimensions a random point of the ball lies near its surface and at right angles
    to the gradient, so the steps would first have to undo it.
    """

    radius: float
    passes: int
    start: Start = "zero"
    ball: Ball = "piece"

    @property
    def size(self) -> float:
        return self.radius

    @property
    def step(self) -> float:
        """α as a share of the ball's radius."""
        return 1.0 if self.passes == 1 else 2.5 / max(1, self.passes)

    def begin(self, region: Region, width: int, generator: torch.Generator) -> torch.Tensor:
        """δ⁰ (B, T, D)."""
        if self.start == "zero":
            return torch.zeros((*region.mask.shape[:2], width), device=region.mask.device)
        return region.random(width, generator) * (SMALL if self.start == "small" else 1.0)

    def __call__(
        self, embeddings: torch.Tensor, perturbable: torch.Tensor, loss_of: LossOf, generator: torch.Generator
    ) -> torch.Tensor:
        region = Region.around(embeddings, perturbable, self.radius, self.ball)
        delta = self.begin(region, embeddings.shape[-1], generator)
        for _ in range(self.passes):
            delta.requires_grad_()
            (gradient,) = torch.autograd.grad(loss_of(embeddings + delta), delta)
            delta = region.ascend(delta.detach(), gradient, self.step)
        return delta


@dataclass(frozen=True)
class Noise:
    """Random smoothing (RS-RP, Huang et al. 2021): δ_i = scale/√D · N(0, I_D), so that ‖δ_i‖ ≈ scale."""

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
