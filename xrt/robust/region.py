"""The robust region: one L2 ball around each perturbable word piece (Huang et al. 2021, section 3.1).

Knows only tensors. Radii are absolute here; `relative radius * site norm` is computed where a trial is set up.

Letters: B pairs, T tokens, D width.
"""

from dataclasses import dataclass

import torch

# Keeps 0/0 out of normalisations. Smaller than any gradient that float32 can hold the norm of: a model that is sure
# of its answer has gradients of 1e-12 and less, and their direction is what an attack goes by.
TINY = 1e-30


@dataclass(frozen=True)
class Region:
    """All δ (B, T, D) with ‖δ_i‖₂ ≤ radius at every position i of `mask` (B, T, 1) and δ_i = 0 elsewhere."""

    radius: float
    mask: torch.Tensor  # (B, T, 1), of δ's type

    @classmethod
    def around(cls, embeddings: torch.Tensor, perturbable: torch.Tensor, radius: float) -> "Region":
        """The region around `embeddings` (B, T, D) at the positions of `perturbable` (B, T), in float32."""
        return cls(radius, perturbable.unsqueeze(-1).to(embeddings.device, torch.float32))

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        """The nearest point of the region (B, T, D)."""
        norm = torch.linalg.vector_norm(delta, dim=-1, keepdim=True)
        return delta * ((self.radius / (norm + TINY)).clamp_(max=1.0) * self.mask)

    def ascend(self, delta: torch.Tensor, gradient: torch.Tensor, step: float) -> torch.Tensor:
        """project(δ + step·g_i/‖g_i‖) (B, T, D): one PGD step (Madry et al. 2018) with a ball per position."""
        norm = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
        return self.project(torch.addcmul(delta, gradient, step / (norm + TINY)))

    def random(self, width: int, generator: torch.Generator) -> torch.Tensor:
        """Uniform in the ball at every position (B, T, D).

        The first D coordinates of a uniform point on the sphere in D + 2 dimensions are uniform in the unit ball
        of D dimensions (Voelker, Gosmann and Stewart 2017), which needs a single draw.
        """
        shape = (*self.mask.shape[:2], width + 2)
        point = torch.randn(shape, generator=generator, device=self.mask.device)
        norm = torch.linalg.vector_norm(point, dim=-1, keepdim=True)
        return point[..., :width] * (self.radius * self.mask / (norm + TINY))
