"""The corpus of malformed input: encoder folders and record folders here, with the message that each must get.

Specs and data folders have theirs in `tests/spec` and `tests/data`; `test_corpus_commands.py` gives all of them to the
command line, and counts them.
"""

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.findings.worked import SPEC
from xrt.data.columns import Wanted, columns_of
from xrt.data.formats import TextTable, read_table
from xrt.data.sentences import Columns
from xrt.errors import DataError, EncoderError, RecordError, XrtError
from xrt.mini import ENCODERS
from xrt.record.files import LARGEST, write_json
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.robust.encoder import load_encoder
from xrt.robust.inspection import check_encoder

SOUND = Path(str(ENCODERS["mini-a"]))
SAFE, INDEX, PICKLE = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"


class Evil:
    """A pickle that runs a command when it is loaded."""

    def __reduce__(self):
        return os.system, ("touch evil",)


def text(name: str, content: str | bytes) -> Callable[[Path], None]:
    """Replace a file."""
    raw = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(raw)


def cut(name: str, length: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:length])


def gone(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names]


def loop(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(name)

    return make


def config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        known = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**known, **changes}))

    return change


def instead(name: str, content: object) -> Callable[[Path], None]:
    """Other weights in place of the safetensors."""

    def change(folder: Path) -> None:
        (folder / SAFE).unlink()
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        elif name == PICKLE:
            torch.save(content, folder / name)
        else:
            (folder / name).write_text(json.dumps(content))

    return change


NOT_JSON = "is not a valid JSON file"
ENCODER_CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (gone("config.json"), "config.json"),
    "config cut": (cut("config.json", 40), NOT_JSON),
    "config empty": (text("config.json", ""), NOT_JSON),
    "config a list": (text("config.json", "[]"), "model_type"),
    "config in UTF-16": (text("config.json", "{}".encode("utf-16")), NOT_JSON),
    "config nested deeply": (text("config.json", "[" * 100_000), "recursion"),
    "config a loop": (loop("config.json"), "config.json"),
    "config of another library": (config(model_type="nonsense"), "nonsense"),
    "config with a word for a size": (config(hidden_size="huge"), "'hidden_size' expected int, got str"),
    "config that asks for its own code": (
        config(model_type="mine", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"}),
        "custom code",
    ),
    "no tokenizer": (gone("tokenizer.json", "tokenizer_config.json"), "its tokenizer cannot be read: "),
    "tokenizer cut": (cut("tokenizer.json", 1000), "its tokenizer cannot be read: Unterminated"),
    "tokenizer a list": (text("tokenizer.json", "[]"), "its tokenizer cannot be read: "),
    "no weights": (gone(SAFE), "has no weights; model.safetensors is expected"),
    "weights cut": (cut(SAFE, 100_000), "is truncated or not a safetensors file"),
    "weights empty": (text(SAFE, b""), "is truncated or not a safetensors file"),
    "weights with a huge header": (text(SAFE, struct.pack("<Q", 1 << 60) + b"{}"), "header too large"),
    "a pickle named safetensors": (text(SAFE, pickle.dumps(Evil())), "is truncated or not a safetensors file"),
    "a pickle that runs a command": (instead(PICKLE, {"w": Evil()}), "is refused: it is not a plain"),
    "a bare pickle that runs a command": (instead(PICKLE, pickle.dumps(Evil())), "is refused"),
    "a pickle that is text": (instead(PICKLE, b"hello"), "is refused"),
    "an index cut": (instead(INDEX, []), "is truncated or not an index of weights"),
    "an index of a missing file": (instead(INDEX, {"weight_map": {"a": "x.safetensors"}}), "x.safetensors"),
    "an index that leads outside": (
        instead(INDEX, {"weight_map": {"a": "../other/model.safetensors"}}),
        "is not the name of a file beside it",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("name", ENCODER_CASES)
def test_an_encoder_that_cannot_be_used_is_told_before_a_run_and_runs_nothing(
    name: str, tmp_path: Path
) -> None:
    spoil, expected = ENCODER_CASES[name]
    folder = tmp_path / "encoder"
    shutil.copytree(SOUND, folder)
    (folder / "evil.py").write_text("open('evil', 'w')")
    spoil(folder)
    with pytest.raises(EncoderError) as caught:
        check_encoder(str(folder))
    (problem,) = caught.value.problems
    assert problem.startswith(f"encoder: {folder}")
    assert expected in problem
    assert "\n" not in problem
    with pytest.raises(EncoderError):
        load_encoder(str(folder), ("a", "b"))
    assert not (tmp_path / "evil").exists()


def test_the_pickle_of_the_corpus_is_dangerous_where_it_is_trusted(tmp_path: Path) -> None:
    torch.save({"w": Evil()}, tmp_path / PICKLE)
    torch.load(tmp_path / PICKLE, weights_only=False)
    assert (tmp_path / "evil").exists()


def test_a_pickle_of_tensors_alone_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(SOUND, folder)
    instead(PICKLE, load_file(SOUND / SAFE))(folder)
    check_encoder(str(folder))
    found, sound = (load_encoder(str(place), ("a", "b")).model.state_dict() for place in (folder, SOUND))
    assert all(torch.equal(found[key], sound[key]) for key in sound)


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").mkdir()
    for name in ("file", "loop", "empty"):
        with pytest.raises(EncoderError, match=f"encoder: {tmp_path / name}"):
            check_encoder(str(tmp_path / name))


def trial(**changes: object) -> str:
    return json.dumps({**asdict(TrialRecord("0000", {}, {}, 7)), **changes})


def meta(**changes: object) -> Callable[[Run], str]:
    return lambda run: json.dumps({**json.loads(run.paths.meta.read_text()), **changes})


def without(field: str) -> Callable[[Run], str]:
    def content(run: Run) -> str:
        return json.dumps({k: v for k, v in json.loads(run.paths.meta.read_text()).items() if k != field})

    return content


UNSAID = {"rung": 0, "share": 1, "step": 1, "time": 1}
Content = str | bytes | Callable[[Run], str]
RECORD_CASES: dict[str, tuple[str, Content, str]] = {
    "run empty": ("run.json", "", "run.json: is empty; a JSON object is expected"),
    "run torn": ("run.json", '{"uid": "a', "run.json: is truncated or not JSON"),
    "run a list": ("run.json", "[]", "run.json: holds a list; a JSON object is expected"),
    "run in Latin-1": ("run.json", '{"study": "caf\xe9"}'.encode("latin-1"), "run.json: is truncated or not JSON"),
    "run with a key twice": ("run.json", '{"uid": "a", "uid": "b"}', "a key stands there twice"),
    "run with a bare NaN": ("run.json", '{"started": NaN}', "a bare NaN"),
    "run nested deeply": ("run.json", '{"a":' * 100_000, "run.json: is truncated or not JSON"),
    "run too large": ("run.json", b" " * (LARGEST + 1), "has more than 64 MiB"),
    "run of a newer xrt": ("run.json", meta(format=99), "record format 99; this xrt reads 2"),
    "run of another name": ("run.json", meta(name="other-1"), "says that it is mini/other-1; move the folder back"),
    "run whose name leaves": ("run.json", meta(study="../../etc"), "says that it is ../../etc/"),
    "run without a metric": ("run.json", without("metric"), "run.json: metric: is missing"),
    "run with a word for a time": ("run.json", meta(started="soon"), "run.json: started: 'soon' is not allowed"),
    "run with an unknown status": ("run.json", meta(status="lost"), "run.json: status: 'lost' is not allowed"),
    "trial empty": ("trials/0000.json", "", "0000.json: is empty"),
    "trial torn": ("trials/0000.json", trial()[:-9], "0000.json: is truncated or not JSON"),
    "trial of zeros": ("trials/0000.json", bytes(512), "0000.json: is truncated or not JSON"),
    "trial of another id": ("trials/0000.json", trial(id="0001"), "the file's name says '0000'"),
    "trial with an unknown state": ("trials/0000.json", trial(state="lost"), "0000.json: state: 'lost' is not"),
    "trial with reports of no shape": ("trials/0000.json", trial(reports=[UNSAID]), "reports.0.metrics: is missing"),
    "trial whose checkpoint leaves": ("trials/0000.json", trial(checkpoint="../../../etc"), "leaves the run's folder"),
    "trial with an absolute checkpoint": ("trials/0000.json", trial(checkpoint="/etc"), "leaves the run's folder"),
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(Results.at(tmp_path / "results"), SPEC)


@pytest.mark.parametrize("name", RECORD_CASES)
def test_a_damaged_record_is_told_with_its_file(name: str, run: Run) -> None:
    file, content, expected = RECORD_CASES[name]
    raw = content(run) if callable(content) else content
    (run.paths.root / file).write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    with pytest.raises(RecordError) as caught:
        Run.open(run.paths.results, run.name).trials()
    assert any(expected in problem for problem in caught.value.problems), caught.value.problems
    assert all(str(run.paths.root / file) in problem for problem in caught.value.problems)


@pytest.mark.parametrize("file", ["run.json", "trials/0000.json", "spec.yaml"])
def test_a_record_that_is_a_loop_is_told(file: str, run: Run) -> None:
    path = run.paths.root / file
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)
    with pytest.raises(RecordError, match=r"is a link"):
        opened = Run.open(run.paths.results, run.name)
        opened.trials()
        assert opened.spec_yaml


NAMES = [
    "../evil",
    "..",
    ".",
    "",
    "a/b",
    "/etc",
    "a\0b",
    "a\nb",
    ".hidden",
    "x" * 300,
    "ä",
    "a b",
    "-rf",
    "~",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_study_a_run_or_a_trial_leaves_the_results(name: str, run: Run) -> None:
    results = run.paths.results
    for ask in (lambda: results.create(name), lambda: results.find(name), lambda: run.trial(name)):
        with pytest.raises(RecordError, match="is not a name"):
            ask()


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), max_size=20)


def read_tsv(file: Path) -> Columns:
    return columns_of(read_table(file), Wanted("en", "dev", {}, frozenset({"0"})))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5))
def test_cells_of_a_tsv_are_read_as_they_were_written(rows: list[tuple[str, str, str]]) -> None:
    rows = [("first row", "second", "0"), *rows]  # neither a header nor a mark of the byte order
    Path("t.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8", newline="")
    table = read_table(Path("t.tsv"))
    assert isinstance(table, TextTable)
    if table.rows.quoted:  # written by the rules of CSV, by chance
        return
    found = read_tsv(Path("t.tsv"))
    assert found.labels is not None
    assert list(zip(found.first, found.second, strict=True)) == [row[:2] for row in rows]
    assert list(found.labels) == [row[2].strip() for row in rows]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text('a\t\n\r"\ufeff0', max_size=60).map(str.encode))
def test_any_bytes_are_a_tsv_or_a_data_error_with_the_file(raw: bytes) -> None:
    Path("t.tsv").write_bytes(raw)
    try:
        found = read_tsv(Path("t.tsv"))
    except DataError as error:
        assert all("t.tsv" in problem and "\n" not in problem for problem in error.problems)
    else:
        assert len(found.first) == len(found.second) > 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_trial_cut_or_changed_anywhere_is_read_or_refused(data: st.DataObject, tmp_path_factory) -> None:
    results = Results.at(tmp_path_factory.mktemp("any"))
    run = Run.create(results, SPEC)
    write_json(
        run.paths.trial("0000"), asdict(replace(TrialRecord("0000", {"a": 1.5}, {}, 7), reason="none"))
    )
    raw = run.paths.trial("0000").read_bytes()
    at, new = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.binary(max_size=3))
    run.paths.trial("0000").write_bytes(raw[:at] + new + (raw[at + 1 :] if data.draw(st.booleans()) else b""))
    try:
        (found,) = run.trials()
    except XrtError as error:
        assert all("0000.json" in problem for problem in error.problems)
    else:
        assert found.id == "0000"
