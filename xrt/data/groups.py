"""Which examples belong together: those that share a sentence, directly or through other examples.

Knows sentences as text, and nothing of languages, files or labels.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def groups_of(*sides: Sequence[str]) -> Ints:
    """(n,) a number for each example, equal where examples share a sentence on any side: first, second, of a source.

    Groups are the connected components of the graph between examples and their sentences: if 1 and 2 share a
    sentence, and 2 and 3 another, all three are one group. Texts that are equal after stripping are one sentence;
    a missing sentence ("") joins nothing. Groups are numbered 0, 1, … in the order of their first examples.
    """
    # Loaded here: it takes longer than all else that `list` and `status` load with this floor.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(sides[0])
    numbers: dict[str, int] = {}
    edges = [
        (row, n + numbers.setdefault(bare, len(numbers)))
        for side in sides
        for row, text in enumerate(side)
        if (bare := text.strip())
    ]
    rows, columns = np.array(edges, np.int64).reshape(-1, 2).T
    size = n + len(numbers)
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(size, size))
    component = connected_components(graph, directed=False)[1][:n]
    _, place, of = np.unique(component, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(place))[of].astype(np.int64)
