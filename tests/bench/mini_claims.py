"""What methods and objectives do on `mini`: `python -m tests.bench.mini_claims [SEEDS] [JOBS]`, about 40 CPU minutes.

It goes on where it was stopped: what was predicted lies in build/mini_claims.

For each encoder the best setting of each method is chosen on dev, from the recorded grid (mean over its seeds): by the
targets' mean, which tells what other seeds will have in mixed pairs better than the mixed mean itself does, and by
which plain fine-tuning is at its strongest. What the grid does not have (the objectives, free) is not tuned: it takes
the setting of its method, free that of adversarial. Then each is trained with new seeds and evaluated on test, beside
plain fine-tuning with the same seeds. Printed are means and standard deviations over seeds, and the differences to
plain with the interval of `findings.statistics.crossed`, over seeds and example groups.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.bench.mini_grid import METHODS, Grid, load
from xrt.findings.statistics import Estimate, contributions, crossed
from xrt.findings.words import difference_interval, points, show
from xrt.robust.predictions import Predictions
from xrt.search.trial import begin, use_threads
from xrt.spec import Metric, build, load_study

ENCODERS = ("mini-a", "mini-b")
NAMES = tuple(dict.fromkeys(method["method"] for method in METHODS))
UNTUNED: dict[str, tuple[str, dict[str, Any]]] = {
    "adversarial, clean 1": ("adversarial", {"adversarial.clean": 1.0}),
    "adversarial, kl": ("adversarial", {"adversarial.objective": "kl"}),
    "noise, clean 1": ("noise", {"noise.clean": 1.0}),
    "noise, kl": ("noise", {"noise.objective": "kl"}),
}
SHOWN = ("acc/en", "mean/targets", "mean/mixed")
FOLDER = Path("build/mini_claims")
FIRST = 201  # of the new seeds: none of the grid's


def settings(grid: Grid) -> dict[tuple[str, str], dict[str, Any]]:
    """The configurations to train, by encoder and name."""
    found = best(grid)
    for encoder in ENCODERS:
        for name, (method, more) in UNTUNED.items():
            found[encoder, name] = found[encoder, method] | more
        like = found[encoder, "adversarial"]
        own = {"free.radius": like["adversarial.radius"], "free.steps": 2}
        found[encoder, "free"] = {key: like[key] for key in ("encoder", "learning_rate")} | {
            "method": "free",
            **own,
        }
    return found


def best(grid: Grid) -> dict[tuple[str, str], dict[str, Any]]:
    """By encoder and method, the configuration with the best mean over the target languages on dev."""
    final = grid.values["dev/mean/targets"][:, :, -1].mean(1)
    found = {}
    for encoder in ENCODERS:
        for name in NAMES:
            those = [
                c
                for c, there in enumerate(grid.configurations)
                if (there["encoder"], there["method"]) == (encoder, name) and not np.isnan(final[c])
            ]
            found[encoder, name] = grid.configurations[max(those, key=lambda c: final[c])]
    return found


def predict(sample: dict[str, Any], seed: int) -> Predictions:
    """The predictions for test of a configuration, trained with a seed."""
    config = build(load_study("mini", []), sample, seed, confirm=True)
    known = FOLDER / f"{config.digest}.arrow"
    if not known.exists():
        *_, last = begin(config)
        with TemporaryDirectory(dir=FOLDER) as folder:
            assert last.save is not None
            last.save(Path(folder))
            (Path(folder) / "predictions-test.arrow").rename(known)
    return Predictions.open(known)


def values(predictions: list[Predictions], metric: str) -> Any:
    """(S, G): what each example group contributes to the metric, by seed."""
    found = Metric.parse(f"test/{metric}")
    return np.stack([contributions(one, found.cells(one.pairs, one.sources)) for one in predictions])


def shown(estimate: Estimate) -> str:
    return f"{points(estimate.mean):>5} ({difference_interval(estimate.interval())})"


def described(sample: dict[str, Any]) -> str:
    own = [
        f"{k.partition('.')[2]} {show(v)}" for k, v in sample.items() if "." in k and k != "synonyms.copies"
    ]
    return ", ".join([*own, f"lr {sample['learning_rate']:g}"])


def print_methods(grid: Grid, found: dict[tuple[str, str], list[Predictions]]) -> None:
    """Each method's best setting beside plain, by encoder and over both."""
    picked = settings(grid)
    for encoder in (*ENCODERS, "both"):
        both = ENCODERS if encoder == "both" else (encoder,)
        for name in (*NAMES, *UNTUNED, "free"):
            table = {m: np.concatenate([values(found[e, name], m) for e in both]) for m in SHOWN}
            plain = {m: np.concatenate([values(found[e, "plain"], m) for e in both]) for m in SHOWN}
            means = "  ".join(
                f"{100 * one.mean:5.1f} ± {100 * one.sd:.1f}" for one in map(crossed, table.values())
            )
            setting = "" if encoder == "both" else described(picked[encoder, name])
            gains = [shown(crossed(table[m] - plain[m])) for m in SHOWN[1:]] if name != "plain" else []
            print(f"{encoder:7} {name:20} {means}   {'  '.join(gains):50} {setting}", flush=True)


def main(seeds: int = 5, jobs: int = 2) -> None:
    grid = load()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs, get_context("spawn"), use_threads, (1,)) as pool:
        futures = {
            key: [pool.submit(predict, sample, FIRST + s) for s in range(seeds)]
            for key, sample in settings(grid).items()
        }
        found = {key: [future.result() for future in those] for key, those in futures.items()}
    examples = len(found["mini-a", "plain"][0].ids)
    print(
        f"Test, {seeds} seeds, {examples} examples a pair: English, targets, mixed pairs (mean ± sd over seeds);"
    )
    print("then the differences to plain in targets and in mixed pairs, with 95 % intervals")
    print_methods(grid, found)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
