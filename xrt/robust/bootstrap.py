"""The bootstrap of a mean over cells that share their examples: an example group is drawn with all its cells.

Letters: P cells (pairs of languages), G example groups, D draws.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def bootstrap_means(right: Ints, total: Ints, rng: np.random.Generator, draws: int = 1000) -> Floats:
    """Means over cells (D,) when the groups are drawn again, each with all its examples and cells.

    Args:
        right: (P, G) correct predictions of each group.
        total: (P, G) predictions of each group.
    """
    groups = right.shape[1]
    if not groups:
        return np.empty(0)
    right32, total32 = right.T.astype(np.float32), total.T.astype(np.float32)
    means = np.empty(draws)
    step = max(1, 2**22 // groups)  # weights of 16 MiB at a time
    for start in range(0, draws, step):
        size = min(step, draws - start)
        weights = rng.multinomial(groups, np.full(groups, 1 / groups), size).astype(np.float32)
        with np.errstate(invalid="ignore"):
            drawn = (weights @ right32) / (weights @ total32)  # (D, P)
            means[start : start + size] = np.nanmean(drawn, axis=1)
    return means
