"""What is looked at before a run exists, beside the data themselves: encoders, synonyms, the cache, the classes."""

from collections.abc import Callable, Iterator
from functools import partial

from xrt.data import Aligned, load_neighbours
from xrt.data.cache import check_cache
from xrt.errors import DataError
from xrt.spec.study import StudySpec

WORDS = "word"  # the site that has no number


def checks(spec: StudySpec) -> Iterator[Callable[[], object]]:
    """Each raises an `XrtError` where every trial, or every one of a kind, would fail."""
    from xrt.robust.inspection import check_encoder

    training = spec.training
    for name in spec.space.encoders:
        yield partial(
            check_encoder,
            name,
            max_tokens=training.max_tokens,
            dropout=training.dropout is not None,
            layers=layers(spec),
            gradient_checkpointing=training.gradient_checkpointing,
        )
    yield check_cache
    if spec.data.neighbours is not None or ("synonyms" in spec.space.method and not spec.task.embedded):
        yield partial(load_neighbours, spec.data.neighbours)


def layers(spec: StudySpec) -> set[int]:
    """The k of every `site: layer: k` of the space."""
    sites = [method["site"] for method in spec.space.method.values() if "site" in method]
    named = {str(option) for site in sites for option in getattr(site, "options", ())} - {WORDS}
    return {int(site.removeprefix("layer:")) for site in named}


def check_classes(spec: StudySpec, train: Aligned) -> None:
    """Whether the training data have more than one label to learn.

    Raises:
        DataError: they have not.
    """
    source = spec.task.source
    labels = train.pair(source, source).labels[: spec.data.train_rows].tolist()
    if len(set(labels)) < 2:
        told = f'have the label "{spec.task.labels[labels[0]]}"' if labels else "are incomplete"
        cut = " that data.train_rows leaves" if spec.data.train_rows else ""
        raise DataError(
            f"{train.sentences(source).origin}: all {len(labels)} training examples{cut} {told}; at least two "
            f"labels of {', '.join(spec.task.labels)} are needed."
        )
