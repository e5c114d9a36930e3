"""A metric as a value: how `dev/mean/mixed` is written and read, what it is called, and which cells it covers.

No other file parses these names. A new mean is one entry in `MEANS`: a study can then select by it, every trial
reports it, and it has a name in tables, figures and MLflow. Knows no numbers.

A cell is a pair of languages (a, b): sentence 1 in a, sentence 2 in b.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from xrt.data import Task

Pair = tuple[str, str]
Sources = tuple[str, ...]
PROXIES = ("noise", "synonyms")  # of transfer: accuracy in the source languages, made harder in a fixed way


class Mean(NamedTuple):
    """The unweighted mean over the cells for which `covers(cell, source languages)` holds."""

    words: str
    covers: Callable[[Pair, Sources], bool]


MEANS: dict[str, Mean] = {
    "languages": Mean("all languages", lambda pair, sources: pair[0] == pair[1]),
    "sources": Mean("source languages", lambda pair, sources: pair[0] == pair[1] in sources),
    "targets": Mean("target languages", lambda pair, sources: pair[0] == pair[1] not in sources),
    "mixed": Mean("mixed pairs", lambda pair, sources: pair[0] != pair[1]),
    "all": Mean("all pairs", lambda pair, sources: True),
}


@dataclass(frozen=True)
class Metric:
    """`split/kind/name`: dev/mean/mixed, test/acc/de, dev/pair/de-zh, dev/proxy/noise.

    A trial also reports what no study selects by and no cells enter: test/votes/mixed, dev/along/de.
    """

    kind: str
    name: str
    split: str = "dev"

    @classmethod
    def parse(cls, text: str) -> "Metric":
        """Reads `dev/mean/mixed`. Which metrics a task has is for `metrics_of` to say.

        Raises:
            ValueError: the text does not have three parts.
        """
        split, kind, name = text.split("/")
        return cls(kind, name, split)

    @classmethod
    def of(cls, pair: Pair, split: str = "dev") -> "Metric":
        """The accuracy of one cell."""
        a, b = pair
        return cls("acc", a, split) if a == b else cls("pair", f"{a}-{b}", split)

    def __str__(self) -> str:
        return f"{self.split}/{self.kind}/{self.name}"

    @property
    def short(self) -> str:
        """Without its split: `mean/mixed`."""
        return f"{self.kind}/{self.name}"

    @property
    def words(self) -> str:
        """What it measures: "mixed pairs", "de", "de-zh", "source language with noise"."""
        if self.kind == "mean":
            return MEANS[self.name].words if self.name in MEANS else self.name
        return f"source language with {self.name}" if self.kind == "proxy" else self.name

    def on(self, split: str) -> "Metric":
        """The same metric of another split."""
        return replace(self, split=split)

    def covers(self, pair: Pair, sources: Sources) -> bool:
        """Whether the cell counts. A proxy is measured on the source languages' own cells."""
        if self.kind in ("mean", "proxy"):
            name = "sources" if self.kind == "proxy" else self.name
            return name in MEANS and MEANS[name].covers(pair, sources)
        return self.short == Metric.of(pair).short

    def cells(self, pairs: Sequence[Pair], sources: Sources) -> list[int]:
        """The places among `pairs` of the cells that it is the mean of."""
        return [i for i, pair in enumerate(pairs) if self.covers(pair, sources)]

    def needs_targets(self, sources: Sources) -> bool:
        """Whether it uses labelled examples of target languages, so that no zero-shot rule may use it."""
        own = {Metric.of((a, b)).short for a in sources for b in sources}
        return self.kind != "proxy" and self.short not in own | {"mean/sources"}


def means_of(task: Task) -> list[Metric]:
    """The means that cover at least one cell of the task, without those that would repeat another metric.

    Left out are `sources` where there is one source, and `all` where sentences stand alone.
    """
    found = [Metric("mean", name) for name in MEANS if name not in _again(task)]
    return [mean for mean in found if mean.cells(task.pairs(), task.sources)]


def _again(task: Task) -> set[str]:
    """One source's mean is its accuracy; all pairs of single sentences are the languages."""
    alone = ["sources"] if len(task.sources) == 1 else []
    return {*alone, "all"} if task.sentences == 1 else {*alone}


def metrics_of(task: Task, neighbours: bool = False) -> Iterator[Metric]:
    """What a study may select by, means first, proxies last; every trial reports it of the dev split.

    Args:
        neighbours: whether the study names a table of synonyms; `mini` has its own.
    """
    yield from means_of(task)
    yield from (Metric.of((a, a)) for a in task.languages)
    yield from (Metric.of((a, b)) for a, b in task.pairs() if a != b)
    # Source languages that are trained on only are not evaluated, so they have no proxies either.
    if set(task.sources) & set(task.languages):
        proxies = PROXIES if neighbours or task.embedded else PROXIES[:1]
        yield from (Metric("proxy", name) for name in proxies)


def zero_shot(sources: Sources) -> list[Metric]:
    """The metrics that select without labelled target sentences: source dev (Keung et al. 2020), then its proxies."""
    dev = Metric("acc", sources[0]) if len(sources) == 1 else Metric("mean", "sources")
    return [dev, *(Metric("proxy", name) for name in PROXIES)]


def default_metric(task: Task) -> Metric:
    """The default metric of selection: mixed pairs, else target languages, else all languages."""
    known = means_of(task)
    wanted = (Metric("mean", name) for name in ("mixed", "targets", "languages"))
    return next(metric for metric in wanted if metric in known)


def primary(task: Task, selected: Metric) -> list[Metric]:
    """The metrics of the claims: mixed pairs and target languages, if the task has them, then the study's own metric.

    A study that selects by the source language alone is still judged by transfer, so its metric is no primary one.
    """
    about = [m for m in means_of(task) if m.name in ("mixed", "targets")]
    own = [selected] if selected.needs_targets(task.sources) or not about else []
    return list(dict.fromkeys([*sorted(about, key=lambda m: m.name != "mixed"), *own]))
