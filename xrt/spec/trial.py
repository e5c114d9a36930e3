"""A trial as a frozen value: a study and a sample of its space, all resolved, no YAML and no defaults left.

Two trials that would do the same are equal and have the same digest. As JSON it goes to workers and to the
record.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from xrt.data import Source
from xrt.errors import SpecError
from xrt.robust.methods import METHODS
from xrt.spec.problems import show
from xrt.spec.space import default_of, parameters_of
from xrt.spec.study import StudySpec
from xrt.spec.tasks import TaskField
from xrt.spec.values import Scalar, least


@dataclass(frozen=True)
class TrialConfig:
    """All that decides what a trial does.

    Attributes:
        version: of the method: what its parameters meant when the trial was made (`METHODS`).
        params: parameters of the method, without its site.
        site: where δ is added: `word`, or `layer:k`.
        metric: what the study maximises, by which a rung chooses what to ask.
        rungs: shares of the training at which it is evaluated; the last is 1. Trials of an arm that train for
            longer have them at the same optimizer steps as the shortest, and a last one more.
        test: whether it is evaluated on the test split at its end, as only a confirmation is.
        rung_rows: examples that a rung asks of each pair of languages; None: by the cost rule.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    study: str
    task: TaskField
    source: Source
    train_rows: int | None
    dev_rows: int | None
    test_rows: int | None
    neighbours: str | None
    encoder: str
    learning_rate: float
    method: str
    version: int
    params: tuple[tuple[str, Scalar], ...]
    site: str
    epochs: float
    batch_size: int
    max_tokens: int
    warmup: float
    weight_decay: float
    clip: float
    freeze_word_embeddings: bool
    dropout: float | None
    micro_batch: int | None
    gradient_checkpointing: bool
    seed: int
    metric: str
    rungs: tuple[float, ...]
    rung_rows: int | None
    test: bool

    @property
    def parameters(self) -> dict[str, Scalar]:
        """`params` as a mapping."""
        return dict(self.params)

    @property
    def passes(self) -> float:
        """Over the training data: the epochs, times the copies of a method that has them."""
        return self.epochs * float(self.parameters.get("copies", 1))

    @property
    def layer(self) -> int:
        """The site as a number: 0 is the word embeddings, k the states after layer k."""
        return 0 if self.site == "word" else int(self.site.removeprefix("layer:"))

    @property
    def digest(self) -> str:
        """12 hexadecimal digits that are the same on every machine for equal trials."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` gives an equal trial."""
        return _adapter().dump_python(self, mode="json")

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The trial that `to_dict` wrote.

        Raises:
            SpecError: when a field is missing, unknown or of another type, every problem at once.
        """
        try:
            return _adapter().validate_json(json.dumps(plain))
        except ValidationError as error:
            raise SpecError([_damage(detail) for detail in error.errors()]) from error


def build(spec: StudySpec, sample: Mapping[str, Scalar], seed: int, *, confirm: bool = False) -> TrialConfig:
    """The trial of `spec` at one point of its space (or, for a baseline, of any space).

    Args:
        sample: flat, as `Space.sample` gives it: encoder, learning_rate, method, and `method.parameter`s.
        confirm: trained without rungs, and evaluated on the test split too.
    """
    method, opened = str(sample["method"]), parameters_of(METHODS[str(sample["method"])])
    own = {name.partition(".")[2]: value for name, value in sample.items() if "." in name}
    assert {n.partition(".")[0] for n in sample if "." in n} <= {method}, (
        f"parameters of another method: {sample}"
    )
    assert own.keys() <= opened.keys(), f"{method} has no such parameters: {sample}"
    values = {name: own.get(name, default_of(METHODS[method], name)) for name in opened}
    site = values.pop("site", "word")
    assert None not in values.values(), f"{method} lacks a parameter: {sample}"
    return TrialConfig(
        study=spec.study,
        task=spec.task,
        source=spec.data.origin,
        encoder=str(sample["encoder"]),
        learning_rate=float(sample["learning_rate"]),
        method=method,
        version=METHODS[method].version,
        params=tuple((name, value) for name, value in values.items() if value is not None),
        site=str(site),
        seed=seed,
        metric=spec.search.metric,
        rungs=(1.0,) if confirm else _rungs(spec, method, own),
        test=confirm,
        rung_rows=spec.pruning.rung_rows if spec.pruning else None,
        **spec.training.model_dump(),
        **spec.data.model_dump(include={"train_rows", "dev_rows", "test_rows", "neighbours"}),
    )


def _rungs(spec: StudySpec, method: str, own: Mapping[str, Scalar]) -> tuple[float, ...]:
    """The rungs of the arm's shortest training as shares of this one, then its own end."""
    copies = spec.space.method.get(method, {}).get("copies")
    longer = float(own.get("copies", 1)) / least(copies) if copies else 1.0
    shared = tuple(share / longer for share in spec.rungs)
    return shared if longer == 1 else (*shared, 1.0)


def earlier(plain: Mapping[str, Any]) -> str | None:
    """What the method of a recorded trial meant, in words, where that is not what it does now; None: it is.

    Args:
        plain: its configuration, as `to_dict` wrote it; of the first edition, which knew no versions, too.
    """
    method, version = METHODS.get(str(plain.get("method"))), plain.get("version", 1)
    if method is None or version == method.version:
        return None
    return method.was.get(version, f"version {version}, which this xrt does not know")


def check_unchanged(plain: Mapping[str, Any]) -> None:
    """Refuse to repeat or continue a recorded trial whose method means something else by now.

    Raises:
        SpecError: it does.
    """
    if meant := earlier(plain):
        method = plain["method"]
        raise SpecError(
            f"configuration of a trial: method: {method} meant something else when this was recorded ({meant}); "
            "repeat it with the xrt that recorded it, or run the study anew."
        )


def rung_steps(rungs: Sequence[float], steps: float) -> list[int]:
    """The optimizer steps after which a trial of `steps` steps is evaluated, one a rung.

    Raises:
        SpecError: there are too few steps for so many rungs.
    """
    total = max(1, round(steps))
    stops = [round(share * total) for share in rungs]
    if stops[0] < 1 or len(set(stops)) < len(stops):
        raise SpecError(
            f"pruning.rungs: {len(stops)} rungs do not fit into the {total} steps of this training; fewer rungs, "
            "a smaller pruning.reduction, or more training.epochs."
        )
    return stops


@cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(TrialConfig)


def _damage(detail: Any) -> str:
    field = ".".join(str(part) for part in detail["loc"])
    given = "" if detail["type"] == "missing" else f"{show(detail['input'])}: "
    return f"configuration of a trial: {field}: {given}{detail['msg']}."
