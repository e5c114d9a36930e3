"""The search space of a study: encoder, learning rate, and methods, each of which opens its own parameters.

The methods and their parameters stand in `xrt.robust.methods`; this file says how a space of them is written,
named and sampled. Knows no Optuna: a sampler is whatever answers the three questions of `Suggest`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from xrt.errors import closest
from xrt.robust.methods import METHODS, MethodKind
from xrt.spec.problems import Problem, Refused, refuse, unknown
from xrt.spec.values import Choice, Kind, Range, Reader, Scalar, Value, read_value

ENCODER = Kind("encoder")
LEARNING_RATE = Kind("number", above=True)
SITE, DEFAULT_SITE = Kind("site"), "word"
Methods = Mapping[str, Mapping[str, Value]]


class Suggest(Protocol):
    """The interface of a sampler. Each name is requested at most once per sample."""

    def categorical(self, name: str, choices: Sequence[Scalar]) -> Scalar:
        """One of the choices."""
        ...

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        """A number of the range, both ends included."""
        ...

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number of the range, both ends included."""
        ...


def parameters_of(method: MethodKind) -> dict[str, Kind]:
    """The parameters that a method opens, and what each accepts."""
    types: dict[type, Literal["word", "whole", "number"]] = {str: "word", int: "whole", float: "number"}
    opened = {n: Kind(types[p.kind], p.low, words=p.words) for n, p in method.parameters.items()}
    return opened | ({"site": SITE} if method.sited else {})


def default_of(method: MethodKind, parameter: str) -> Scalar | None:
    """The value of a parameter that the space leaves out; None: it may not."""
    if parameter == "site":
        return DEFAULT_SITE
    default = method.parameters[parameter].default
    return None if default is None else method.parameters[parameter].kind(default)


class _MethodsReader:
    allowed = f"a mapping of methods ({', '.join(METHODS)}) to their parameters"

    def __call__(self, given: Any) -> Methods:
        try:
            return read_methods(given)
        except Refused as refused:
            raise refused.for_pydantic() from None


_read_methods = _MethodsReader()


def _plain_methods(methods: Methods) -> dict[str, dict[str, Any]]:
    return {name: {p: value.plain() for p, value in opened.items()} for name, opened in methods.items()}


class Space(BaseModel):
    """What a study varies: a value is a constant, a list, {log: [low, high]}, {uniform: …} or {int: …}."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    encoder: Annotated[Value, Reader(ENCODER)] = Field(
        description="Hub names, folders, or the encoders that come with the package (mini-a, mini-b)."
    )
    learning_rate: Annotated[Value, Reader(LEARNING_RATE)] = Field(description="Peak learning rate of AdamW.")
    method: Annotated[
        Methods, PlainValidator(_read_methods), PlainSerializer(_plain_methods), _read_methods
    ] = Field(description="Methods of robust training; each opens its own parameters, and only those.")

    @property
    def encoders(self) -> tuple[str, ...]:
        """Those that trials may have."""
        assert isinstance(self.encoder, Choice), "a range of encoders is refused when the study is read"
        return tuple(str(option) for option in self.encoder.options)

    def names(self) -> tuple[str, ...]:
        """Every flat name that a sample may carry, in order: encoder, ..., method, noise.scale, ..."""
        opened = (f"{m}.{p}" for m, parameters in self.method.items() for p in parameters)
        return ("encoder", "learning_rate", "method", *opened)

    def sample(self, suggest: Suggest) -> dict[str, Scalar]:
        """One point of the space: flat names, only the chosen method's parameters, constants included.

        A sampler never sees constants, only what varies.
        """
        methods = Choice(tuple(self.method))
        sample = {
            "encoder": ask(suggest, "encoder", self.encoder),
            "learning_rate": ask(suggest, "learning_rate", self.learning_rate),
            "method": ask(suggest, "method", methods),
        }
        chosen = str(sample["method"])
        for parameter, value in self.method[chosen].items():
            name = f"{chosen}.{parameter}"
            sample[name] = ask(suggest, name, value)
        return sample

    def varying(self) -> tuple[str, ...]:
        """The names among `names` that have more than one value, which a sampler chooses."""
        return tuple(name for name, value in self.values() if value.varies)

    def values(self) -> Iterator[tuple[str, Value]]:
        """Every flat name with what it may be, in the order of `names`."""
        yield "encoder", self.encoder
        yield "learning_rate", self.learning_rate
        yield "method", Choice(tuple(self.method))
        for method, opened in self.method.items():
            yield from ((f"{method}.{parameter}", value) for parameter, value in opened.items())


def ask(suggest: Suggest, name: str, value: Value) -> Scalar:
    """One of what a value may be."""
    if isinstance(value, Range):
        if value.scale == "int":
            return suggest.integer(name, int(value.low), int(value.high))
        return suggest.floating(name, value.low, value.high, value.scale == "log")
    return suggest.categorical(name, value.options) if value.varies else value.options[0]


def read_methods(given: Any) -> Methods:
    """Reads the mapping of methods and their parameters; those left out have their defaults in every trial.

    Also one name, or a list of names, of methods that need no parameters.

    Raises:
        Refused: with every problem of every method.
    """
    if isinstance(given, str):
        given = [given]
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        given = dict.fromkeys(given)
    if not isinstance(given, dict):
        raise Refused([Problem((), refuse(given, _MethodsReader.allowed))])
    if not given:
        raise Refused([Problem((), f"no method is given; at least one of {', '.join(METHODS)}.")])
    problems: list[Problem] = []
    methods: dict[str, dict[str, Value]] = {}
    for name, parameters in given.items():
        if name not in METHODS:
            text = f"unknown method; allowed are {', '.join(METHODS)}.{closest(name, METHODS)}"
            problems.append(Problem((name,), text))
            continue
        try:
            methods[name] = _read_parameters(METHODS[name], parameters)
        except Refused as refused:
            problems += [Problem((name, *p.field), p.text) for p in refused.problems]
    if problems:
        raise Refused(problems)
    return methods


def _read_parameters(method: MethodKind, given: Any) -> dict[str, Value]:
    opened = parameters_of(method)
    given = {} if given is None else given
    if not isinstance(given, dict):
        wanted = f"a mapping of {', '.join(opened)}" if opened else "{}, it has no parameters"
        raise Refused([Problem((), refuse(given, wanted))])
    problems = [Problem((name,), unknown(name, opened)) for name in given if name not in opened]
    values: dict[str, Value] = {}
    for name, kind in opened.items():
        if name not in given:
            if default_of(method, name) is None:
                problems.append(Problem((name,), f"missing; {kind.allowed}."))
            continue
        try:
            values[name] = read_value(kind, given[name])
        except Refused as refused:
            problems += [Problem((name, *p.field), p.text) for p in refused.problems]
    if problems:
        raise Refused(problems)
    return values
