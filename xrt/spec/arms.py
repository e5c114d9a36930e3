"""The arms of a study: the values of what it compares. Everything else that varies is tuned within an arm.

An arm is a value of the scientific parameter, in the words of the Deep Learning Tuning Playbook (Godbole et al.
2023): a method, or an encoder with a method. Each arm is tuned with the same number of trials.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

PLAIN = "plain"


@dataclass(frozen=True)
class Arm:
    """A method, tuned over everything else; with `encoder`, that encoder only."""

    method: str
    encoder: str | None = None

    @property
    def name(self) -> str:
        """`adversarial`, or `adversarial, mini-a`."""
        return self.method if self.encoder is None else f"{self.method}, {self.encoder}"

    @property
    def plain(self) -> "Arm":
        """The arm of plain fine-tuning that this one is compared with."""
        return Arm(PLAIN, self.encoder)

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether a trial with these parameters belongs to the arm."""
        return params.get("method") == self.method and self.encoder in (None, params.get("encoder"))


@cache
def arm_named(method: str, encoder: str | None) -> Arm:
    """The same object each time: a search of thousands of trials asks for the arm of every one of them, often."""
    return Arm(method, encoder)


def arms_of(compare: tuple[str, ...], methods: tuple[str, ...], encoders: tuple[str, ...]) -> tuple[Arm, ...]:
    """All arms, plain ones first: where the trials do not divide evenly, the baseline gets one more."""
    return tuple(_arms(compare, sorted(methods, key=lambda method: method != PLAIN), encoders))


def _arms(compare: tuple[str, ...], methods: list[str], encoders: tuple[str, ...]) -> Iterator[Arm]:
    for method in methods:
        if "encoder" in compare:
            yield from (Arm(method, encoder) for encoder in encoders)
        else:
            yield Arm(method)
