"""What a run that has ended says on its own page in MLflow: the answer with its table, and numbers to compare runs by.

A function of the record; it knows no MLflow. While a run runs its page shows the search's progress instead.
"""

import math
from dataclasses import dataclass

from xrt.answers.confirmed import Confirmation, confirmation, show
from xrt.answers.table import grid
from xrt.answers.wording import answer, interval, points, probability, spread, words
from xrt.record.run import Run

MEANS = ("mean/languages", "mean/targets", "mean/mixed", "mean/all")


@dataclass(frozen=True)
class Outcome:
    """`note` is Markdown; `metrics` are of the chosen configuration, means over its seeds.

    The names are those of the trials (`test/mean/mixed`), so that a run and its trials share the columns of
    MLflow's table; `gain/...` is the difference to plain.
    """

    note: str
    metrics: dict[str, float]


def outcome(run: Run) -> Outcome | None:
    """None while the run runs."""
    if run.meta.ended is None:
        return None
    confirmed = confirmation(run)
    told = answer(run, confirmed)
    parts = [f"**{told.sentence}**", *told.evidence]
    if confirmed:
        parts.append(_table(confirmed))
    return Outcome("\n\n".join(parts), _metrics(run, confirmed) if confirmed else {})


def _table(confirmed: Confirmation) -> str:
    head = ["trial", "configuration", "encoder", "learning rate", "seeds", f"{words(confirmed.metric)}, %"]
    head += ["gain, points", "95 % interval", "p (Holm)", "against plain"]
    lines = [
        [
            line.configuration.id,
            line.configuration.label,
            *(show(line.configuration.params.get(name, "")) for name in ("encoder", "learning_rate")),
            str(len(line.configuration.trials)),
            spread(line.accuracy),
            points(line.gain.mean) if line.gain else "",
            interval(line.gain, signed=True) if line.gain else "",
            probability(line.p) if line.gain else "",
            line.verdict,
        ]
        for line in confirmed.lines
    ]
    return grid(head, lines, numbers=range(3, 9))


def _metrics(run: Run, confirmed: Confirmation) -> dict[str, float]:
    """Accuracy and gain in every language and mean; of the headline also the interval and p."""
    winner = confirmed.winner
    if winner is None:
        return {}
    found: dict[str, float] = {}
    split = "test" if confirmed.split == "test" else "final"
    for name in [*MEANS, *(f"acc/{language}" for language in run.meta.languages)]:
        found[f"{split}/{name}"] = confirmed.score(winner.configuration, name).mean
        if winner.gain is not None and (gain := confirmed.gain(winner.configuration, name)):
            found[f"gain/{name}"] = gain.mean
    if gain := winner.gain:
        sure = {"low": gain.low, "high": gain.high, "p": winner.p}
        found |= {f"gain/{confirmed.metric}/{name}": value for name, value in sure.items()}
    return {name: value for name, value in found.items() if not math.isnan(value)}
