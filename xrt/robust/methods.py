"""The methods of robust training, in one table: their parameters, and how they are built for an encoder.

A new method is one entry here (and, if it perturbs in a new way, one class in `perturb`). The table can be read
without loading torch. Radius and noise scale are relative to the mean norm at the site. Which published method is
which setting: docs/methods.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xrt.robust.objective import Method, Objective
    from xrt.robust.perturb import Start

Default = int | float | str


@dataclass(frozen=True)
class Parameter:
    """What a method is tuned by: a number, whole or not, with its lower bound; or one of `words`.

    `default` None: a study must set it.
    """

    kind: type[int] | type[float] | type[str]
    low: float = 0.0
    default: Default | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class MethodKind:
    """`make` takes all parameters and the site's mean norm; `sited`: it acts at a site, which a study chooses.

    `version` grows when the meaning of its parameters changes; `earlier` says what each earlier one did, so that its
    records are not mistaken for the method as it is now.
    """

    parameters: Mapping[str, Parameter]
    make: Callable[[Mapping[str, Any], float], "Method"]
    sited: bool = True
    earlier: Mapping[int, str] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return len(self.earlier) + 1

    def resolved(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters, with defaults for those left out."""
        defaults = {name: p.default for name, p in self.parameters.items() if p.default is not None}
        return defaults | dict(parameters)

    def build(self, parameters: Mapping[str, Any], norm: float) -> "Method":
        """The method as the training loop calls it, at a site whose mean norm is `norm`."""
        return self.make(self.resolved(parameters), norm)


def _plain(parameters: Mapping[str, Any], norm: float) -> "Method":
    from xrt.robust.objective import Perturbed
    from xrt.robust.perturb import Clean

    return Perturbed(Clean())


def _adversarial(parameters: Mapping[str, Any], norm: float) -> "Method":
    from xrt.robust.objective import Perturbed
    from xrt.robust.perturb import Adversarial

    objective = _objective(parameters)
    # The divergence has its minimum at zero, so no gradient there: SMART and TRADES start beside it too.
    beside = objective.kl and parameters["start"] == "zero"
    radius = parameters["radius"] * norm
    start: Start = "small" if beside else parameters["start"]
    return Perturbed(Adversarial(radius, parameters["steps"], start, parameters["ball"]), objective)


def _noise(parameters: Mapping[str, Any], norm: float) -> "Method":
    from xrt.robust.objective import Perturbed
    from xrt.robust.perturb import Noise

    return Perturbed(Noise(parameters["scale"] * norm), _objective(parameters))


def _free(parameters: Mapping[str, Any], norm: float) -> "Method":
    from xrt.robust.objective import Free
    from xrt.robust.perturb import Adversarial

    return Free(Adversarial(parameters["radius"] * norm, parameters["steps"], "small", "sequence"))


def _objective(parameters: Mapping[str, Any]) -> "Objective":
    from xrt.robust.objective import Objective

    return Objective(parameters["clean"], parameters["weight"], parameters["objective"] == "kl")


def _choice(*words: str) -> Parameter:
    return Parameter(str, default=words[0], words=words)


RADIUS, STEPS = Parameter(float), Parameter(int, 1, default=1)
OBJECTIVE = {
    "objective": _choice("loss", "kl"),
    "weight": Parameter(float, default=1.0),
    "clean": Parameter(float, default=0.0),
}

METHODS: dict[str, MethodKind] = {
    "plain": MethodKind({}, _plain, sited=False),
    "adversarial": MethodKind(
        {
            "radius": RADIUS,
            "steps": STEPS,
            "start": _choice("zero", "ball"),
            "ball": _choice("piece", "sequence"),
        }
        | OBJECTIVE,
        _adversarial,
        earlier={1: "steps of 1.5 radius/K from a random point of the ball"},
    ),
    "noise": MethodKind({"scale": Parameter(float)} | OBJECTIVE, _noise),
    # The words are replaced where batches are made (xrt.data.batches); `copies` multiplies the passes over the data.
    "synonyms": MethodKind(
        {
            "copies": Parameter(int, 1, default=1),
            "match": _choice("exact", "any-case"),
            "draw": _choice("fresh", "once"),
        },
        _plain,
        sited=False,
        earlier={1: "words replaced in any case, names too"},
    ),
    "free": MethodKind(
        {"radius": RADIUS, "steps": STEPS},
        _free,
        earlier={1: "K gradients and K - 1 ascents, a ball around each word piece"},
    ),
}
