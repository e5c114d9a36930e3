"""Every family of files that people have, made up in the real shape: read right, or refused with the cure."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xrt.data import Aligned, Source, Task, check, load, read
from xrt.errors import DataError

Write = Callable[[str, str | bytes], Path]
NLI = ("entailment", "neutral", "contradiction")
SPLITS = (("dev", "TRIAL"), ("train", "TRAIN"), ("test", "TEST"))


def table(header: str, *rows: str, end: str = "\n") -> str:
    """A TSV whose cells are written with `|`."""
    return "".join(line.replace("|", "\t") + end for line in (header, *rows))


def problem(task: Task, source: Source, split: str = "dev") -> str:
    with pytest.raises(DataError) as refused:
        load(task, source, split)  # type: ignore[arg-type]
    (line,) = refused.value.problems
    return line


SICK = (
    "pair_ID|sentence_A|sentence_B|entailment_label|relatedness_score|entailment_AB|entailment_BA|"
    "sentence_A_original|sentence_B_original|sentence_A_dataset|sentence_B_dataset|SemEval_set"
)
UPPER = tuple((word.upper(), word) for word in NLI)


def sick_row(key: int, language: str, label: str, part: str) -> str:
    return f"{key}|{language} a{key}|{language} b{key}|{label}|4.5|A_neutral_B|B_neutral_A|o|o|F|S|{part}"


def test_sick_in_one_file_a_language_with_a_column_of_splits(folder: Path, write: Write) -> None:
    task = Task("sick", ("en", "nl"), NLI)
    for language in task.languages:
        rows = [
            sick_row(i, language, NLI[i % 3].upper(), ("TRAIN", "TRIAL", "TEST")[i // 6]) for i in range(18)
        ]
        write(f"SICK_{language}.txt", table(SICK, *rows, end="\r\n"))
    source = Source("folder", f"{folder}/SICK_{{language}}.txt", labels=UPPER)
    for split, ids in (("train", range(6)), ("dev", range(6, 12)), ("test", range(12, 18))):
        found = load(task, source, split)  # type: ignore[arg-type]
        assert found.ids == tuple(map(str, ids))
        assert found.sentences(found.languages[-1]).first[0] == f"{found.languages[-1]} a{ids[0]}"
        assert found.labels[:, 0].tolist() == [i % 3 for i in ids]
    with pytest.raises(DataError) as refused:
        load(task, Source("folder", source.path), "dev")
    assert refused.value.problems[0].endswith(
        'label "ENTAILMENT" is not one of the task "sick"; "entailment", "neutral", "contradiction", or say what it '
        'means: data.labels: {"ENTAILMENT": entailment}.'
    )


def test_sick_of_semeval_has_another_name_for_the_label(folder: Path, write: Write) -> None:
    header = "pair_ID|sentence_A|sentence_B|relatedness_score|entailment_judgment"
    write("SICK_trial.txt", table(header, "4|a|b|1.0|CONTRADICTION", "24|c|d|3.2|NEUTRAL"))
    source = Source("folder", f"{folder}/SICK_{{split}}.txt", labels=UPPER)
    found = read(Task("sick", ("en",), NLI), source, "dev", "en")
    assert (found.ids, found.labels) == (("4", "24"), (2, 1))


JSICK = (
    "pair_ID|data|sentence_A_En|sentence_B_En|entailment_label_En|relatedness_score_En|sentence_A_Ja|sentence_B_Ja|"
    "entailment_label_Ja|relatedness_score_Ja|image_ID|original_caption"
)


def test_jsick_is_a_wide_file_with_a_label_for_each_language(folder: Path, write: Write) -> None:
    rows = [
        f"{i}|{'test' if i > 1 else 'train'}|a{i}|b{i}|neutral|3|あ{i}|い{i}|entailment|3|x|y"
        for i in range(4)
    ]
    write("jsick.tsv", table(JSICK, *rows))
    task = Task("jsick", ("en", "ja"), NLI)
    source = Source("folder", f"{folder}/jsick.tsv", columns=(("split", "data"),))
    found = read(task, source, "test", "ja")
    assert (found.ids, found.first, found.labels, found.elsewhere) == (("2", "3"), ("あ2", "あ3"), (0, 0), 2)
    assert read(task, source, "train", "en").labels == (1, 1)
    unsaid = problem(task, Source("folder", f"{folder}/jsick.tsv"))
    assert unsaid.endswith(
        "serves all splits, but no column says which row is of which: data.columns: {split: …}, or {split} in "
        "data.path."
    )


def americas(language: str, rows: int) -> list[str]:
    return [f"{language}|{language} p{i}|{language} h{i}|{NLI[i % 3]}" for i in range(rows)]


def test_americasnli_has_a_column_of_languages_and_no_english_which_mnli_trains(
    folder: Path, write: Write
) -> None:
    header = "language|premise|hypothesis|label"
    write("anli/dev.tsv", table(header, *americas("aym", 9), *americas("quy", 9), *americas("nah", 4)))
    mnli = "index|promptID|pairID|genre|sentence1_parse|sentence2_parse|sentence1|sentence2|label1|gold_label"
    rows = ["0|1|1n|g|(x)|(y)|one|two|neutral|neutral", "1|2|2e|g|(x)|(y)|three|four|neutral|-"]
    write("mnli/train.txt", table(mnli, *rows))
    task = Task("americas", ("aym", "quy", "nah"), NLI, sources=("en",))
    paths = (("train", f"{folder}/mnli/train.txt"), ("dev", f"{folder}/anli/dev.tsv"))
    source = Source("folder", paths, labels=(("-", None),), align="own")  # type: ignore[arg-type]
    check(task, source)
    train = load(task, source, "train")
    assert (train.languages, train.ids, train.notes) == (
        ("en",),
        ("1n",),
        ("train: rows left out by data.labels: en 1.",),
    )
    dev = load(task, source, "dev")
    assert (dev.languages, dev.apart, len(dev)) == (("aym", "quy", "nah"), ("nah",), 13)
    assert len(dev.pair("nah", "nah").rows) == 4 and len(dev.pair("aym", "quy").rows) == 9
    assert dev.pairs == (("aym", "aym"), ("aym", "quy"), ("quy", "aym"), ("quy", "quy"), ("nah", "nah"))
    refused = problem(task, Source("folder", paths, labels=(("-", None),)))  # type: ignore[arg-type]
    assert "4 rows, other languages of americas dev have 9" in refused and "data.align: own" in refused


def test_myxnli_is_a_wide_file_with_one_label(folder: Path, write: Write) -> None:
    header = "genre|label|sentence1_en|sentence2_en|sentence1_my|sentence2_my"
    write("dev.tsv", table(header, "fiction|neutral|one|two|တစ်|နှစ်", "fiction|entailment|three|four|သုံး|လေး"))
    task = Task("myxnli", ("en", "my"), NLI)
    found = load(task, Source("folder", f"{folder}/{{split}}.tsv"), "dev")
    assert found.sentences("my").second == ("နှစ်", "လေး")
    assert found.labels.tolist() == [[1, 1], [0, 0]]


XNLI = (
    "language|gold_label|sentence1_binary_parse|sentence2_binary_parse|sentence1_parse|sentence2_parse|sentence1|"
    "sentence2|promptID|pairID|genre|label1|label2|label3|label4|label5|sentence1_tokenized|sentence2_tokenized|match"
)


def test_xnli_as_published_has_all_languages_in_one_file(folder: Path, write: Write) -> None:
    rows = [
        f"{a}|{NLI[i % 3]}|||||{a} p{i // 3}|{a} h{i}|{i // 3}|{i}|fiction|x|x|x|x|x|t|t|True"
        for a in ("ar", "en", "zh")
        for i in range(6)
    ]
    write("xnli.dev.tsv", table(XNLI, *rows))
    task = Task("xnli3", ("en", "ar"), NLI)
    found = load(task, Source("folder", f"{folder}/xnli.{{split}}.tsv"), "dev")
    assert found.ids == tuple(map(str, range(6)))
    assert found.sentences("ar").first == tuple(f"ar p{i // 3}" for i in range(6))
    assert found.sentences("ar").elsewhere == 12  # rows of the other languages
    assert found.groups.tolist() == [0, 0, 0, 1, 1, 1]
    missing = problem(Task("x", ("en", "sw"), NLI), Source("folder", f"{folder}/xnli.{{split}}.tsv"))
    assert 'no rows of language "sw" in its column "language", which has "ar", "en", "zh"' in missing


def test_xnli_mt_training_data_need_one_word_translated(folder: Path, write: Write) -> None:
    write("multinli.train.en.tsv", table("premise|hypo|label", "a|b|contradictory", "c|d|neutral"))
    task = Task("mt", ("en",), NLI)
    source = Source(
        "folder", f"{folder}/multinli.{{split}}.{{language}}.tsv", labels=(("contradictory", NLI[2]),)
    )
    assert load(task, source, "train").labels[:, 0].tolist() == [2, 1]


def test_rte3_and_taxinli_have_columns_that_nobody_asks_for(folder: Path, write: Write) -> None:
    write("dev-fr.tsv", table("id|language|premise|hypothesis|label|task|length", "1|fr|a|b|0|IE|short"))
    write(
        "dev-en.tsv",
        table("pairID|captionID|gold_label|sentence1|sentence2|logical|lexical", "1|c|0|x|y|1|0"),
    )
    found = load(Task("rte3", ("en", "fr"), ("0", "1")), Source("folder", str(folder)), "dev")
    assert (found.ids, found.sentences("fr").second) == (("1",), ("b",))


def pandas_tsv(rows: list[list[str]]) -> str:
    """As `DataFrame.to_csv(sep="\\t", index=False)` writes: cells with a quote in quotes, quotes inside doubled."""
    quoted = [
        [f'"{cell.replace(chr(34), chr(34) * 2)}"' if '"' in cell else cell for cell in row] for row in rows
    ]
    return "".join("\t".join(row) + "\n" for row in quoted)


@pytest.mark.parametrize(
    "name", ["dev-de.tsv", "dev-de.csv", "dev-de.tsv.gz", "dev-de.jsonl", "dev-de.parquet"]
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_pawsx_that_went_through_pandas_is_read_without_its_quotes(
    folder: Path, write: Write, name: str, mark: bytes
) -> None:
    header = ["id", "sentence1", "sentence2", "label"]
    rows = [
        ["1", '"Angel Eyes" ist ein Lied', 'Er sagte, es sei "gut".', "1"],
        ["2", "NS", "plain; text", "0"],
    ]
    if ".tsv" in name:
        content = mark + pandas_tsv([header, *rows]).encode()
    elif name.endswith("csv"):
        content = (
            mark
            + pandas_tsv([header, *rows]).replace("\t", ";").replace("plain; text", '"plain; text"').encode()
        )
    elif name.endswith("jsonl"):
        records = [dict(zip(header, [int(r[0]), *r[1:3], int(r[3])], strict=True)) for r in rows]
        content = mark + "\n".join(json.dumps(record, ensure_ascii=False) for record in records).encode()
    else:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({h: [r[i] for r in rows] for i, h in enumerate(header)}), sink)
        content = sink.getvalue().to_pybytes()
    write(name, gzip.compress(content) if name.endswith(".gz") else content)
    found = read(Task("p", ("en", "de"), ("0", "1")), Source("folder", str(folder)), "dev", "de")
    assert found.first == ('"Angel Eyes" ist ein Lied', "")
    assert found.second == ('Er sagte, es sei "gut".', "plain; text")
    assert (found.ids, found.labels) == (("1", "2"), (1, 0))


def test_a_file_with_the_quotes_of_csv_is_named(folder: Path, write: Write, two: Task) -> None:
    for language in ("en", "de"):
        write(f"dev-{language}.tsv", '"""A"" is"\tb\tno\n')
    (note,) = load(two, Source("folder", str(folder)), "dev").notes
    assert note == f"{folder}/dev-en.tsv and 1 more: TSV with the quotes of CSV, which are undone."


def test_columns_of_translations_are_read_from_json_lines(folder: Path, write: Write, two: Task) -> None:
    records = [
        {
            "premise": {"en": "one", "de": "eins"},
            "hypothesis": {"language": ["de", "en"], "translation": ["zwei", "two"]},
            "label": "no",
        },
        {
            "premise": {"en": "three", "de": None},
            "hypothesis": {"language": ["en"], "translation": ["four"]},
            "label": "yes",
        },
    ]
    write("dev.jsonl", "\n".join(json.dumps(record) for record in records))
    found = load(two, Source("folder", f"{folder}/{{split}}.jsonl"), "dev")
    assert found.sentences("de").first == ("eins", "") and found.sentences("de").second == ("zwei", "")


HEADERS = [
    (
        "satz_a|satz_b|urteil",
        "Das ist ein Satz .|Das ist noch einer .|no",
        "first: satz_a, second: satz_b, label: urteil",
    ),
    ("satz_a|satz_b", "Das ist ein Satz .|Das ist noch einer .", "first: satz_a, second: satz_b"),
    ("s1|s2|label", "a b c|d e f|no", "first: s1, second: s2, label: label"),
    ("premise|conclusion", "a b c|d e f", "first: premise, second: conclusion"),
    ("甲|乙|丙", "这是一个句子。|这是另一个句子。|no", 'first: "甲", second: "乙", label: "丙"'),
]


@pytest.mark.parametrize(("header", "row", "columns"), HEADERS)
def test_a_header_that_is_not_known_is_never_an_example(
    folder: Path, write: Write, two: Task, header: str, row: str, columns: str
) -> None:
    for language in two.languages:
        write(f"test-{language}.tsv", table(header, *[row] * 5))
    told = problem(two, Source("folder", str(folder)), "test")
    assert told.startswith(
        f"{folder}/test-en.tsv, line 1, {folder}/test-de.tsv, line 1: looks like a header ("
    )
    assert f"Say which they are, data.columns: {{{columns}}}; or" in told
    assert "sentence1/sentence2, premise/hypothesis" in told
    named = tuple(zip(("first", "second", "label"), header.split("|"), strict=False))
    assert len(load(two, Source("folder", str(folder), columns=named), "test")) == 5


def test_numbers_say_that_the_first_line_is_an_example(folder: Path, write: Write, two: Task) -> None:
    write("test-en.tsv", "Ja\tNein\n" + "Das ist ein Satz\tnoch einer\n" * 20)
    columns = (("first", 2), ("second", 1))
    assert read(two, Source("folder", str(folder), columns=columns), "test", "en").first[0] == "Nein"
    write("test-de.tsv", "id\tsentence1\tsentence2\n1\ta\tb\n")
    with pytest.raises(DataError, match=r"is a header .* data\.columns has numbers"):
        read(two, Source("folder", str(folder), columns=columns), "test", "de")


def test_a_path_for_each_split_takes_the_rows_of_its_language_and_split_alone(
    folder: Path, write: Write, two: Task
) -> None:
    rows = [f"{code}|{split}|{code} {split}|b|no" for code in two.languages for split in ("train", "dev")]
    file = str(write("all.tsv", table("lang|split|sentence1|sentence2|label", *rows)))
    source = Source("folder", (("train", file), ("dev", file)))
    assert read(two, source, "train", "en").first == ("en train",)
    assert read(two, source, "dev", "de").first == ("de dev",)
    write(
        "all.tsv", table("locale|split|sentence1|sentence2|label", "en-US|matched|a|b|no", "en-GB|x|c|d|no")
    )
    assert read(two, source, "train", "en").first == ("a", "c")  # columns of something else


def test_a_column_that_is_not_there_is_named_with_those_that_are(
    folder: Path, write: Write, two: Task
) -> None:
    write("dev-en.tsv", table("satz1|satz2|label", "a|b|no"))
    source = Source("folder", str(folder), columns=(("first", "satz1"), ("second", "satz3")))
    with pytest.raises(DataError) as refused:
        read(two, source, "dev", "en")
    assert str(refused.value).endswith(
        'dev-en.tsv: no column "satz3", which data.columns.second names; it has "satz1", "satz2", "label". '
        'Did you mean "satz2"?'
    )


@pytest.mark.parametrize(
    ("header", "columns", "expected"),
    [
        (
            "premise|hypothesis|label",
            (("first", "hypothesis"),),
            '"hypothesis" is taken for first and second; data.columns: {first: …, second: …}.',
        ),
        (
            "premise|Label|hypothesis|label ",
            (),
            '"Label", "label" are both columns of the label; data.columns: {label: …}, or rename one.',
        ),
    ],
)
def test_a_column_has_one_role_and_a_role_one_column(
    folder: Path, write: Write, two: Task, header: str, columns: tuple[tuple[str, str], ...], expected: str
) -> None:
    file = write("dev-en.tsv", table(header, "|".join(["no"] * (header.count("|") + 1))))
    with pytest.raises(DataError) as refused:
        read(two, Source("folder", str(folder), columns=columns), "dev", "en")
    assert refused.value.problems == [f"{file}: {expected}"]


def test_a_label_column_of_an_unknown_name_is_asked_for(folder: Path, write: Write, two: Task) -> None:
    for language in ("en", "de"):
        write(f"dev-{language}.tsv", table("premise|hypothesis|urteil", "a|b|no"))
    with pytest.raises(
        DataError, match=r'No column of labels is known among "urteil": data.columns: \{label: …\}'
    ):
        load(two, Source("folder", str(folder)), "dev")


def aligned_codes(codes: tuple[str, ...], folder: Path, write: Write) -> Aligned:
    for code in codes:
        write(f"{code}/validation.tsv", table("id|text|text_pair|label", f"1|{code} a|{code} b|0"))
    task = Task("codes", codes, ("0", "1"), sources=(codes[0],))
    return load(task, Source("folder", f"{folder}/{{language}}/{{split}}.tsv"), "dev")


@pytest.mark.parametrize("codes", [("zh-CN", "pt_BR", "zh_Hans", "no"), tuple(f"l{i}" for i in range(40))])
def test_codes_and_forty_languages_are_read_by_a_pattern(
    folder: Path, write: Write, codes: tuple[str, ...]
) -> None:
    found = aligned_codes(codes, folder, write)
    assert found.languages == codes and len(found.pairs) == len(codes) ** 2
    assert found.sentences(codes[-1]).first == (f"{codes[-1]} a",)


def test_a_pattern_with_another_word_in_braces_is_refused(folder: Path, two: Task) -> None:
    with pytest.raises(
        DataError, match=r'data.path: "\{lang\}" is not allowed in .*; \{split\} and \{language\} are'
    ):
        check(two, Source("folder", f"{folder}/{{split}}-{{lang}}.tsv"))
