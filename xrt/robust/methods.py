"""The methods of robust training, in one table: their parameters, and how they are built for an encoder.

A new method is one entry here (and, if it perturbs in a new way, one class in `perturb`). The table can be read
without loading torch. Radius and noise scale are relative to the mean norm at the site.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xrt.robust.objective import Method


@dataclass(frozen=True)
class Parameter:
    """A number that a method is tuned by: whole or not, its lower bound, and its default (None: must be given)."""

    kind: type[int] | type[float]
    low: float
    default: float | None = None


@dataclass(frozen=True)
class MethodKind:
    """`build` takes the parameters and the site's mean norm; `sited`: it acts at a site, which can be chosen."""

    parameters: Mapping[str, Parameter]
    build: Callable[[Mapping[str, Any], float], "Method"]
    sited: bool = True


def _plain(parameters: Mapping[str, Any], norm: float) -> "Method":
    from xrt.robust.objective import Perturbed
    from xrt.robust.perturb import Clean

    return Perturbed(Clean())


def _adversarial(parameters: Mapping[str, Any], norm: float) -> "Method":
    from xrt.robust.objective import Perturbed
    from xrt.robust.perturb import Adversarial

    return Perturbed(Adversarial(parameters["radius"] * norm, parameters["steps"]))


def _noise(parameters: Mapping[str, Any], norm: float) -> "Method":
    from xrt.robust.objective import Perturbed
    from xrt.robust.perturb import Noise

    return Perturbed(Noise(parameters["scale"] * norm))


def _free(parameters: Mapping[str, Any], norm: float) -> "Method":
    from xrt.robust.objective import Free
    from xrt.robust.perturb import Adversarial

    return Free(Adversarial(parameters["radius"] * norm, parameters["steps"]))


RADIUS, STEPS = Parameter(float, 0.0), Parameter(int, 1, default=1)

METHODS: dict[str, MethodKind] = {
    "plain": MethodKind({}, _plain, sited=False),
    "adversarial": MethodKind({"radius": RADIUS, "steps": STEPS}, _adversarial),
    "noise": MethodKind({"scale": Parameter(float, 0.0)}, _noise),
    # The words are replaced where batches are made (xrt.data.batches); `copies` multiplies the passes over the data.
    "synonyms": MethodKind({"copies": Parameter(int, 1, default=1)}, _plain, sited=False),
    "free": MethodKind({"radius": RADIUS, "steps": STEPS}, _free),
}
