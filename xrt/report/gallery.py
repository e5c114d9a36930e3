"""The figures of a report: what each is called, its caption, how it is drawn, and the rows that it draws.

`write_figures` puts each into a folder as PDF and SVG, with its rows as CSV.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from xrt.errors import RecordError
from xrt.findings.findings import Findings
from xrt.findings.importances import expected_best, importances
from xrt.findings.words import show
from xrt.record.files import write_text
from xrt.report import drawing, figures, search_figures
from xrt.report.pairs import cells

SCORE = ("score", "low", "high", "pruned")  # of a point of the search
CELL = (
    "sentence 1",
    "sentence 2",
    "correct",
    "total",
    "accuracy",
    "low",
    "high",
    "gain",
    "gain low",
    "gain high",
)


class Plate(NamedTuple):
    """A figure and its data, `rows` under `head`; accuracies and gains are shares."""

    name: str
    caption: str
    draw: Callable[[], Figure]
    head: Sequence[str]
    rows: Sequence[Sequence[object]]

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        return drawing.png(self.draw)

    @property
    def csv(self) -> str:
        """The rows as CSV; what is not known is empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([self.head, *(map(_cell, row) for row in self.rows)])
        return out.getvalue()


def write_figures(found: Findings, folder: Path) -> list[str]:
    """Write every figure of a run into a folder, which is made; returns their names.

    Raises:
        RecordError: the folder cannot be written.
    """
    names = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for plate in (*of_languages(found), *of_search(found)):
            write_text(folder / f"{plate.name}.svg", drawing.without_links(drawing.svg(plate.draw)))
            (folder / f"{plate.name}.pdf").write_bytes(drawing.pdf(plate.draw))
            write_text(folder / f"{plate.name}.csv", plate.csv)
            names.append(plate.name)
    except OSError as error:
        raise RecordError(f"--figures: {folder}: cannot be written ({error.strerror}).") from error
    return names


def of_languages(found: Findings) -> Iterator[Plate]:
    """What the winner gains in each language and pair; the matrix of the search where nothing is confirmed."""
    head: tuple[str, ...]
    if rows := figures.gains(found):
        caption = "Gain over plain by language, with 95 % intervals that are not corrected for their number."
        head, numbers = ("language", "gain", "low", "high"), [(row.words, *row[2:]) for row in rows]
        yield Plate("gains", caption, lambda: drawing.draw_gains(rows), head, numbers)
    if apart := figures.gaps(found):
        caption = (
            f"Gain over plain against the misalignment of {apart[0].encoder} before fine-tuning: the mean distance of "
            "a translation from its source sentence (means of word pieces), in mean norms of a word piece there, the "
            "unit of a radius. Dotted: the distance of unrelated source sentences."
        )
        head = ("site", "encoder", "language", "distance", "unrelated", "gain", "low", "high")
        drawn = [
            (site.site, site.encoder, p.language, p.distance, site.unrelated, *p.gain[2:])
            for site in apart
            for p in site.points
        ]
        yield Plate("misalignment", caption, lambda: drawing.draw_gaps(apart), head, drawn)
    if lying := figures.places(found):
        caption = (
            f"Whether the ball covers the gap: {lying.label} after fine-tuning. Filled: distance of translations along "
            "δ, the attack on their source sentences. Hollow: their whole distance (means of word pieces at the site, "
            f"dev). Shaded: the radius, {show(lying.radius)}. Beside each language: the share of its translations "
            "inside the radius."
        )
        head = ("configuration", "radius", "language", "distance", "along", "inside", "gain", "low", "high")
        lie = [(lying.label, lying.radius, *p[:4], *p.gain[2:]) for p in lying.points]
        yield Plate("why", caption, lambda: drawing.draw_places(lying), head, lie)
    what, shown = figures.matrices(found)
    if shown:
        gain = ", and its gain." if len(shown) > 1 else "."
        by = "language" if found.spec.task.sentences == 1 else "the languages of the two sentences"
        caption = f"Accuracy by {by} ({what}){gain}"
        yield Plate("matrix", caption, lambda: drawing.draw_matrices(shown), CELL, cells(found))


def of_search(found: Findings) -> Iterator[Plate]:
    """What the search tried, and what it cost."""
    head: tuple[str, ...]
    metric = found.spec.metric
    if panels := search_figures.panels(found):
        caption = (
            "Dev score against each tuned parameter of a method, one row per encoder. Points: finished trials with 95 "
            "% intervals over example groups (not over seeds). Crosses: pruned trials at their last rung. Grey: plain "
            "trials with that encoder. Points differ in other parameters too."
        )
        points = [(p.parameter, p.encoder, *point) for p in panels for point in p.points]
        head = ("parameter", "encoder", "trial", "method", "value", *SCORE)
        yield Plate("parameters", caption, lambda: drawing.draw_panels(panels, metric), head, points)
    if courses := expected_best(found.spec, found.searched):
        caption = (
            "How much each arm was tuned: its expected best dev score against its number of trials (Dodge et al. "
            "2019). Pruned trials count with the score of their last rung."
        )
        steps = [(c.arm.name, n, best) for c in courses for n, best in enumerate(c.expected, 1)]
        head = ("arm", "trials", "expected best")
        yield Plate("tuning", caption, lambda: drawing.draw_expected(courses, metric), head, steps)
    if costs := search_figures.costs(found):
        caption = "Dev score against the cost of training. Dashed: the Pareto front, with the trials on it."
        priced = [(*point, point in costs.front) for point in costs.points]
        head = ("trial", "method", "cost", *SCORE, "front")
        yield Plate("costs", caption, lambda: drawing.draw_costs(costs), head, priced)
    if shares := importances(found.spec, found.searched):
        caption = (
            "Parameters on which the score depended within the space (conditional PED-ANOVA over all trials at "
            "their first rung): a hint, not a finding. A method's effect can show in its own parameters."
        )
        head = ("parameter", "share")
        yield Plate("importances", caption, lambda: drawing.draw_importances(shares), head, shares)
    if pruned := search_figures.pruning(found):
        caption = f"ASHA: every trial from rung to rung. {_spent(pruned)}"
        reached = [
            (c.trial, c.method, c.state, step, score)
            for c in pruned.courses
            for step, score in zip(c.steps, c.scores, strict=True)
        ]
        head = ("trial", "method", "state", "step", "score")
        yield Plate("rungs", caption, lambda: drawing.draw_pruning(pruned), head, reached)


def _spent(pruned: search_figures.Courses) -> str:
    if math.isnan(pruned.share):
        return ""
    return (
        f"The search cost {pruned.spent:,.0f} plain steps, {100 * pruned.share:.0f} % of the {pruned.exhaustive:,.0f} "
        "that training all its trials to the end would have cost (evaluation not counted)."
    )


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return int(value) if isinstance(value, bool) else value
