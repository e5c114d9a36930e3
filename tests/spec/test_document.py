"""YAML: what is read, what is refused, and that what is written reads back."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrt.errors import SpecError
from xrt.spec.document import LARGEST, MOST, dump, parse, read_document

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False)
    | TEXT
    | st.sampled_from(
        ["1e5", "no", "1:30", "010", "0x1F", "2020-01-01", "~", "null", "true", ".5", "<<", "=", ""]
    )
)
PLAIN = st.recursive(
    SCALARS, lambda p: st.lists(p, max_size=3) | st.dictionaries(TEXT, p, max_size=3), max_leaves=8
)


@settings(max_examples=60, deadline=None)
@given(PLAIN)
def test_what_is_written_reads_back_equal(value: object) -> None:
    read = parse(dump(value), "x")
    assert read == value
    assert repr(read) == repr(value), "1 and 1.0 and True are equal, but not the same"


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        parse(text, "x")
    except SpecError as error:
        assert len(error.problems) == 1
        assert error.problems[0].isprintable()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("5E+3", 5000.0),
        ("1_000", 1000),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("0x1F", "0x1F"),
        ("<<", "<<"),
        ("", None),
        ("-.inf", -math.inf),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    assert parse(text, "x") == value
    assert type(parse(text, "x")) is type(value)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"task: [", "f.yaml: line 1: not YAML: while parsing a flow node, expected the node content, "),
        (
            b"task: pawsx\nspace:\n\tencoder: x",
            "f.yaml: line 3: not YAML: while scanning for the next token, ",
        ),
        (b"a: 1\nb: 2\na: 3", 'f.yaml: line 3: "a" is given twice, first in line 1; keep one.'),
        (b"a: {b: 1,\n b: 2}", 'f.yaml: line 2: "b" is given twice, first in line 1; keep one.'),
        (b"a: 1\n---\nb: 2", "f.yaml: line 2: not YAML: expected a single document"),
        (b"a: &x [1]\nb: *x", "f.yaml: line 1: anchors (&) and aliases (*) are not used;"),
        (b"b: *x", "f.yaml: line 1: anchors (&) and aliases (*) are not used;"),
        (
            b"a: !!python/object/apply:os.system [ls]",
            "f.yaml: line 1: tag !!python/object/apply:os.system is",
        ),
        (b"a: !!str 3", "f.yaml: line 1: tag !!str is not allowed"),
        (b"a: 1\n2: b", "f.yaml: line 2: a field's name is text"),
        (b"? [a]\n: b", "f.yaml: line 1: a field's name is text"),
        (b"a: caf\xe9", "f.yaml: line 1: byte 0xe9 is not UTF-8; save the file as UTF-8."),
        ("a: ü\nb: 1".encode("utf-16"), "f.yaml: line 1: byte 0xff is not UTF-8"),
        (b'a: 1\nb: "\\0"', "f.yaml: line 2: text with a NUL"),
        (b'a: "\\ud800"', "f.yaml: line 1: text with a NUL or half a character"),
        (b"a: \x07", "f.yaml: character 0x7 is not allowed"),
        (b"a: " + b"9" * 5000, "f.yaml: a number is too long"),
        (b"[" * 100_000, "f.yaml: line 1: nested deeper than 20 levels."),
        (b"a: [" + b"1," * MOST + b"]", "f.yaml: line 1: more than 10000 values."),
        (b"#" * (LARGEST + 1), "f.yaml: is larger than 1 MiB"),
        (b"", "f.yaml: is empty; a study file is a mapping"),
        (b"# nothing\n", "f.yaml: is empty"),
        (b"- task", "f.yaml: holds a list; a study file is a mapping"),
        (b"hello", "f.yaml: holds one value, hello; a study file is a mapping"),
        (b"\x89PNG\r\n\x1a\n", "f.yaml: line 1: byte 0x89 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_study_is_refused_with_its_line(raw: bytes, problem: str) -> None:
    Path("f.yaml").write_bytes(raw)
    with pytest.raises(SpecError) as caught:
        read_document("f.yaml")
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(problem)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    with pytest.raises(SpecError, match="anchors"):
        parse("\n".join(lines), "bomb")


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    Path("f.yaml").write_bytes(b"\xef\xbb\xbftask: mini")
    assert read_document("f.yaml") == {"task": "mini"}


def test_a_link_to_itself_is_not_a_file() -> None:
    Path("f.yaml").symlink_to("f.yaml")
    with pytest.raises(SpecError, match=r"f\.yaml: is not a file"):
        read_document("f.yaml")
