"""Which weights a training ends with: its last, the best by a dev metric, or the mean of its last checkpoints.

Training always continues from its latest weights. The kept ones are a copy on the host, which the training loop never
reads and a checkpoint holds. Can be read without loading torch.

The code of Huang et al. (2021) takes the best on English dev, every 500 steps; the mean is that of Schmidt et al.
 (2023, *Free Lunch: Robust Cross-Lingual Transfer via Model Checkpoint Averaging*).
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from xrt.errors import SpecError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Keep:
    """`last`; `best` by `metric`, measured every `every` steps; `average` of `count` weights, `every` steps apart.

    As text `last`, `best:dev/acc/en:500`, `average:4:500`: what a trial's configuration, samples and tables carry.
    """

    ALLOWED: ClassVar = "last, {best: METRIC, every: STEPS} or {average: COUNT, every: STEPS}"

    how: Literal["last", "best", "average"]
    metric: str = ""
    count: int = 0
    every: int = 0

    @classmethod
    def read(cls, given: Any) -> "Keep | None":
        """From a study file's value or from the text; None if it is neither."""
        if given == "last":
            return cls("last")
        how, what, every = _text_parts(given) if isinstance(given, str) else _mapping_parts(given)
        if not _whole(every, 1):
            return None
        if how == "best" and isinstance(what, str) and what:
            return cls("best", metric=what, every=every)
        return cls("average", count=what, every=every) if how == "average" and _whole(what, 2) else None

    def __str__(self) -> str:
        return self.how if self.how == "last" else f"{self.how}:{self.metric or self.count}:{self.every}"

    def looks(self, steps: int) -> list[int]:
        """The steps, of a training of `steps`, whose weights are evaluated or averaged; its last step is one of them.

        Raises:
            SpecError: the training has fewer steps than the mean needs.
        """
        if self.how == "last":
            return []
        if self.how == "best":
            return [*range(self.every, steps, self.every), steps]
        first = steps - (self.count - 1) * self.every
        if first < 1:
            raise SpecError(
                f"training.keep: {self.count} weights that are {self.every} steps apart do not fit into the {steps} "
                "steps of this training; fewer of them, a smaller `every`, or more training.epochs."
            )
        return list(range(first, steps + 1, self.every))


@dataclass
class Kept:
    """The weights so far, by their names in the model; `score` of the best, `count` of those in the mean."""

    weights: "dict[str, torch.Tensor]" = field(default_factory=dict)
    score: float = -math.inf
    count: int = 0

    def take_if_better(self, model: Any, score: float) -> None:
        """Keep the best; of equal ones the first."""
        if not self.weights or score > self.score:
            self.weights, self.score = _copied(model), score

    def add(self, model: Any) -> None:
        """Add to the mean; tensors that are not floating-point are the latest ones."""
        self.count += 1
        for name, value in _copied(model).items():
            before = self.weights.get(name)
            if before is not None and value.is_floating_point():
                value = before + (value - before) / self.count
            self.weights[name] = value


def _copied(model: Any) -> "dict[str, torch.Tensor]":
    return {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}


def _text_parts(given: str) -> tuple[Any, Any, Any]:
    how, *rest = given.split(":")
    if len(rest) != 2 or not (rest[1].isascii() and rest[1].isdigit()):
        return None, None, None
    what, every = rest
    return how, int(what) if how == "average" and what.isascii() and what.isdigit() else what, int(every)


def _mapping_parts(given: Any) -> tuple[Any, Any, Any]:
    if not isinstance(given, dict) or len(given) != 2 or "every" not in given:
        return None, None, None
    ((how, what),) = ((key, value) for key, value in given.items() if key != "every")
    return how, what, given["every"]


def _whole(given: Any, least: int) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and least <= given <= 10**9
