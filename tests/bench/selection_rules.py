"""Which dev score should choose? `python -m tests.bench.selection_rules [STUDIES]`

From the recorded grid of `mini` (tests.bench.mini_grid). A study is a draw of configurations, each trained with one
seed; a rule takes the one with the highest score on the whole dev split. Its regret: how far the mixed mean of what it
took is below the best of the study, both over the other seeds, so that no rule is rewarded for luck. `dev/mean/…`
needs labelled dev data of the target languages; `dev/acc/en` and its proxies do not.
"""

import sys

import numpy as np

from tests.bench import mini_grid

RULES = ("mean/mixed", "mean/targets", "acc/en", "en_noise", "en_synonyms")
TRIALS = 36  # as in studies/mini.yaml


def main(studies: int = 2000) -> None:
    grid = mini_grid.load()
    final = {rule: grid.values[f"final/{rule}"][:, :, -1] for rule in RULES}  # (C, S)
    truth = final["mean/mixed"]
    rng = np.random.default_rng(0)
    regrets: dict[str, list[float]] = {rule: [] for rule in (*RULES, "chance")}
    for _ in range(studies):
        seed = int(rng.integers(len(grid.seeds)))
        others = [s for s in range(len(grid.seeds)) if s != seed]
        drawn = rng.choice(len(truth), min(TRIALS, len(truth)), replace=False)
        judged = truth[drawn][:, others].mean(1)
        best = judged.max()
        for rule in RULES:
            scores = final[rule][drawn, seed]
            # of equals any: English dev has few values near its ceiling
            winners = np.flatnonzero(scores == scores.max())
            regrets[rule].append(best - judged[winners].mean())
        regrets["chance"].append(best - judged.mean())
    print(f"{len(truth)} configurations, {studies} studies of {TRIALS}; regret in points of the mixed mean")
    print("winner by           mean  median  90 %   rank correlation with the mixed mean of other seeds")
    for rule, values in regrets.items():
        told = "" if rule == "chance" else f"{_correlation(final[rule], truth):9.2f}"
        mean, median, most = 100 * np.mean(values), 100 * np.median(values), 100 * np.quantile(values, 0.9)
        print(f"dev/{rule:14} {mean:6.2f} {median:7.2f} {most:6.2f} {told}")


def _correlation(scores: np.ndarray, truth: np.ndarray) -> float:
    """Spearman's, between the scores of a seed and the truth of the others; the mean over seeds."""
    from scipy.stats import spearmanr

    seeds = range(scores.shape[1])
    return float(
        np.mean([
            spearmanr(scores[:, s], np.delete(truth, s, 1).mean(1), nan_policy="omit").statistic for s in seeds
        ])
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
