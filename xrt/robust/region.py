"""The robust region: L2 balls around the embeddings that an attack may reach (Huang et al. 2021).

`piece`: one ball around each perturbable word piece. `sequence`: one ball for all perturbable positions of a sequence
together, √n times as large for n of them, so that both balls allow a piece the same mean square (Zhu et al. 2020 have
one ball a sequence, of a size that does not grow with n).

Knows only tensors. Radii are absolute here; `relative radius * site norm` is computed where a trial is set up.

Letters: B pairs, T tokens, D width.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch

# Avoids 0/0 in normalisations. Smaller than any gradient whose norm float32 can hold, because an attack follows the
# direction of gradients of 1e-12 and less, which a confident model has.
TINY = 1e-30

Ball = Literal["piece", "sequence"]


@dataclass(frozen=True)
class Region:
    """All δ (B, T, D) that are zero outside `mask` (B, T, 1) and inside the balls of `radius`."""

    radius: float
    mask: torch.Tensor  # (B, T, 1), of δ's type
    ball: Ball = "piece"

    @classmethod
    def around(
        cls, embeddings: torch.Tensor, perturbable: torch.Tensor, radius: float, ball: Ball = "piece"
    ) -> "Region":
        """The region around `embeddings` (B, T, D) at the positions of `perturbable` (B, T), in float32."""
        return cls(radius, perturbable.unsqueeze(-1).to(embeddings.device, torch.float32), ball)

    @cached_property
    def limit(self) -> torch.Tensor | float:
        """The L2 radius of a ball: a number, or one for each sequence (B, 1, 1)."""
        return self.radius if self.ball == "piece" else self.radius * self.mask.sum(1, keepdim=True).sqrt()

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        """The nearest point of the region (B, T, D)."""
        inside = delta * self.mask
        return inside * (self.limit / (self._norm(inside) + TINY)).clamp(max=1.0)

    def ascend(self, delta: torch.Tensor, gradient: torch.Tensor, step: float) -> torch.Tensor:
        """project(δ + step·r·g/‖g‖) (B, T, D), r the radius and ‖g‖ the norm per ball (Madry et al. 2018)."""
        along = gradient * self.mask
        return self.project(torch.addcmul(delta, along, step * self.limit / (self._norm(along) + TINY)))

    def random(self, width: int, generator: torch.Generator) -> torch.Tensor:
        """Uniform in every ball (B, T, D).

        The first D coordinates of a uniform point on the sphere in D + 2 dimensions are uniform in the unit ball
        of D dimensions (Voelker, Gosmann and Stewart 2017), which needs a single draw.
        """
        shape = (*self.mask.shape[:2], width + 2)
        draw = torch.randn(shape, generator=generator, device=self.mask.device)
        point, more = draw[..., :width] * self.mask, draw[..., width:]
        # A sequence is one ball, so it has two more coordinates in all, not two per position.
        more = more[:, :1] if self.ball == "sequence" else more
        return point * (self.limit / (torch.hypot(self._norm(point), self._norm(more)) + TINY))

    def _norm(self, vectors: torch.Tensor) -> torch.Tensor:
        """The norm per ball: (B, T, 1), or (B, 1, 1)."""
        over = (-1,) if self.ball == "piece" else (-2, -1)
        return torch.linalg.vector_norm(vectors, dim=over, keepdim=True)
