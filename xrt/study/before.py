"""What is looked at before anything is trained: files, rows, encoders, synonyms, the cache, the classes.

All problems come in one answer. A run that is resumed is looked at in the same way, against what it began with.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from xrt.data import Aligned, Split, check, load, load_neighbours
from xrt.data.cache import check_cache
from xrt.data.problems import joined
from xrt.data.tokens import unknown_share
from xrt.errors import DataError, RecordError, XrtError
from xrt.record.run import Data, Run
from xrt.robust.keeping import Keep
from xrt.spec.study import StudySpec
from xrt.spec.trial import Length, rung_steps
from xrt.spec.values import Choice, ends

WORDS = "word"  # the site that has no number
COMMIT = 40  # characters of a commit; a fingerprint of files has fewer
MOST_UNKNOWN, SENTENCES_LOOKED_AT = 0.05, 500


class Survey(NamedTuple):
    """The splits that a run reads: their fingerprints, what they leave out, one line a split, and warnings."""

    data: tuple[Data, ...]
    dropped: list[str]
    warnings: list[str]


def check_same(run: Run) -> None:
    """Refuse to resume a run on other data or encoders than it began with.

    Raises:
        XrtError: data or encoders cannot be used, or have changed.
    """
    before = {data.split: data for data in run.meta.data}
    changed = [
        f"{run.name}: {now.split} is not what the run began with ({now.rows} rows, digest {now.digest[:12]}; "
        f"it had {then.rows} rows, digest {then.digest[:12]}). Restore the data, or start a new run."
        for now in looked_at(run.spec).data
        if (then := before.get(now.split)) and then.digest != now.digest
    ]
    now_in = digests(run.spec)
    changed += [
        f"{run.name}: encoder {name} is not what the run began with (fingerprint {now_in.get(name)}; it had {then}). "
        f"Restore {_restored(name, then)}, or start a new run."
        for name, then in run.meta.encoders.items()
        if now_in.get(name) != then
    ]
    if changed:
        raise RecordError(changed)


def _restored(name: str, then: str) -> str:
    """What has to be restored of an encoder, in words."""
    if len(then) < COMMIT:
        return "its folder"
    fetch = f"hf download {name} --revision {then}"
    return f"that commit in the hub's cache ({fetch}; write it into refs/main there; set HF_HUB_OFFLINE=1)"


def digests(spec: StudySpec) -> dict[str, str]:
    """A fingerprint of each encoder: of its files, or its commit on the hub."""
    from xrt.robust.sources import digest_of

    found = {name: digest_of(name) for name in spec.space.encoders}
    return {name: digest for name, digest in found.items() if digest}


def check_before(spec: StudySpec) -> None:
    """Everything that can be known to be wrong before a run exists: data, encoders.

    Raises:
        XrtError: with every problem that was found.
    """
    splits: tuple[Split, ...] = ("train", "dev", "test") if spec.confirm else ("train", "dev")
    looks: list[Callable[[], object]] = [lambda: check(spec.task, spec.data.origin, splits), *checks(spec)]
    errors: list[XrtError] = []
    # Side by side: without a network each waits for its answer.
    with ThreadPoolExecutor(len(looks)) as pool:
        for future in [pool.submit(look) for look in looks]:
            try:
                future.result()
            except XrtError as error:
                errors.append(error)
    if errors:
        raise joined(errors)


def looked_at(spec: StudySpec) -> Survey:
    """What `survey` finds, once nothing is wrong.

    Raises:
        XrtError: every problem at once: of encoders, of files that are missing, of the rows of all splits.
    """
    errors: list[XrtError] = []
    found = None
    try:
        check_before(spec)
    except XrtError as error:
        errors.append(error)
    if not (errors and spec.data.source == "hub"):  # a hub that does not answer would be waited for again
        try:
            found = survey(spec, tokenizers=not errors)
        except XrtError as error:
            errors.append(error)
    if errors or found is None:
        raise joined(errors)
    return found


def survey(spec: StudySpec, tokenizers: bool = True) -> Survey:
    """Fingerprints of the splits that this run reads (test only if it will be confirmed), what they drop, warnings.

    Reads them whole, so that a wrong row, or too few of them, is found before anything is trained.

    Args:
        tokenizers: whether the encoders are sound, so that theirs can be looked at.
    """
    wanted: dict[Split, str] = {"train": "training", "dev": "evaluation"}
    if spec.confirm:
        wanted["test"] = "test"
    found, dropped = [], []
    warnings: list[str] = []
    errors: list[XrtError] = []
    for split, context in wanted.items():
        try:
            aligned = load(spec.task, spec.data.origin, split)
            _require_enough(spec, aligned)
            if split == "train":
                check_classes(spec, aligned)
        except XrtError as error:
            errors.append(error)
            continue
        if split == "dev" and tokenizers:
            warnings += [line for name in spec.space.encoders for line in _unknown(name, aligned)]
        if aligned.unlabelled:
            warnings.append(
                f"Warning: {split} has no labels in {', '.join(aligned.unlabelled)}; accuracies that need them are "
                "left out, and where the study's metric is one of them dev takes the place of test."
            )
        warnings += [f"Warning: {line}" for line in aligned.warnings]
        found.append(Data(spec.task.name, split, aligned.digest, len(aligned), context, spec.data.place))
        dropped += [*aligned.notes, *_dropped(aligned)]
    if errors:
        raise joined(errors)
    return Survey(tuple(found), dropped, warnings)


def _require_enough(spec: StudySpec, aligned: Aligned) -> None:
    """Raises where a split has too few examples for the rungs, or for the rows that the study takes of it."""
    if aligned.split == "train":
        rows = min(len(aligned), spec.data.train_rows or len(aligned))
        _require_steps(spec, rows)
        return
    count = spec.data.dev_rows if aligned.split == "dev" else spec.data.test_rows
    if count is not None:
        aligned.sample(count, seed=0)


def _require_steps(spec: StudySpec, rows: int) -> None:
    """Raises where the shortest training has too few steps for the rungs, or for the weights that are to be kept."""
    epochs, batch, keep = spec.training.epochs, spec.training.batch_size, spec.training.keep
    shortest = Length(ends(epochs)[0], 1, int(ends(batch)[1])).steps(rows)
    rung_steps(spec.rungs, shortest)
    for option in keep.options if isinstance(keep, Choice) else ():
        if kept := Keep.read(option):
            kept.looks(shortest)


def _unknown(encoder: str, aligned: Aligned) -> Iterator[str]:
    """A line for each language of which the encoder's tokenizer does not know a good part."""
    from xrt.robust.sources import load_tokenizer

    tokenizer = load_tokenizer(encoder)
    for language in aligned.languages:
        there = [sentence for sentence in aligned.sentences(language).first if sentence]
        share = unknown_share(tokenizer, there[:SENTENCES_LOOKED_AT])
        if share > MOST_UNKNOWN:
            yield (
                f'Warning: the tokenizer of {encoder} maps {share:.0%} of the pieces of "{language}" to unknown; '
                "scores in that language say little about this encoder."
            )


def _dropped(aligned: Aligned) -> list[str]:
    """One line that says what a split leaves out, or none if it leaves out nothing."""
    source, parts = aligned.task.source, []
    for language in aligned.languages:
        own, mixed = aligned.drops[language, language], aligned.drops.get((source, language))
        conflict = mixed.conflict if mixed else 0
        if own.missing or conflict:
            conflicts = f", {conflict} label conflicts with {source}" if conflict else ""
            parts.append(f"{language} {own.missing} missing{conflicts}")
    told = f"{aligned.split}: of {len(aligned)} aligned examples, left out of pairs with"
    if aligned.task.sentences == 1:
        told = f"{aligned.split}: of {len(aligned)} examples, left out"
    return [f"{told} {'; '.join(parts)}."] if parts else []


def checks(spec: StudySpec) -> Iterator[Callable[[], object]]:
    """Each raises an `XrtError` where every trial, or every one of a kind, would fail."""
    from xrt.robust.inspection import check_encoder

    training = spec.training
    for name in spec.space.encoders:
        yield partial(
            check_encoder,
            name,
            max_tokens=int(ends(training.max_tokens)[1]),
            dropout=training.dropout != Choice((None,)),
            layers=layers(spec),
            gradient_checkpointing=bool(ends(training.gradient_checkpointing)[1]),
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
    labels = [label for _, _, label in train.labelled(spec.task.sources, spec.data.train_rows)]
    if len(set(labels)) < 2:
        told = f'have the label "{spec.task.labels[labels[0]]}"' if labels else "are incomplete"
        cut = " that data.train_rows leaves" if spec.data.train_rows else ""
        raise DataError(
            f"{train.columns[0].origin}: all {len(labels)} training examples{cut} {told}; at least two "
            f"labels of {', '.join(spec.task.labels)} are needed."
        )
