"""Checks that the languages of a split fit together: ids written alike, examples in common, labels that agree.

Clear mistakes are refused before a run: a pair of languages without a common example, ids that differ only in their
spelling, labels that differ as in shifted files. Unusual data are a warning.

Rows of unrelated files disagree about (C - 1)/C of the labels: 50 % for two classes, 67 % for three. Languages that
were annotated anew disagree about little: PAWS-X 1.6 % at most, Japanese SICK 13 %.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from xrt.data.sentences import Sentences
from xrt.data.tasks import SPLITS, quoted

# Shares of label conflicts among the examples that two languages have in common.
WARNED, REFUSED = 0.10, 1 / 3
FEWEST_CONFLICTS = 3  # fewer are no pattern
FEW_IN_COMMON = 0.5  # of the smaller language's examples

Pair = tuple[str, str]


class Common(NamedTuple):
    """What a pair of languages has: complete examples, those of them with conflicting labels, and usable ones."""

    complete: int
    conflicts: int
    usable: int


def written_apart(columns: Sequence[Sentences], source: str) -> list[str]:
    """A line for each language whose ids differ from the source's (or the first's) only in their spelling."""
    with_ids = [column for column in columns if column.has_ids]
    if len(with_ids) < 2:
        return []
    reference = next((column for column in with_ids if column.language == source), with_ids[0])
    return [
        line
        for column in with_ids
        if column is not reference
        for line in _written_apart(column, reference, columns)
    ]


def _written_apart(column: Sentences, reference: Sentences, columns: Sequence[Sentences]) -> Iterator[str]:
    ours, theirs = set(column.ids), set(reference.ids)
    codes = [one.language for one in columns]
    there = {_plain(key, codes): key for key in reference.ids if key not in ours}
    alike = [
        (key, there[plain])
        for key in column.ids
        if key not in theirs and (plain := _plain(key, codes)) in there
    ]
    if alike:
        here, other = alike[0]
        yield (
            f"{column.origin or column.language}: ids are written differently from those in "
            f'{reference.origin or reference.language}: "{here}" here, "{other}" there '
            f"({len(alike):,} of {len(column):,} ids); write them alike."
        )


def _plain(key: str, languages: Sequence[str]) -> str:
    """An id in a normal form: without case, leading zeros, `.0`, or a language or split beside it."""
    parts = re.split(r"[\W_]+", re.sub(r"(?<=\d)\.0$", "", key.strip().casefold()))
    codes = {part for code in (*languages, *SPLITS) for part in re.split(r"[\W_]+", code.casefold())}
    kept = [part for part in parts if part and part not in codes] or [part for part in parts if part]
    joined = "-".join(kept)
    prefix = next((code for code in codes if re.fullmatch(rf"{re.escape(code)}\d+", joined)), "")
    return re.sub(r"(?<!\d)0+(?=\d)", "", joined.removeprefix(prefix))


def nothing_in_common(common: Mapping[Pair, Common], columns: Sequence[Sentences], split: str) -> list[str]:
    """A line for each language, or pair of languages, that no example can be evaluated in."""
    empty = {pair for pair, one in common.items() if not one.usable}
    problems, reported = [], set[str]()
    for language in dict.fromkeys(a for a, _ in common):
        own, others = (
            (language, language) in empty,
            [pair for pair in common if language in pair and len(set(pair)) == 2],
        )
        if own:
            problems.append(
                f'{split}: "{language}" has no example with both sentences, so nothing to evaluate.'
            )
        elif others and all(pair in empty for pair in others):
            problems.append(
                f'{split}: "{language}" has no example in common with any other language{_ids(language, columns)}'
            )
        else:
            continue
        reported.add(language)
    for a, b in sorted(empty):
        if a != b and not {a, b} & reported and not ((b, a) in empty and b < a):
            problems.append(
                f'{split}: "{a}" and "{b}" have no example in common, so the pair cannot be evaluated; take one of '
                "them out of task.languages."
            )
    return (
        problems[:1]
        if len(reported) == 2 == len(columns) and not any((c, c) in empty for c in reported)
        else problems
    )


def _ids(language: str, columns: Sequence[Sentences]) -> str:
    here = next(column for column in columns if column.language == language)
    other = next(column for column in columns if column.language != language)
    if not (here.has_ids and other.has_ids):
        return "."
    ids = [quoted([one.ids[row] for row in range(min(2, len(one)))]) for one in (here, other)]
    return f' (its ids begin {ids[0]}, those of "{other.language}" {ids[1]}); write ids alike.'


def conflicts(
    common: Mapping[Pair, Common], source: str, split: str, single: bool = False
) -> tuple[list[str], list[str]]:
    """(refusals, warnings) for languages that disagree about many labels, one line per language.

    Args:
        single: examples are single sentences, which need not be the same ones in all languages.
    """
    shares = {pair: one.conflicts / one.complete for pair, one in common.items() if one.complete}
    languages = list(dict.fromkeys(a for a, _ in common))
    if not languages:  # a test split without labels
        return [], []
    reference = source if source in languages else languages[0]
    refused, warned, named = [], [], set[str]()
    for a in sorted(languages, key=lambda language: language != reference):
        if a in named:
            continue  # it differs from the reference: that it differs from others too says nothing new
        others = [b for b in languages if b not in {a, *named}]
        high = [
            b for b in others if shares.get((a, b), 0) > WARNED and common[a, b].conflicts >= FEWEST_CONFLICTS
        ]
        named.update(high)
        far = [b for b in high if shares[a, b] > REFUSED]
        if far:
            other = "; if not, data.align: own" if single else ""
            refused.append(
                f"{split}: {_listed(a, far, shares, common)}: are these the same examples, row by row? If so, "
                f"set data.conflicts: allow{other}."
            )
        if near := [b for b in high if b not in far]:
            follows = "" if single else "; these examples are left out of mixed pairs"
            warned.append(f"{split}: {_listed(a, near, shares, common)}{follows}.")
    return refused, warned


def _listed(
    a: str, others: Sequence[str], shares: Mapping[Pair, float], common: Mapping[Pair, Common]
) -> str:
    parts = [
        f"{b} ({shares[a, b]:.0%}: {common[a, b].conflicts:,} of {common[a, b].complete:,})"
        for b in others[:10]
    ]
    more = f" and {len(others) - 10} more" if len(others) > 10 else ""
    return f"labels differ from those of {a} in {', '.join(parts)}{more}"


def few_in_common(
    common: Mapping[Pair, Common], columns: Sequence[Sentences], source: str, split: str
) -> list[str]:
    """A warning for each language that shares less than half of its examples with the source (or the first)."""
    reference = next((c for c in columns if c.language == source), columns[0])
    lines = []
    for column in columns:
        pair = (reference.language, column.language)
        least = (
            min(common[pair[0], pair[0]].complete, common[pair[1], pair[1]].complete) if pair in common else 0
        )
        if pair in common and common[pair].complete < FEW_IN_COMMON * least:
            lines.append(
                f"{split}: {pair[1]} has only {common[pair].complete:,} examples in common with {pair[0]}, of "
                f"{common[pair[1], pair[1]].complete:,}."
            )
    return lines
