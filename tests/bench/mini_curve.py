"""The radius curve of `mini`, read off the recorded grid: `python -m tests.bench.mini_curve [docs/mini-radius.svg]`.

Accuracy on the whole dev split against the radius, one PGD step; at each radius the learning rate that is best there.
Prints the numbers, mean and standard deviation over the recorded seeds, and draws them; radius 0 is plain.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from tests.bench.mini_grid import Grid, load

SHOWN = {"dev/mean/targets": "target languages", "dev/mean/mixed": "mixed pairs"}
STYLES = {"mini-a": ("o", "#0072b2"), "mini-b": ("s", "#d55e00")}  # told apart by shape as well as by colour


def curve(grid: Grid, encoder: str, metric: str) -> dict[float, npt.NDArray[np.float64]]:
    """By radius, the accuracies in percent over seeds of the learning rate with the best mean."""
    found: dict[float, list[npt.NDArray[np.float64]]] = {}
    for there, values in zip(grid.configurations, 100 * grid.values[metric][:, :, -1], strict=True):
        radius = 0.0 if there["method"] == "plain" else there.get("adversarial.radius")
        if there["encoder"] == encoder and radius is not None and there.get("adversarial.steps", 1) == 1:
            found.setdefault(radius, []).append(values)
    return {radius: max(rows, key=np.mean) for radius, rows in sorted(found.items())}


def draw(grid: Grid, path: Path) -> None:
    """Two panels, one a metric; the dotted line is plain fine-tuning."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharex=True, layout="constrained")
    for axis, (metric, title) in zip(axes, SHOWN.items(), strict=True):
        for encoder, (marker, colour) in STYLES.items():
            points = curve(grid, encoder, metric)
            plain = points.pop(0.0).mean()
            means, spreads = zip(*((v.mean(), v.std(ddof=1)) for v in points.values()), strict=True)
            axis.axhline(plain, color=colour, linestyle=":", linewidth=1)
            axis.errorbar(list(points), means, spreads, marker=marker, color=colour, capsize=2, label=encoder)
        axis.set(xscale="log", title=f"mini: {title}", xlabel="radius", ylabel="accuracy on dev, %")
    axes[0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main(path: str = "docs/mini-radius.svg") -> None:
    grid = load()
    for metric, title in SHOWN.items():
        for encoder in STYLES:
            rows = (
                f"{r:g}: {v.mean():.1f} ± {v.std(ddof=1):.1f}"
                for r, v in curve(grid, encoder, metric).items()
            )
            print(f"{title}, {encoder}: {'; '.join(rows)}")
    draw(grid, Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
