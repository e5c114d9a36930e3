"""A metric as a value: how `dev/mean/mixed` is written and read, what it is called, and which cells it covers.

Nobody else splits such a string. A new mean is one entry in `MEANS`: a study can then select by it, every trial
reports it, and it has a name in tables, figures and MLflow. Knows no numbers.

A cell is a pair of languages (a, b): sentence 1 in a, sentence 2 in b (design, section 1).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from xrt.data import Task

Pair = tuple[str, str]
PROXIES = ("noise", "synonyms")  # of transfer: accuracy in the source language, made harder in a fixed way


class Mean(NamedTuple):
    """The unweighted mean over the cells for which `covers(cell, source language)` holds."""

    words: str
    covers: Callable[[Pair, str], bool]


MEANS: dict[str, Mean] = {
    "languages": Mean("all languages", lambda pair, source: pair[0] == pair[1]),
    "targets": Mean("target languages", lambda pair, source: pair[0] == pair[1] != source),
    "mixed": Mean("mixed pairs", lambda pair, source: pair[0] != pair[1]),
    "all": Mean("all pairs", lambda pair, source: True),
}


@dataclass(frozen=True)
class Metric:
    """`split/kind/name`: dev/mean/mixed, test/acc/de, dev/pair/de-zh, dev/proxy/noise."""

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

    def covers(self, pair: Pair, source: str) -> bool:
        """Whether the cell counts. A proxy is measured on the source language's own cell."""
        if self.kind == "mean":
            return self.name in MEANS and MEANS[self.name].covers(pair, source)
        if self.kind == "proxy":
            return pair == (source, source)
        return self.short == Metric.of(pair).short

    def cells(self, pairs: Sequence[Pair], source: str) -> list[int]:
        """The places among `pairs` of the cells that it is the mean of."""
        return [i for i, pair in enumerate(pairs) if self.covers(pair, source)]

    def needs_targets(self, source: str) -> bool:
        """Whether labelled examples of other languages than the source enter it: no zero-shot rule may use it."""
        return self.kind != "proxy" and self.short != f"acc/{source}"


def means_of(task: Task) -> list[Metric]:
    """The means that cover at least one cell of the task."""
    return [Metric("mean", name) for name in MEANS if Metric("mean", name).cells(task.pairs(), task.source)]


def metrics_of(task: Task, neighbours: bool = False) -> Iterator[Metric]:
    """What a study may select by, means first, proxies last; every trial reports it of the dev split.

    Args:
        neighbours: whether the study names a table of synonyms; `mini` has its own.
    """
    yield from means_of(task)
    yield from (Metric.of((a, a)) for a in task.languages)
    yield from (Metric.of((a, b)) for a, b in task.pairs() if a != b)
    # A source language that is trained on only is not evaluated, so it has no proxies either.
    if task.source in task.languages:
        proxies = PROXIES if neighbours or task.embedded else PROXIES[:1]
        yield from (Metric("proxy", name) for name in proxies)


def zero_shot(source: str) -> list[Metric]:
    """The metrics that select without labelled target sentences: source dev (Keung et al. 2020), then its proxies."""
    return [Metric("acc", source), *(Metric("proxy", name) for name in PROXIES)]


def primary(task: Task, selected: Metric) -> list[Metric]:
    """What a study is about: mixed pairs and target languages where there are such, then the study's own metric.

    A study that selects by the source language alone is still judged by transfer, so its metric is no primary one.
    """
    about = [m for m in means_of(task) if m.name in ("mixed", "targets")]
    own = [selected] if selected.needs_targets(task.source) or not about else []
    return list(dict.fromkeys([*sorted(about, key=lambda m: m.name != "mixed"), *own]))
