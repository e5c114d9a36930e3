"""The course of the confirmation: the trainings that the next look still needs, until every verdict is decided.

It begins with the fewest seeds of every candidate. After each look, only the arms with an open verdict, and their
references, get more seeds, up to the most. All of it is a function of the record: a killed confirmation resumes with
the same looks and verdicts, and a bound that is raised later continues where the lower one ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from xrt.findings.candidates import Candidates
from xrt.findings.configurations import Trained, configurations
from xrt.findings.findings import Findings, findings
from xrt.findings.verdicts import claims
from xrt.record.run import Run
from xrt.spec.arms import PLAIN, Arm
from xrt.spec.metric import Metric


class Wanted(NamedTuple):
    """A training that the next look needs."""

    configuration: str
    params: dict[str, Any]
    seed: int


def wanted(run: Run) -> list[Wanted]:
    """The trainings that the next look needs, all configurations with the first seed before any with the second.

    Empty if the confirmation is decided, or the study has none.
    """
    return missing(findings(run))


def missing(found: Findings) -> list[Wanted]:
    """As `wanted`, from the findings of a run."""
    if not found.at:
        return []
    trained = configurations(found.trials, [], found.paths.root)
    needed = plan(found.candidates, trained, found.metrics, found.at, found.spec.search.seed + 1)
    return [Wanted(id, dict(found.candidates.params[id]), seed) for id, seed in needed]


def plan(
    found: Candidates,
    trained: Mapping[str, Trained],
    metrics: Sequence[Metric],
    at: Sequence[int],
    first_seed: int,
) -> list[tuple[str, int]]:
    """Configuration and seed of each training that is still needed before the next look."""
    ids = list(found.params)
    for place, seeds in enumerate(at):
        if place:
            pursued = open_arms(found, trained, metrics, at, place)
            ids = list(dict.fromkeys(id for arm in pursued for id in found.involved(arm)))
        lacking = [
            (id, seed)
            for seed in range(first_seed, first_seed + seeds)
            for id in ids
            if seed not in _ended(trained.get(id))
        ]
        if lacking or not ids:
            return lacking
    return []


def open_arms(
    found: Candidates,
    trained: Mapping[str, Trained],
    metrics: Sequence[Metric],
    at: Sequence[int],
    after: int,
) -> Iterator[Arm]:
    """The arms with an open claim after `after` looks."""
    judged = claims(found, trained, metrics, at, after)
    return (arm for arm in found.best if arm.method != PLAIN and any(c.open for c in judged if c.arm == arm))


def _ended(trained: Trained | None) -> set[int]:
    """The seeds that need not be trained again, failed ones included."""
    return {*trained.seeds, *trained.failed} if trained else set()
