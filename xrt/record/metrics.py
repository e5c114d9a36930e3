"""What a trial said at a rung, small: a study keeps thousands of these, and nearly all have the same names."""

from array import array
from collections.abc import Iterator, Mapping
from functools import cache


class Metrics(Mapping[str, float]):
    """Numbers by name, as a dict that does not change, in a fifth of its memory: the names are kept once for all.

    numpy's and torch's scalars become floats, so that a record equals what is read back.
    """

    __slots__ = ("_places", "_values")

    def __init__(self, metrics: Mapping[str, float]) -> None:
        self._places = _places(tuple(metrics))
        self._values = array("d", [float(value) for value in metrics.values()])  # of a list: no spare room

    def __getitem__(self, name: str) -> float:
        return self._values[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))


@cache
def _places(names: tuple[str, ...]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}
