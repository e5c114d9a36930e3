"""The figures of a report, drawn from their rows. It knows rows and matplotlib, no runs and no files.

Colour never carries information alone: methods have their own marker, matrices print their numbers. Colours are those
of Okabe & Ito (2008), and cividis, whose lightness grows evenly. No state outside a figure is changed.
"""

import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from xrt.findings.importances import Course as Expected
from xrt.findings.importances import Importance
from xrt.report.figures import Gain, Gaps, Matrix, Places
from xrt.report.search_figures import Costs, Courses, Panel, Tried
from xrt.spec.metric import Metric

STYLE: Any = {
    "font.size": 10,
    "font.family": "sans-serif",
    "svg.fonttype": "none",  # text stays text, so files are small and can be searched
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3
    "svg.hashsalt": "xrt",  # the same figure gives the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "legend.frameon": False,
}
LOOKS = {  # colour (Okabe & Ito), marker
    "plain": ("#000000", "o"),
    "adversarial": ("#D55E00", "s"),
    "noise": ("#0072B2", "^"),
    "synonyms": ("#009E73", "D"),
    "free": ("#CC79A7", "v"),
}
OTHERS = [("#E69F00", "P"), ("#56B4E9", "X"), ("#888888", "*")]


def svg(draw: Callable[[], Figure]) -> str:
    """The figure of `draw`, in the style of all reports, as the text of an SVG file.

    Points link to `#trial-0017` and cells to `#pair-de-zh` of the report's page; see `without_links`.
    """
    return _saved(draw, format="svg", metadata={"Date": None, "Creator": None}).decode()


def without_links(svg: str) -> str:
    """The same SVG without links, for a separate file."""
    return re.sub(r"</?a\b[^>]*>", "", svg)


def png(draw: Callable[[], Figure], dpi: int = 150) -> bytes:
    """The same as a PNG, for uses that do not support SVG."""
    return _saved(draw, format="png", dpi=dpi)


def pdf(draw: Callable[[], Figure]) -> bytes:
    """The same as a PDF, for papers."""
    return _saved(draw, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})


def _saved(draw: Callable[[], Figure], **options: Any) -> bytes:
    with rc_context(STYLE):
        buffer = io.BytesIO()
        draw().savefig(buffer, bbox_inches="tight", **options)
    return buffer.getvalue()


def draw_matrices(matrices: Sequence[Matrix]) -> Figure:
    """Heat maps with their numbers; side by side if they are small."""
    size, single = len(matrices[0].languages), matrices[0].single
    each = max(3.6, 0.55 * size + 0.8)
    beside = size <= 9 and not single
    rows, columns = (1, len(matrices)) if beside else (len(matrices), 1)
    figure = _figure(each * columns * 1.08, (1.7 if single else each) * rows)
    for place, rows_of in enumerate(matrices):
        _heat(figure, figure.add_subplot(rows, columns, place + 1), rows_of)
    figure.tight_layout(w_pad=3)
    return figure


def _heat(figure: Figure, axes: Axes, matrix: Matrix) -> None:
    values = matrix.values if matrix.signed else 100 * matrix.values
    bound = max(1.0, float(np.nanmax(np.abs(values))))
    low, high = (-bound, bound) if matrix.signed else (float(np.nanmin(values)), float(np.nanmax(values)))
    high = max(high, low + 1)
    drawn = axes.imshow(values, cmap="PuOr_r" if matrix.signed else "cividis", vmin=low, vmax=high)
    size = len(matrix.languages)
    for i in range(len(values)):
        for j in range(size):
            if not math.isnan(values[i, j]):
                text = f"{values[i, j]:+.1f}" if matrix.signed else f"{values[i, j]:.1f}"
                ink = _ink(drawn.cmap(drawn.norm(values[i, j])))
                axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=8.5 if size < 10 else 7)
                first, second = matrix.languages[j if matrix.single else i], matrix.languages[j]
                cell = Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, lw=0, url=f"#pair-{first}-{second}")
                axes.add_patch(cell)
    axes.set_xticks(range(size), matrix.languages)
    axes.set_yticks([] if matrix.single else range(size), [] if matrix.single else matrix.languages)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("language" if matrix.single else "language of sentence 2")
    axes.set_ylabel("" if matrix.single else "language of sentence 1")
    axes.set_title(matrix.title)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
    bar.outline.set_visible(False)
    bar.set_label("points" if matrix.signed else "accuracy, %", fontsize=9)


def _ink(background: Any) -> str:
    """Black or white, whichever is legible on that colour. A dark page inverts other blacks, not this one."""
    red, green, blue = background[:3]
    return "#010101" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def draw_gains(gains: Sequence[Gain]) -> Figure:
    """One line per language: the difference to plain with its interval, and a line at zero."""
    figure = _figure(6.6, 0.34 * len(gains) + 1.1)
    axes = figure.add_subplot()
    for place, gain in enumerate(reversed(gains)):
        whole = gain.metric.kind == "mean"
        if not math.isnan(gain.low):
            axes.plot(
                [100 * gain.low, 100 * gain.high], [place, place], color="black", lw=2 if whole else 1.2
            )
        axes.plot([100 * gain.difference], [place], "D" if whole else "o", color="black", ms=6)
    axes.axvline(0, color="0.5", lw=1, ls="--")
    axes.set_yticks(range(len(gains)), [gain.words for gain in reversed(gains)])
    axes.set_xlabel("gain over plain fine-tuning, points (95 % interval)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:+g}" if x else "0"))
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return figure


def draw_gaps(rows: Sequence[Gaps]) -> Figure:
    """Gain over plain against misalignment, one point per language, one panel per site."""
    figure = _figure(3.9 * len(rows) + 0.4, 3.4)
    first: Axes | None = None
    for place, row in enumerate(rows):
        first_or_none = {"sharey": first} if first else {}
        axes = figure.add_subplot(1, len(rows), place + 1, **first_or_none)
        first = first or axes
        for i, (language, x, gain) in enumerate(sorted(row.points, key=lambda p: p.distance)):
            if not math.isnan(gain.low):
                axes.plot([x, x], [100 * gain.low, 100 * gain.high], color="0.6", lw=1.2, zorder=1)
            axes.plot([x], [100 * gain.difference], "o", color="black", ms=5)
            # Neighbouring points have their names on different sides.
            beside, spot = (5, 4 if i % 2 else -12), (x, 100 * gain.difference)
            axes.annotate(language, spot, beside, textcoords="offset points", fontsize=9)
        axes.axhline(0, color="0.5", lw=1, ls="--")
        axes.axvline(row.unrelated, color="0.5", lw=1, ls=":")
        axes.set_xlabel("distance to the source language, mean norms")
        axes.set_title({"words": "word embeddings", "states": "last layer"}.get(row.site, row.site))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:+g}" if y else "0"))
        axes.grid(color="0.93")
        axes.set_axisbelow(True)
    if first:
        first.set_ylabel("gain over plain, points")
    figure.tight_layout()
    return figure


def draw_places(row: Places) -> Figure:
    """Gain over plain against the distance of translations: filled along δ, hollow in all; the ball is shaded."""
    figure = _figure(5.4, 3.4)
    axes = figure.add_subplot()
    for language, distance, along, inside, gain in row.points:
        y = 100 * gain.difference
        axes.plot([along, distance], [y, y], color="0.7", lw=1, zorder=1)
        axes.plot([along], [y], "o", color="black", ms=5)
        axes.plot([distance], [y], "o", color="black", mfc="white", ms=5)
        text = f"{language}, {100 * inside:.0f} %"
        axes.annotate(text, (distance, y), xytext=(5, 4), textcoords="offset points", fontsize=9)
    axes.axvspan(-row.radius, row.radius, color="0.9", zorder=0)
    axes.axhline(0, color="0.5", lw=1, ls="--")
    axes.margins(x=0.2)
    axes.set_xlabel("distance to the source language, mean norms")
    axes.set_ylabel("gain over plain, points")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:+g}" if y else "0"))
    figure.tight_layout()
    return figure


def draw_panels(panels: Sequence[Panel], metric: Metric) -> Figure:
    """Score against each parameter, one row per encoder, on one scale; the band is where plain trials lie."""
    encoders = list(dict.fromkeys(panel.encoder for panel in panels))
    columns = list(dict.fromkeys((panel.method, panel.parameter) for panel in panels))
    figure = _figure(3.5 * len(columns) + 0.4, 3.2 * len(encoders))
    grid = figure.subplots(len(encoders), len(columns), squeeze=False, sharey=True, sharex="col")
    for panel in panels:
        row, column = encoders.index(panel.encoder), columns.index((panel.method, panel.parameter))
        _panel(grid[row][column], panel)
        grid[row][0].set_ylabel(f"{metric.words} (dev), {panel.encoder}")
    figure.tight_layout()
    return figure


def _panel(axes: Axes, panel: Panel) -> None:
    if panel.plain:
        known = [p.score for p in panel.plain]
        axes.axhspan(min(known), max(known), color="0.85", lw=0)
        axes.axhline(max(known), color="0.4", lw=1, ls="--")
    _scatter(axes, panel.points)
    if panel.points:
        _log_axis(axes, [p.x for p in panel.points])
    axes.set_xlabel(panel.parameter)
    axes.set_title(f"{panel.method}: {panel.parameter}")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(color="0.93")
    axes.set_axisbelow(True)


def draw_expected(courses: Sequence[Expected], metric: Metric) -> Figure:
    """The expected best score against the number of trials, one line per arm."""
    figure = _figure(6.6, 3.4)
    axes = figure.add_subplot()
    for course in courses:
        colour, marker = look(course.arm.method)
        steps = range(1, len(course.expected) + 1)
        axes.plot(steps, course.expected, color=colour, marker=marker, ms=4, lw=1.3, label=course.arm.name)
    axes.set_xlabel("trials of the arm")
    axes.set_ylabel(f"expected best, {metric.words} (dev)")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(color="0.93")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_costs(costs: Costs) -> Figure:
    """Accuracy against cost; the line is the Pareto front, whose trials are named."""
    figure = _figure(6.6, 3.8)
    axes = figure.add_subplot()
    for method in dict.fromkeys(point.method for point in costs.points):
        _scatter(axes, [p for p in costs.points if p.method == method], label=method)
    front = costs.front
    axes.step(
        [p.x for p in front] + [max(p.x for p in costs.points)],
        [p.score for p in front] + [front[-1].score],
        where="post", color="0.45", lw=1, ls="--", zorder=1,
    )  # fmt: skip
    for point in front:
        axes.annotate(point.trial, (point.x, point.score), (5, 5), textcoords="offset points", fontsize=8)
    _log_axis(axes, [p.x for p in costs.points])
    axes.set_xlabel("cost of training, plain steps")
    axes.set_ylabel(f"accuracy, {costs.metric.words} (dev)")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(color="0.93")
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_importances(rows: Sequence[Importance]) -> Figure:
    """A bar per parameter, the most important on top."""
    figure = _figure(6.6, 0.34 * len(rows) + 0.9)
    axes = figure.add_subplot()
    bars = axes.barh(
        [row.name for row in reversed(rows)], [row.share for row in reversed(rows)], color="0.35"
    )
    axes.bar_label(bars, [f"{100 * row.share:.0f} %" for row in reversed(rows)], padding=3, fontsize=9)
    axes.set_xlim(0, 1.15 * max(row.share for row in rows))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.set_xlabel("share of the explained variance")
    return figure


def draw_pruning(pruning: Courses) -> Figure:
    """Every trial from rung to rung: finished ones dark, pruned ones light with a cross where they ended."""
    figure = _figure(6.6, 3.8)
    axes = figure.add_subplot()
    for course in pruning.courses:
        colour, marker = look(course.method)
        ended = course.state == "pruned"
        axes.plot(
            course.steps, course.scores, color="0.7" if ended else colour, lw=1 if ended else 1.4,
            ls="--" if ended else "-", marker=marker, ms=4, zorder=1 if ended else 2, url=f"#trial-{course.trial}",
        )  # fmt: skip
        if ended:
            axes.plot(
                course.steps[-1], course.scores[-1], "x", color="0.2", ms=9, mew=1.6, zorder=3,
                url=f"#trial-{course.trial}",
            )  # fmt: skip
    for method in dict.fromkeys(course.method for course in pruning.courses):
        colour, marker = look(method)
        axes.plot([], [], color=colour, marker=marker, ms=4, lw=1.4, label=method)
    if any(course.state == "pruned" for course in pruning.courses):
        axes.plot([], [], "x", color="0.2", ms=8, mew=1.6, label="pruned here")
    axes.set_xscale("log")
    axes.set_xticks(
        [rung.step for rung in pruning.rungs],
        [f"{r.step:,}\n{r.reached} reached\n{r.pruned} pruned" for r in pruning.rungs],
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.set_xlabel("optimizer steps")
    axes.set_ylabel(f"accuracy, {pruning.metric.words} (dev)")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(color="0.93")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def look(method: str) -> tuple[str, str]:
    """Colour and marker of a method; the same in every figure."""
    return LOOKS.get(method) or OTHERS[sum(map(ord, method)) % len(OTHERS)]


def _scatter(axes: Axes, points: Sequence[Tried], label: str | None = None) -> None:
    """One marker per trial, with its interval; a cross if it was pruned."""
    for index, point in enumerate(points):
        colour, marker = look(point.method)
        if not math.isnan(point.low):
            axes.plot([point.x, point.x], [point.low, point.high], color=colour, lw=1, alpha=0.7)
        mark, size = ("x", 5) if point.pruned else (marker, 6)
        shown = label if index == 0 else None
        axes.plot(
            [point.x], [point.score], mark, color="0.5" if point.pruned else colour, ms=size, label=shown,
            url=f"#trial-{point.trial}",
        )  # fmt: skip


def _log_axis(axes: Axes, values: Sequence[float]) -> None:
    """Logarithmic if the values need it, with plain numbers as ticks."""
    if min(values) > 0 and max(values) / min(values) >= 4:
        axes.set_xscale("log")
        nice = [m * 10.0**e for e in range(-6, 9) for m in (1, 2, 5)]
        inside = [v for v in nice if 0.9 * min(values) <= v <= 1.1 * max(values)]
        axes.set_xticks(inside[:: 1 + len(inside) // 7], [f"{v:g}" for v in inside[:: 1 + len(inside) // 7]])
        axes.minorticks_off()
    elif len(set(values)) <= 6 and all(float(value).is_integer() for value in values):
        axes.set_xticks(sorted(set(values)))


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure
