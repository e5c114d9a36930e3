"""A trial as a frozen value: a study and a sample of its space, all resolved, no YAML and no defaults left.

Trials that would do the same are equal and have the same digest. As JSON a trial goes to workers and to the record.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from xrt.data import Source
from xrt.data.sampling import steps_per_epoch
from xrt.errors import SpecError
from xrt.robust.keeping import Keep
from xrt.robust.methods import METHODS
from xrt.spec.problems import show
from xrt.spec.space import default_of, parameters_of
from xrt.spec.study import StudySpec
from xrt.spec.tasks import TaskField
from xrt.spec.values import Scalar, ends


@dataclass(frozen=True)
class Length:
    """How long a training is: passes over the data, `copies` times, and sentence pairs a step."""

    epochs: float
    copies: int
    batch_size: int

    def steps(self, rows: int) -> int:
        """Optimizer steps with so many training examples."""
        return max(1, round(self.epochs * self.copies * steps_per_epoch(rows, self.batch_size)))


@dataclass(frozen=True)
class TrialConfig:
    """All that decides what a trial does.

    Attributes:
        version: of the method: what its parameters meant when the trial was made (`METHODS`).
        params: parameters of the method, without its site.
        site: where δ is added: `word`, or `layer:k`.
        metric: what the study maximises; a rung evaluates more examples of its language pairs.
        rungs: shares of the shortest training of its arm at which it is evaluated, beside its own end. In optimizer
            steps they are the same for all trials of the arm.
        keep: which weights it ends with (`Keep`).
        shortest: the shortest training of its arm, at the study's largest batch; None: this one.
        test: whether it is evaluated on the test split at its end, as only a confirmation is.
        votes: how many predictions of each test example, under noise of which scale; None: no votes.
        rung_rows: examples of each language pair at a rung; None: by the cost rule.
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
    compile: bool = False
    deterministic: bool = False
    precision: str = "auto"
    keep: str = "last"
    shortest: Length | None = None
    votes: tuple[int, float] | None = None

    @property
    def parameters(self) -> dict[str, Scalar]:
        """`params` as a mapping."""
        return dict(self.params)

    @property
    def length(self) -> Length:
        """Its own: the passes are the epochs, times the copies of a method that has them."""
        return Length(self.epochs, int(self.parameters.get("copies") or 1), self.batch_size)

    @property
    def kept(self) -> Keep:
        """`keep` as a value."""
        keep = Keep.read(self.keep)
        assert keep is not None, f"not from a study: {self.keep}"
        return keep

    @property
    def plain_step(self) -> float:
        """Its steps in the unit of costs: a plain step of the study's largest batch."""
        return self.batch_size / (self.shortest or self.length).batch_size

    def stops(self, rows: int) -> list[int]:
        """The optimizer steps at which it is evaluated, with so many training examples; the last is its end.

        Raises:
            SpecError: the shortest training of the arm has too few steps for its rungs.
        """
        own = self.length.steps(rows)
        found = rung_steps(self.rungs, min(own, (self.shortest or self.length).steps(rows)))
        return found if found[-1:] == [own] else [*found, own]

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


def build(spec: StudySpec, sample: Mapping[str, Any], seed: int, *, confirm: bool = False) -> TrialConfig:
    """The trial of `spec` at one point of its space (or, for a baseline, of any space).

    Args:
        sample: flat, as `StudySpec.sample` gives it: encoder, learning_rate, method, `method.parameter`s, and the
            fields of `training` that are searched.
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
        rungs=() if confirm else spec.rungs,
        shortest=_shortest(spec, method),
        test=confirm,
        votes=(spec.evaluation.votes, spec.evaluation.scale) if confirm and spec.evaluation else None,
        rung_rows=spec.pruning.rung_rows if spec.pruning else None,
        **spec.training.at(sample),
        **spec.data.model_dump(include={"train_rows", "dev_rows", "test_rows", "neighbours"}),
    )


def _shortest(spec: StudySpec, method: str) -> Length:
    copies = spec.space.method.get(method, {}).get("copies")
    least, largest = ends(spec.training.epochs)[0], ends(spec.training.batch_size)[1]
    return Length(least, int(ends(copies)[0]) if copies else 1, int(largest))


def meant_before(plain: Mapping[str, Any]) -> str | None:
    """The old meaning of a recorded trial's method, in words; None if the meaning has not changed.

    Args:
        plain: its configuration, as `to_dict` wrote it; of the first edition, which knew no versions, too.
    """
    method, version = METHODS.get(str(plain.get("method"))), plain.get("version", 1)
    if method is None or version == method.version:
        return None
    return method.earlier.get(version, f"version {version}, which this xrt does not know")


def check_unchanged(plain: Mapping[str, Any]) -> None:
    """Refuse to repeat or continue a recorded trial if the meaning of its method has changed.

    Raises:
        SpecError: it does.
    """
    if meant := meant_before(plain):
        method = plain["method"]
        raise SpecError(
            f"configuration of a trial: method: {method} meant something else when this was recorded ({meant}); "
            "repeat it with the xrt that recorded it, or run the study anew."
        )


def rung_steps(rungs: Sequence[float], steps: int) -> list[int]:
    """The optimizer steps at which a training of `steps` steps is evaluated, one a rung.

    Raises:
        SpecError: there are too few steps for so many rungs.
    """
    stops = [round(share * steps) for share in rungs]
    if 0 in stops or len(set(stops)) < len(stops):
        raise SpecError(
            f"pruning.rungs: {len(stops)} rungs do not fit into the {steps} steps of this training; fewer rungs, "
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
