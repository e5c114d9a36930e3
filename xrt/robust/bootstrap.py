"""The bootstrap of a mean over cells that share their examples: an example is drawn with all its cells.

Letters: N aligned examples, P cells (pairs of languages), D draws.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def bootstrap_means(right: Bools, asked: Bools, rng: np.random.Generator, draws: int = 1000) -> Floats:
    """Means over cells (D,) when the examples are drawn again, each with all its cells.

    Args:
        right: (P, N); where not asked it does not count.
        asked: (P, N).
    """
    examples = right.shape[1]
    right32, asked32 = (right & asked).T.astype(np.float32), asked.T.astype(np.float32)
    means = np.empty(draws)
    step = max(1, 2**22 // max(1, examples))  # weights of 16 MiB at a time
    for start in range(0, draws, step):
        size = min(step, draws - start)
        weights = rng.multinomial(examples, np.full(examples, 1 / examples), size).astype(np.float32)
        total = weights @ asked32  # (D, P)
        with np.errstate(invalid="ignore"):
            means[start : start + size] = np.nanmean((weights @ right32) / total, axis=1)
    return means
