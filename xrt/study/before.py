"""The checks before any training: files, rows, encoders, synonyms, the cache, the classes.

All problems are reported together. A resumed run is checked in the same way, and against what it began with.
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
from xrt.findings.words import count
from xrt.record.run import Data, Run
from xrt.robust.keeping import Keep
from xrt.spec.study import StudySpec
from xrt.spec.trial import Length, rung_steps
from xrt.spec.values import Choice, ends

WORDS = "word"  # the site that has no number
MOST_UNKNOWN, SENTENCES_LOOKED_AT = 0.05, 500


class Survey(NamedTuple):
    """The splits that a run reads: their fingerprints, what they leave out, one line per split, and warnings."""

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
        for now in checked_survey(run.spec).data
        if (then := before.get(now.split)) and then.digest != now.digest
    ]
    now_in = digests(run.spec)
    changed += [
        f"{run.name}: encoder {name} is not what the run began with (fingerprint {now_in.get(name)}; it had {then}). "
        f"Restore {_restored(name, then)}, or start a new run."
        for name, then in run.meta.encoders.items()
        if _files_of(now_in.get(name, "")) != _files_of(then)
    ]
    if changed:
        raise RecordError(changed)


def _restored(name: str, then: str) -> str:
    """How to restore an encoder, in words."""
    commit, from_hub, _ = then.partition("+")
    if not from_hub:
        return "its folder"
    fetch = f"hf download {name} --revision {commit}"
    return f"that commit in the hub's cache ({fetch}; write it into refs/main there; set HF_HUB_OFFLINE=1)"


def _files_of(digest: str) -> str:
    """Without the commit: another one may have changed a README alone."""
    return digest.rpartition("+")[2]


def digests(spec: StudySpec) -> dict[str, str]:
    """A fingerprint of each encoder: of its files; of one from the hub, with their commit."""
    from xrt.robust.weights import digest_of

    found = {name: digest_of(name) for name in spec.space.encoders}
    return {name: digest for name, digest in found.items() if digest}


def check_before(spec: StudySpec) -> None:
    """Check data and encoders before a run exists.

    Raises:
        XrtError: with every problem that was found.
    """
    splits: tuple[Split, ...] = ("train", "dev", "test") if spec.confirm else ("train", "dev")
    looks: list[Callable[[], object]] = [lambda: check(spec.task, spec.data.origin, splits), *checks(spec)]
    errors: list[XrtError] = []
    # In parallel: without a network each of them waits until its request times out.
    with ThreadPoolExecutor(len(looks)) as pool:
        for future in [pool.submit(look) for look in looks]:
            try:
                future.result()
            except XrtError as error:
                errors.append(error)
    if errors:
        raise joined(errors)


def checked_survey(spec: StudySpec) -> Survey:
    """The result of `survey`, after `check_before` has passed.

    Raises:
        XrtError: every problem at once: of encoders, of files that are missing, of the rows of all splits.
    """
    errors: list[XrtError] = []
    found = None
    try:
        check_before(spec)
    except XrtError as error:
        errors.append(error)
    # A hub that does not answer would cost the same wait again.
    if not (errors and spec.data.source == "hub"):
        try:
            found = survey(spec, tokenizers=not errors)
        except XrtError as error:
            errors.append(error)
    if errors or found is None:
        raise joined(errors)
    return found


def survey(spec: StudySpec, tokenizers: bool = True) -> Survey:
    """Fingerprints of the splits that a run reads (test only with a confirmation), what they drop, and warnings.

    Reads them whole, so that wrong rows, or too few rows, are reported before any training.

    Args:
        tokenizers: also check the encoders' tokenizers; False where encoders cannot be loaded.
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
                "left out. If the study's metric is one of them, dev takes the place of test."
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
    wanted = spec.data.dev_rows if aligned.split == "dev" else spec.data.test_rows
    if wanted is not None:
        aligned.sample(wanted, seed=0)


def _require_steps(spec: StudySpec, rows: int) -> None:
    """Raises where the shortest training has too few steps for the rungs, or for the weights that are to be kept."""
    epochs, batch, keep = spec.training.epochs, spec.training.batch_size, spec.training.keep
    shortest = Length(ends(epochs)[0], 1, int(ends(batch)[1])).steps(rows)
    rung_steps(spec.rungs, shortest)
    for option in keep.options if isinstance(keep, Choice) else ():
        if kept := Keep.read(option):
            kept.looks(shortest)


def _unknown(encoder: str, aligned: Aligned) -> Iterator[str]:
    """A warning for each language with more than `MOST_UNKNOWN` of its pieces unknown to the encoder's tokenizer."""
    from xrt.robust.sources import load_tokenizer

    tokenizer = load_tokenizer(encoder)
    for language in aligned.languages:
        sentences = [sentence for sentence in aligned.sentences(language).first if sentence]
        share = unknown_share(tokenizer, sentences[:SENTENCES_LOOKED_AT])
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
        why = [f"{own.missing} missing"] if own.missing else []
        why += [f"{count(conflict, 'label conflict')} with {source}"] if conflict else []
        if why:
            parts.append(f"{language} ({', '.join(why)})")
    lead = f"{aligned.split}: of {len(aligned)} aligned examples, these are left out of pairs with"
    if aligned.task.sentences == 1:
        lead = f"{aligned.split}: of {len(aligned)} examples, these are left out:"
    return [f"{lead} {', '.join(parts)}."] if parts else []


def checks(spec: StudySpec) -> Iterator[Callable[[], object]]:
    """Each check raises an `XrtError` for what would fail every trial, or every trial of a kind."""
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
    """Require at least two labels in the training data.

    Raises:
        DataError: there are fewer.
    """
    labels = [label for _, _, label in train.labelled(spec.task.sources, spec.data.train_rows)]
    if len(set(labels)) < 2:
        problem = f'have the label "{spec.task.labels[labels[0]]}"' if labels else "are incomplete"
        cut = " that data.train_rows leaves" if spec.data.train_rows else ""
        raise DataError(
            f"{train.columns[0].origin}: all {len(labels)} training examples{cut} {problem}; at least two "
            f"labels of {', '.join(spec.task.labels)} are needed."
        )
