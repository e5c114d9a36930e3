"""The confirmed configurations as rows of text, one per configuration, for the page, the terminal and MLflow."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from xrt.findings.configurations import Configuration
from xrt.findings.findings import Confirmation, Findings
from xrt.findings.statistics import over_seeds
from xrt.findings.words import difference_interval, points, probability, show, spread
from xrt.spec.arms import Arm


class Row(NamedTuple):
    """One configuration; `chosen`: the search ranks it first."""

    cells: tuple[str, ...]
    chosen: bool


class Rows(NamedTuple):
    """A table: head, rows, and the columns of numbers."""

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    numbers: frozenset[int]


def confirmed_rows(found: Findings) -> Rows | None:
    """Mean ± standard deviation over the seeds of each configuration, dev beside test, and the verdicts on the arms."""
    confirmed = found.confirmation
    if confirmed is None:
        return None
    metrics, dev = confirmed.metrics, [] if confirmed.split == "dev" else [confirmed.spec.metric]
    head = ["trial", "configuration", "encoder", "learning rate", "role", "seeds"]
    head += [f"dev: {m.words}, %" for m in dev] + [f"{confirmed.split}: {m.words}, %" for m in metrics]
    numbers = [3, *range(5, len(head))]
    for metric in metrics:
        numbers += range(len(head), len(head) + 2)
        head += [f"{metric.words}: gain, points", "interval", "p", "verdict"]
    rows = []
    for id, configuration in confirmed.configurations.items():
        scores = [spread(configuration.accuracy(m)) for m in (*dev, *metrics)]
        roles = list(_roles(confirmed, id))
        gains = _gains(
            confirmed, next((arm for arm, best in confirmed.candidates.best.items() if best == id), None)
        )
        cells = (*_about(configuration), "; ".join(roles), _seeds(configuration), *scores, *gains)
        rows.append(
            Row(cells, confirmed.winner is not None and confirmed.candidates.best[confirmed.winner] == id)
        )
    return Rows(tuple(head), tuple(rows), frozenset(numbers))


def voted_rows(found: Findings) -> Rows | None:
    """The change of the primary means by votes under noise, if the study sets `evaluation`."""
    confirmed = found.confirmation
    if confirmed is None or found.spec.evaluation is None:
        return None
    metrics = [metric for metric in confirmed.metrics if metric.kind == "mean"]
    head = ["trial", "configuration", "encoder", "seeds"]
    for metric in metrics:
        head += [f"{metric.words}, %", "with votes, %", "change, points", "interval"]
    rows = []
    for id, configuration in confirmed.configurations.items():
        cells = [id, configuration.label, configuration.encoder, _seeds(configuration)]
        for metric in metrics:
            alone, voted = (
                [trial.score(str(one)) for trial in configuration.trials]
                for one in (metric, replace(metric, kind="votes"))
            )
            change = over_seeds(
                [with_them - without for with_them, without in zip(voted, alone, strict=True)]
            )
            cells += [spread(over_seeds(alone)), spread(over_seeds(voted))]
            cells += [points(change.mean), difference_interval(change.interval())]
        rows.append(Row(tuple(cells), chosen=False))
    return Rows(tuple(head), tuple(rows), frozenset(range(3, len(head))))


def _about(configuration: Configuration) -> tuple[str, ...]:
    rate = show(configuration.params["learning_rate"])
    return configuration.id, configuration.label, configuration.encoder, rate


def _roles(confirmed: Confirmation, id: str) -> Iterator[str]:
    """Why a configuration was confirmed."""
    for arm, best in confirmed.candidates.best.items():
        if best == id:
            yield f"best of {arm.name}"
    for arm, other in confirmed.candidates.ablation.items():
        if other == id:
            yield f"ablation of {arm.name}"
    for rule in confirmed.candidates.rules[1:]:
        if confirmed.candidates.params.get(id) == rule.trial.params:
            yield f"best by {rule.rule}"


def _seeds(configuration: Configuration) -> str:
    failed = f", {len(configuration.failed)} failed" if configuration.failed else ""
    return f"{len(configuration.seeds)}{failed}"


def _gains(confirmed: Confirmation, arm: Arm | None) -> Sequence[str]:
    claims = confirmed.claims_of(arm) if arm else []
    if not claims:
        return [""] * (4 * len(confirmed.metrics))
    return [
        cell
        for claim in claims
        for cell in (
            points(claim.difference.mean),
            difference_interval(claim.interval),
            probability(claim.p),
            claim.verdict,
        )
    ]
