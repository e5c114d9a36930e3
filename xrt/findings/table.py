"""The trials of a run as rows: who is best, in which order, and as a Markdown table.

It reads a record and knows neither screens nor MLflow; whoever draws a table takes the rows from here. The
metrics of selection are accuracies: more is better.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xrt.answers.confirmed import show
from xrt.record.run import Run
from xrt.record.values import Phase, State, TrialRecord

_PLACES: dict[State, int] = {
    "finished": 0,
    "running": 1,
    "pruned": 2,
    "stopped": 3,
    "pending": 4,
    "failed": 5,
}


@dataclass(frozen=True)
class Row:
    """One trial as it stands. `metrics` are of its last report, at `rung`, after `share` of its budget."""

    id: str
    state: State
    phase: Phase
    method: str
    seed: int
    params: dict[str, Any]
    metrics: Mapping[str, float]
    rung: int | None
    share: float
    started: float | None
    ended: float | None
    reason: str | None

    def value(self, metric: str) -> float | None:
        """The metric, on the whole dev split where it was scored on it; None: not reported, or no number.

        A rung's `dev/...` is of a sample; a finished trial has `final/...` too, and is compared by that.
        """
        value = self.metrics.get(metric.replace("dev/", "final/", 1), self.metrics.get(metric))
        return None if value is None or math.isnan(value) else value

    @property
    def seconds(self) -> float | None:
        """From the first start to the end, pauses included; None while it runs."""
        return None if self.started is None or self.ended is None else self.ended - self.started


def rows(run: Run) -> list[Row]:
    """One per trial, by id."""
    return [row(trial) for trial in run.trials()]


def row(trial: TrialRecord) -> Row:
    last = trial.last
    return Row(
        id=trial.id,
        state=trial.state,
        phase=trial.phase,
        method=trial.method,
        seed=trial.seed,
        params=trial.params,
        metrics=trial.metrics,
        rung=last.rung if last else None,
        share=last.share if last else 0.0,
        started=trial.started,
        ended=trial.ended,
        reason=trial.reason,
    )


def best(rows: Sequence[Row], metric: str) -> Row | None:
    """The finished trial of the search with the highest value; of equals, the first.

    A pruned trial's value is of less training, and a confirming trial repeats a configuration with other
    seeds: neither may win.
    """
    able = [r for r in rows if r.state == "finished" and r.phase == "search" and r.value(metric) is not None]
    return leaderboard(able, metric)[0] if able else None


def leaderboard(rows: Sequence[Row], metric: str) -> list[Row]:
    """Finished trials by value; then those that run, were pruned (the furthest first), stopped, failed."""

    def place(r: Row) -> tuple[float, ...]:
        value = r.value(metric)
        # those that finished have all gone equally far, so their share does not count
        return (
            _PLACES[r.state],
            0 if r.state == "finished" else -r.share,
            math.inf if value is None else -value,
        )

    return sorted(rows, key=lambda r: (*place(r), len(r.id), r.id))


def settings(rows: Sequence[Row]) -> list[str]:
    """The sampled parameters that differ between the rows, in the order in which they first appear."""
    names = list(dict.fromkeys(name for r in rows for name in r.params))
    return [name for name in names if len({repr(r.params.get(name)) for r in rows}) > 1]


def markdown(
    rows: Sequence[Row], metric: str, top: int = 10, link: Callable[[str], str | None] = lambda id: None
) -> str:
    """The first `top` rows as a table. `link` gives the address of a trial."""
    shown = list(rows)[:top]
    names = [name for name in settings(rows) if any(name in r.params for r in shown)]
    lines = []
    for r in shown:
        address = link(r.id)
        value = r.value(metric)
        name = f"[{r.id}]({address})" if address else r.id
        settings_of = (show(r.params[name]) if name in r.params else "" for name in names)
        lines.append([name, *settings_of, "" if value is None else f"{value:.4f}", r.state])
    return grid(["trial", *names, metric, "state"], lines, numbers=(len(names) + 1,))


def grid(head: Sequence[str], lines: Sequence[Sequence[str]], numbers: Collection[int]) -> str:
    """A Markdown table; the columns of `numbers` are aligned to the right."""
    rule = ["---:" if i in numbers else "---" for i in range(len(head))]
    shown = [rule if line is rule else [_cell(cell) for cell in line] for line in (head, rule, *lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in shown)


def _cell(text: str) -> str:
    """Nothing that ends the cell."""
    return text.replace("|", "\\|").replace("\n", " ")
