"""Names lead into the results folder and nowhere else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from xrt.errors import RecordError
from xrt.record.paths import Results, RunPaths, checked

NOON = datetime(2026, 11, 7, 12, 0, 0, tzinfo=UTC)


def make(results: Results, study: str, hour: int = 12) -> RunPaths:
    paths = results.create(study, NOON.replace(hour=hour))
    paths.meta.write_text("{}")
    return paths


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc",
        "a\x00b",
        "a\nb",
        ".hidden",
        "-rf",
        "a b",
        "ä",
        "~",
        "$HOME",
        "a" * 151,
    ],
)
def test_a_name_cannot_leave_the_results(tmp_path: Path, name: str) -> None:
    results = Results.at(tmp_path / "results")
    for use in (
        lambda: checked(name, "run"),
        lambda: results.find(name),
        lambda: results.create(name),
        lambda: make(results, "s").trial(name),
    ):
        with pytest.raises(RecordError, match="is not a name"):
            use()
    assert [path.name for path in tmp_path.rglob("*") if path.parent.name == "results"] == ["s"]


def test_the_results_own_files_are_no_studies(tmp_path: Path) -> None:
    for name in ("mlflow.db", "mlartifacts"):
        with pytest.raises(RecordError, match="choose another"):
            Results.at(tmp_path).create(name)


@pytest.mark.parametrize("folder", ["plain", "with space", "it's", 'quo"te', "new\nline", "ünï", "a;b#c"])
def test_results_live_in_folders_of_any_name(tmp_path: Path, folder: str) -> None:
    results = Results.at(tmp_path / folder)
    name = make(results, "s").name
    assert results.find(name).root == tmp_path / folder / "s" / name


@pytest.mark.parametrize("folder", ["50%", "what?"])
def test_a_folder_that_no_sqlite_address_can_name_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(RecordError, match="cannot stand in an SQLite address; choose another"):
        Results.at(tmp_path / folder)


def test_the_folder_comes_from_the_option_the_environment_or_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XRT_RESULTS", raising=False)
    assert Results.at().root == tmp_path / "results"
    monkeypatch.setenv("XRT_RESULTS", "elsewhere")
    assert Results.at().root == tmp_path / "elsewhere"
    assert Results.at("given").root == tmp_path / "given"
    assert Results.at("given").tracking_uri == f"sqlite:///{tmp_path}/given/mlflow.db"


def test_runs_of_the_same_second_never_share_a_folder(tmp_path: Path) -> None:
    results = Results.at(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: results.create("s", NOON), range(24)))
    assert len({p.root for p in paths}) == 24
    assert {p.name for p in paths} >= {"s-20261107-120000", "s-20261107-120000-2", "s-20261107-120000-24"}


def test_a_study_stands_for_its_newest_run(tmp_path: Path) -> None:
    results = Results.at(tmp_path)
    for hour in (9, 23, 3):
        make(results, "pawsx", hour)
    for _ in range(11):
        make(results, "mini")
    assert results.find("pawsx").name == "pawsx-20261107-230000"
    assert results.find("mini").name == "mini-20261107-120000-11"  # after -2, whatever the alphabet says
    assert results.find("pawsx-20261107-030000").study == "pawsx"
    assert results.studies() == ["mini", "pawsx"]
    assert [p.name[-6:] for p in results.runs("pawsx")] == ["030000", "090000", "230000"]


def test_a_name_that_was_given_stands_for_its_newest_run_unless_a_study_is_called_so(tmp_path: Path) -> None:
    results = Results.at(tmp_path)
    for study, hour, name in (
        ("mini", 3, "dropout"),
        ("mini", 9, "dropout"),
        ("mini", 11, None),
        ("pawsx", 7, "mini"),
    ):
        results.create(study, NOON.replace(hour=hour), name).meta.write_text("{}")
    assert (
        results.find("dropout").name == "dropout-20261107-090000" and results.find("dropout").study == "mini"
    )
    assert results.find("mini").name == "mini-20261107-110000"
    assert results.find("mini-20261107-070000").study == "pawsx"
    assert [p.name for p in results.runs("mini", "dropout")] == [
        "dropout-20261107-030000",
        "dropout-20261107-090000",
    ]
    with pytest.raises(RecordError, match=r"--name: '\.\./x' is not a name"):
        results.create("mini", NOON, "../x")


def test_the_longest_study_name_has_runs_that_are_found(tmp_path: Path) -> None:
    results = Results.at(tmp_path)
    with pytest.raises(RecordError, match="at most 120"):
        results.create("s" * 121)
    made = make(results, "s" * 120)
    assert results.find("s" * 120) == results.find(made.name) == made


def test_a_folder_without_run_json_is_no_run(tmp_path: Path) -> None:
    results = Results.at(tmp_path)
    old = make(results, "s", 1)
    results.create("s", NOON)
    (tmp_path / "mlartifacts" / "1").mkdir(parents=True)
    (tmp_path / "s" / "notes.txt").touch()
    assert results.find("s") == old
    assert results.runs() == [old]


def test_an_unknown_name_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"has no run to read.*--results FOLDER"):
        Results.at(tmp_path / "none").find("pawsx")
    results = Results.at(tmp_path)
    make(results, "pawsx")
    with pytest.raises(RecordError, match=r'there are pawsx-20261107-120000, pawsx. Did you mean "pawsx"\?'):
        results.find("pawxs")


def test_a_loop_of_links_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "loop").symlink_to(tmp_path / "s")
    (tmp_path / "s" / "self").symlink_to("self")
    assert Results.at(tmp_path).runs() == []


def test_results_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"cannot be written .*give --results FOLDER"):
        Results.at(tmp_path / "file").create("s")


def test_a_printed_command_finds_its_run_from_where_it_was_started(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Results.at().option == "" and Results.at("results").option == ""
    assert Results.at("my runs").option == f" --results '{tmp_path}/my runs'"
    monkeypatch.setenv("XRT_RESULTS", "my runs")
    assert Results.at().option == "" and Results.at("results").option == f" --results {tmp_path}/results"
