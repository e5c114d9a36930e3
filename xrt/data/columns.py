"""Finds the columns of a table (sentences, label, id) and the rows of one language and split.

Knows the usual names of the field, what a study says of its own, and three shapes of many languages in one table:
a column of languages, columns for each language (`sentence1_de`), and columns of translations (`{de: …, fr: …}`).
A first line that looks like a header and is not understood is an error, never an example.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xrt.data.cells import picked, texts, word, words
from xrt.data.formats import Table, TextTable, titled
from xrt.data.names import bare_of, key_of, keys_of
from xrt.data.problems import FileError, Found, by_text
from xrt.data.sentences import Columns
from xrt.data.tasks import Split, quoted
from xrt.errors import DataError, closest

# Written as `key_of` writes them: small letters and digits alone. The first that a table has is taken.
PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("premise", "hypo"),
    ("sentencea", "sentenceb"),
    ("text", "textpair"),
    ("text", "hypothesis"),
    ("text1", "text2"),
    ("texta", "textb"),
    ("sent1", "sent2"),
    ("question1", "question2"),
)
# Of a task of single sentences.
SINGLES = (
    "text",
    "sentence",
    "utterance",
    "utt",
    "reviewbody",
    "review",
    "query",
    "content",
    "document",
    "tweet",
)
USUAL: dict[str, tuple[str, ...]] = {
    "label": (
        "goldlabel",
        "label",
        "labels",
        "entailmentlabel",
        "entailmentjudgment",
        "judgment",
        "class",
        "gold",
        "intent",
        "category",
        "topic",
        "sentiment",
        "stars",
    ),
    "id": ("pairid", "id", "exampleid", "guid", "uid", "idx", "index", "indexid", "reviewid"),
    "language": ("language", "lang", "languagecode", "langcode", "locale"),
    "split": ("split", "semevalset", "partition"),
}
_SENTENCES = frozenset([*(name for pair in PAIRS for name in pair), *SINGLES])
KNOWN = frozenset([*_SENTENCES, *(name for usual in USUAL.values() for name in usual)])
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "dev": ("dev", "validation", "valid", "val", "trial"),
    "test": ("test",),
}


@dataclass(frozen=True)
class Wanted:
    """What is to be read from a table.

    Attributes:
        columns: names or numbers of columns by role, as the study says; `{language}` in a name stands for the code.
        labels: every word that means a label.
        shared: whether the table holds other languages too, so that it must say which is which.
        split_shared: whether it holds other splits too.
        splits: the split's names in a column of splits.
        sentences: of an example, 1 or 2.
    """

    language: str
    split: Split
    columns: Mapping[str, str | int]
    labels: frozenset[str]
    shared: bool = False
    split_shared: bool = False
    splits: tuple[str, ...] = ()
    sentences: int = 2

    @property
    def texts(self) -> tuple[str, ...]:
        """The roles of the sentences."""
        return ("first", "second")[: self.sentences]


def columns_of(found: Table | TextTable, wanted: Wanted) -> Columns:
    """The columns of one language of one split.

    Raises:
        DataError: a header that is not understood, a column that is missing, no rows of the language.
    """
    table = _with_names(found, wanted) if isinstance(found, TextTable) else found
    roles = _roles(table, wanted)
    rows = _rows(table, roles, wanted)

    def read(role: str) -> list[Any]:
        try:
            values = picked(table.read(roles[role]), wanted.language)
        except DataError as error:
            place = f'{table.origin}, column "{table.names[roles[role]]}"'
            raise FileError([Found(place, str(error))]) from error
        return values if rows is None else [values[row] for row in rows]

    def place(row: int) -> str:
        return table.place(row if rows is None else rows[row])

    _require_one_language(table, roles, rows, wanted)
    first, *others = (texts(read(role), place) for role in wanted.texts)
    used = set(roles.values())
    return Columns(
        origin=table.origin,
        place=place,
        first=first,
        second=others[0] if others else [None] * len(first),
        labels=words(read("label"), table.words(roles["label"]), wanted.labels) if "label" in roles else None,
        ids=[None if key is None else word(key) for key in read("id")] if "id" in roles else None,
        form=table.form,
        elsewhere=0 if rows is None else table.rows - len(rows),
        unread=tuple(name for i, name in enumerate(table.names) if i not in used),
    )


def _with_names(table: TextTable, wanted: Wanted) -> Table:
    """The text table with its header's names, or without one by the order of its columns."""
    cells = table.rows.cells
    first = [cell.strip() for cell in cells[0]]
    named = wanted.columns.values()
    if any(isinstance(name, str) for name in named):
        return titled(table, first, header=True)
    if not named and _usual_texts(first, wanted):
        return titled(table, first, header=True)
    if _looks_like_header(cells, wanted.labels, insisted=bool(named)):
        raise FileError([Found(table.place(0), _header_problem(first, wanted, numbered=bool(named)))])
    if named:
        return titled(table, [f"column {i}" for i in range(1, _usual_width(cells) + 1)], header=False)
    # What most rows say; the others are wrong.
    labelled = sum(len(row) == wanted.sentences for row in cells) * 2 <= len(cells)
    return titled(table, [*wanted.texts, "label"] if labelled else [*wanted.texts], header=False)


def _usual_width(cells: Sequence[Sequence[str]]) -> int:
    widths = [len(row) for row in cells]
    return max(set(widths), key=widths.count)


def _looks_like_header(cells: list[list[str]], labels: frozenset[str], insisted: bool) -> bool:
    """Whether the first row names columns rather than being an example.

    Two known names are a header. So are names where other rows have text: short single words, all different, the
    last no label. `insisted`: the study gives columns by number, which says that the first row is an example; then
    only known names count.
    """
    first, rest = [cell.strip() for cell in cells[0]], cells[1:]
    known = sum(key_of(cell) in KNOWN for cell in first)
    if first[-1] in labels:
        return False
    if known >= 2 or insisted:
        return known >= 2
    if not all(map(_name_like, first)) or len(set(first)) < len(first):
        return False
    if len(first) > 2 and rest:
        last = [row[-1].strip() for row in rest]
        if 2 * sum(word in labels for word in last) >= len(last):
            return True
        if first[-1] not in last and len(set(last)) <= min(20, len(last) // 2):
            return True
    alike = sum(all(_name_like(cell.strip()) for cell in row) for row in rest)
    return bool(rest) and alike <= len(rest) * (0.5 if known else 0.1)


def _name_like(cell: str) -> bool:
    """Whether a column may be called so: one short word, or a known name of two (`Sentence 1`)."""
    return bool(re.fullmatch(r"\w[\w.:/#()-]{0,39}", cell)) or key_of(cell) in KNOWN


def _header_problem(first: Sequence[str], wanted: Wanted, numbered: bool) -> str:
    names = [name if len(name) <= 40 else name[:39] + "…" for name in first]
    by_name = f"data.columns: {{{_yaml(_guess(names, wanted))}}}"
    if numbered:
        return (
            f"is a header ({quoted(names)}), and data.columns has numbers, for files without one; {by_name}."
        )
    roles = (*wanted.texts, "label")[: len(first)]
    numbers = ", ".join(f"{role}: {number}" for number, role in enumerate(roles, 1))
    return (
        f"looks like a header ({quoted(names)}), but names no {_known_texts(wanted)}. "
        f"Say which {_they_are(wanted)}, {by_name}; or, if it is an example, data.columns: {{{numbers}}}."
        f"{_single_hint(names, wanted)}"
    )


def _they_are(wanted: Wanted) -> str:
    return "it is" if wanted.sentences == 1 else "they are"


def _single_hint(names: Sequence[str], wanted: Wanted) -> str:
    """A hint for a table with one sentence where two are expected."""
    single = wanted.sentences == 2 and any(key_of(name) in SINGLES for name in names)
    return " An example of a single sentence is task.sentences: 1." if single else ""


def _guess(names: Sequence[str], wanted: Wanted) -> dict[str, str]:
    """A suggestion for data.columns: labels and ids by their usual names, the others in order."""
    guess = {
        role: name for role in ("id", "label") for name in reversed(names) if key_of(name) in USUAL[role]
    }
    left = [name for name in names if name not in guess.values() and key_of(name) not in KNOWN - _SENTENCES]
    roles = [role for role in (*wanted.texts, "label") if role not in guess]
    return dict(zip(roles, left, strict=False)) | guess


def _known_texts(wanted: Wanted) -> str:
    if wanted.sentences == 1:
        return f"sentence that is known ({', '.join(SINGLES)})"
    return f"two sentences that are known ({', '.join(f'{a}/{b}' for a, b in PAIRS)})"


def _yaml(values: Mapping[str, str]) -> str:
    plain = re.compile(r"[A-Za-z_][\w.-]*")
    return ", ".join(f"{k}: {v}" if plain.fullmatch(v) else f'{k}: "{v}"' for k, v in values.items())


def _usual_texts(names: Sequence[str], wanted: Wanted) -> tuple[int, ...] | None:
    """The columns of the sentences by their usual names."""
    usual: Sequence[tuple[str, ...]] = PAIRS if wanted.sentences == 2 else [(name,) for name in SINGLES]
    for keys in keys_of(names, wanted.language):
        for together in usual:
            if all(name in keys for name in together):
                return tuple(map(keys.index, together))
    return None


def _roles(table: Table, wanted: Wanted) -> dict[str, int]:
    """The number of the column for each role that the table has."""
    roles = {role: _named_column(table, role, name, wanted) for role, name in wanted.columns.items()}
    if not roles.keys() >= set(wanted.texts):
        roles = dict(zip(wanted.texts, _places_of_texts(table, wanted), strict=True)) | roles
    if not table.named:
        labelled = not wanted.columns and len(table.names) > wanted.sentences
        return roles | ({"label": wanted.sentences} if labelled else {})
    for role, usual_names in USUAL.items():
        if role not in roles:
            found = _usual(table, usual_names, wanted, set(roles.values()))
            roles |= {role: found} if found is not None and _is_used(table, role, found, wanted) else {}
    _require_apart(table, roles, wanted)
    return roles


def _require_apart(table: Table, roles: Mapping[str, int], wanted: Wanted) -> None:
    """Refuse one column for two roles, and two columns of one usual name, of which either may be meant."""
    problems = []
    for role, column in roles.items():
        both = [other for other in (*wanted.texts, "label") if roles.get(other) == column]
        if len(both) > 1:
            fields = ", ".join(f"{one}: …" for one in both)
            text = f'"{table.names[column]}" is taken for {" and ".join(both)}; data.columns: {{{fields}}}.'
            problems.append(Found(table.origin, text))
        alike = [name for name in table.names if key_of(name) == key_of(table.names[column])]
        if len(alike) > 1 and role not in wanted.columns:
            text = (
                f"{quoted(alike)} are both columns of the {role}; data.columns: {{{role}: …}}, or rename one."
            )
            problems.append(Found(table.origin, text))
    if problems:
        raise FileError(problems)


def _is_used(table: Table, role: str, column: int, wanted: Wanted) -> bool:
    """Whether a role's column is used: that of languages (splits) only where the rows are of several.

    Where the file's path names one, but its column has this one and others, the others' rows are left out.
    """
    shared, names = {
        "language": (wanted.shared, (wanted.language,)),
        "split": (wanted.split_shared, wanted.splits),
    }.get(role, (True, ()))
    if shared:
        return True
    values = {word(value).casefold() for value in table.read(column)} - {""}
    return len(values) > 1 and not values.isdisjoint(name.casefold() for name in names)


def _places_of_texts(table: Table, wanted: Wanted) -> tuple[int, ...]:
    if not table.named and not wanted.columns:
        return tuple(range(wanted.sentences))
    found = _usual_texts(table.names, wanted)
    if found is None:
        roles = ", ".join(f"{role}: …" for role in wanted.texts)
        text = (
            f"no {_known_texts(wanted)} among {quoted(table.names[:20])}. Say which {_they_are(wanted)}, "
            f"data.columns: {{{roles}}}.{_single_hint(table.names, wanted)}"
        )
        raise FileError([Found(table.origin, text)])
    return found


def _usual(table: Table, usual: Sequence[str], wanted: Wanted, taken: set[int]) -> int | None:
    for keys in keys_of(table.names, wanted.language):
        for name in usual:
            places = [i for i, key in enumerate(keys) if key == name and i not in taken]
            if places:
                return places[0]
    return None


def _named_column(table: Table, role: str, name: str | int, wanted: Wanted) -> int:
    """The column that the study names for a role."""
    if isinstance(name, int):
        if not 1 <= name <= len(table.names):
            text = f"no column {name}, which data.columns.{role} names; it has {len(table.names)}."
            raise FileError([Found(table.origin, text)])
        return name - 1
    exact = name.replace("{language}", wanted.language)
    places = [i for i, other in enumerate(table.names) if other.strip() == exact]
    places = places or [i for i, other in enumerate(table.names) if key_of(other) == key_of(exact)]
    if len(places) != 1:
        has = "more than one" if places else "no"
        listed = quoted([other[:40] for other in table.names[:20]])
        text = f'{has} column "{exact}", which data.columns.{role} names; it has {listed}.{closest(exact, table.names)}'
        raise FileError([Found(table.origin, text)])
    return places[0]


def _rows(table: Table, roles: Mapping[str, int], wanted: Wanted) -> list[int] | None:
    """The rows of the language and the split; None: all."""
    rows: list[int] | None = None
    for role, names in (("language", (wanted.language,)), ("split", wanted.splits)):
        if role not in roles:
            continue
        values = [word(value) for value in table.read(roles[role])]
        blank = [
            (table.place(row), f"no {role} in this row.") for row, value in enumerate(values) if not value
        ]
        if blank:
            raise FileError(by_text(blank))
        folded = {name.casefold() for name in names}
        rows = [
            row for row in (range(len(values)) if rows is None else rows) if values[row].casefold() in folded
        ]
        if not rows:
            there = quoted(list(dict.fromkeys(values))[:20])
            text = f'no rows of {role} {quoted(names)} in its column "{table.names[roles[role]]}", which has {there}.'
            raise FileError([Found(table.origin, text)])
    return rows


def _require_one_language(
    table: Table, roles: Mapping[str, int], rows: Sequence[int] | None, wanted: Wanted
) -> None:
    """Refuse a file for many languages or splits that does not assign its rows or columns to them."""
    if wanted.split_shared and "split" not in roles:
        text = (
            "serves all splits, but no column says which row is of which: data.columns: {split: …}, or {split} in "
            "data.path."
        )
        raise FileError([Found(table.origin, text)])
    if not wanted.shared or "language" in roles:
        return
    for role in wanted.texts:
        name, values = table.names[roles[role]], table.read(roles[role])
        own = bare_of(name, wanted.language) is not None or "{language}" in str(wanted.columns.get(role))
        if not own and not any(_is_translations(value) for value in _head(values)):
            text = (
                f'serves all languages, but has no column of languages and none of "{wanted.language}" '
                f"among {quoted(table.names[:20])}: data.columns: {{language: …}}, or {{language}} in its names "
                "or in data.path."
            )
            raise FileError([Found(table.origin, text)])


def _head(values: Any) -> list[Any]:
    first = values[:100]
    return first.to_pylist() if hasattr(first, "to_pylist") else list(first)


def _is_translations(value: Any) -> bool:
    return isinstance(value, dict)
