import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from xrt import mini
from xrt.data.network import within
from xrt.data.synonyms import SHA256, Match, Neighbours, fetch, load_neighbours, substitute
from xrt.errors import DataError

Write = Callable[[str, str | bytes], Path]
Serve = Callable[[Mapping[str, bytes]], str]

FILM = Neighbours.of({"film": ["movie", "picture"], "good": ["fine"], "the": []})


def draws(text: str, count: int = 300, match: Match = "exact") -> Counter[str]:
    rng = np.random.default_rng(0)
    return Counter(substitute(text, FILM, rng, match) for _ in range(count))


@pytest.mark.parametrize("match", ["exact", "any-case"])
def test_a_word_becomes_itself_or_a_neighbour_equally_often(match: Match) -> None:
    found = draws("film", 6000, match)
    assert set(found) == {"film", "movie", "picture"}
    assert all(abs(times - 2000) < 5 * np.sqrt(6000 * 2 / 9) for times in found.values())


@pytest.mark.parametrize("match", ["exact", "any-case"])
def test_words_are_replaced_independently(match: Match) -> None:
    found = draws("good film", 6000, match)
    assert len(found) == 6
    assert all(abs(times - 1000) < 5 * np.sqrt(6000 * 5 / 36) for times in found.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("film", {"film", "movie", "picture"}),
        ("Film FILM fiLM", {"Film FILM fiLM"}),  # names, months, the first word of a sentence
        ("film, film. (film) film's film—good", {"film, film. (film) film's film—good"}),
        ("  a film  ,", {"  a film  ,", "  a movie  ,", "  a picture  ,"}),
        ("a\tfilm\u00a0film", {"a\tfilm\u00a0film"}),  # blanks alone separate
        ("the", {"the"}),
        ("映画 не film", {"映画 не film", "映画 не movie", "映画 не picture"}),
        ("", {""}),
    ],
)
def test_only_a_word_between_blanks_that_is_itself_in_the_table_is_replaced(
    text: str, expected: set[str]
) -> None:
    assert set(draws(text)) == expected


def test_a_key_in_capitals_is_matched_as_it_stands() -> None:
    table = Neighbours.of({"Film": ["Movie"]})
    assert {substitute("Film film", table, np.random.default_rng(i)) for i in range(20)} == {
        "Film film",
        "Movie film",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Film", {"Film", "Movie", "Picture"}),
        ("FILM", {"FILM", "MOVIE", "PICTURE"}),
        ("fiLM", {"fiLM", "movie", "picture"}),
        ("  a\tfilm ,", {"  a\tfilm ,", "  a\tmovie ,", "  a\tpicture ,"}),
        ('"film"!', {'"film"!', '"movie"!', '"picture"!'}),
        ("film's films filmé film2 film-maker _film", {"film's films filmé film2 film-maker _film"}),
        ("film—good", {f"{a}—{b}" for a in ("film", "movie", "picture") for b in ("good", "fine")}),
        ("the", {"the"}),
        ("映画 не film?", {"映画 не film?", "映画 не movie?", "映画 не picture?"}),
        ("", {""}),
    ],
)
def test_in_any_case_the_case_and_everything_between_the_words_are_kept(
    text: str, expected: set[str]
) -> None:
    assert set(draws(text, match="any-case")) == expected


def test_the_same_generator_gives_the_same_text_and_goes_on() -> None:
    text = "good film good film good film good film"
    one, two = np.random.default_rng(3), np.random.default_rng(3)
    first = [substitute(text, FILM, one) for _ in range(5)]
    assert first == [substitute(text, FILM, two) for _ in range(5)]
    assert len(set(first)) > 1


def test_a_word_listed_as_its_own_neighbour_is_not_drawn_twice_as_often() -> None:
    table = Neighbours.of({"film": ["film", "movie", "movie"]})
    assert table.table == {"film": ("movie",)}


def test_the_embedded_synonyms_are_a_table() -> None:
    assert Neighbours.of(mini.neighbours()).table


def test_the_digest_depends_on_content_alone(write: Write) -> None:
    one = Neighbours.from_file(write("one.json", '{"a": ["b"], "c": ["d"], "e": []}'))
    other = Neighbours.from_file(write("other.json", '{"c":\n["d"], "a": ["b"]}'))
    assert one.digest == other.digest != FILM.digest


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not JSON"),
        ("", "empty"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["film"]', "a JSON list"),
        ('{"film": "movie"}', '"film" has "movie"; not a list of words'),
        ('{"film": ["movie", 3]}', '"film" has ["movie", 3]; not a list of words'),
        ('{"film": [""]}', "not a list of words"),
        ('{"film": null}', '"film" has null'),
    ],
)
def test_a_file_that_is_no_table_is_refused(write: Write, content: str | bytes, problem: str) -> None:
    file = write("neighbours.json", content)
    with pytest.raises(DataError) as refused:
        load_neighbours(str(file))
    assert str(refused.value).startswith(str(file))
    assert problem in str(refused.value)


def test_a_missing_file_or_a_folder_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Neighbours.from_file(folder / "nowhere.json")
    with pytest.raises(DataError, match="a folder; a file is expected"):
        Neighbours.from_file(folder)


def test_a_pipe_or_a_device_in_its_place_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.json")
    (folder / "device.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "device.json"):
        with pytest.raises(DataError, match="not a plain file"):
            Neighbours.from_file(folder / name)


def test_the_published_table_has_the_counts_that_its_readme_states(real_neighbours: Path) -> None:
    assert hashlib.sha256(real_neighbours.read_bytes()).hexdigest() == SHA256
    assert len(Neighbours.from_file(real_neighbours).table) == 25_591


TABLE = json.dumps({"film": ["movie"]}).encode()
SUM = hashlib.sha256(TABLE).hexdigest()


def test_the_table_is_fetched_once_and_then_read_from_the_cache(serve: Serve, folder: Path) -> None:
    file = fetch(serve({"/t.json": TABLE}) + "/t.json", SUM, folder)
    assert file.read_bytes() == TABLE
    assert [path.name for path in folder.iterdir()] == [file.name]  # no part of a download is left
    assert fetch("http://hub.invalid/t.json", SUM, folder) == file


def test_a_torn_file_in_the_cache_is_fetched_again(serve: Serve, folder: Path) -> None:
    url = serve({"/t.json": TABLE}) + "/t.json"
    file = fetch(url, SUM, folder)
    file.write_bytes(TABLE[:5])
    assert fetch(url, SUM, folder).read_bytes() == TABLE


def test_content_with_another_checksum_is_refused_and_not_kept(serve: Serve, folder: Path) -> None:
    with pytest.raises(DataError, match="not the expected content"):
        fetch(serve({"/t.json": TABLE + b" "}) + "/t.json", SUM, folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("url", ["http://hub.invalid/t.json", "http://127.0.0.1:1/t.json", "gone"])
def test_without_the_table_one_message_names_the_option(serve: Serve, folder: Path, url: str) -> None:
    with pytest.raises(DataError, match=r"cannot be fetched .* `data: \{neighbours: path\}`"):
        fetch(serve({}) + "/t.json" if url == "gone" else url, SUM, folder)


def test_a_cache_that_cannot_be_written_is_said(serve: Serve, write: Write) -> None:
    blocked = write("file", "in the way")
    with pytest.raises(DataError, match="XDG_CACHE_HOME"):
        fetch(serve({"/t.json": TABLE}) + "/t.json", SUM, blocked / "xrt")


def test_waiting_has_an_end() -> None:
    never = threading.Event()
    # Who waits for the end of the call gets its answer, however slow the machine is: not an error.
    assert isinstance(within(0.1, lambda: never.wait(60)), TimeoutError)
    assert within(60, lambda: None) is None
