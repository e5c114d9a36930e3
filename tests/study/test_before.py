"""A problem that every trial would fail on is reported before the first, in one line."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from tests.bench import families
from xrt.data import load
from xrt.data.cache import check_cache
from xrt.data.synonyms import URL
from xrt.errors import DataError, RecordError, XrtError
from xrt.mini import ENCODERS
from xrt.record import Results, Run
from xrt.robust.weights import digest_of
from xrt.spec import load_study
from xrt.spec.study import StudySpec
from xrt.study.before import check_before, check_classes, check_same, digests, layers, survey

ROWS = {
    "en": ("Anna saw a house .", "A house was seen ."),
    "de": ("Anna sah ein Haus .", "Ein Haus stand da ."),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own data in two languages."""
    place = tmp_path / "data"
    place.mkdir()
    for split, languages in (("train", ["en"]), ("dev", ["en", "de"]), ("test", ["en", "de"])):
        for language in languages:
            first, second = ROWS[language]
            lines = [f"{i} {first}\t{i} {second}\t{'yes' if i % 3 else 'no'}\n" for i in range(12)]
            (place / f"{split}-{language}.tsv").write_text("".join(lines), "utf-8")
    return place


def study(folder: Path, **changes) -> StudySpec:
    plain = {
        "study": "own",
        "task": {"name": "own", "languages": ["en", "de"], "labels": ["no", "yes"]},
        "data": {"source": "folder", "path": str(folder), **changes.pop("data", {})},
        "space": {
            "encoder": "mini-a",
            "learning_rate": 1e-3,
            "method": {"plain": {}},
            **changes.pop("space", {}),
        },
        "pruning": None,
    }
    return StudySpec.model_validate(plain | changes)


def problems(spec: StudySpec) -> list[str]:
    try:
        check_before(spec)
    except XrtError as error:
        assert all("\n" not in line for line in error.problems)
        return error.problems
    return []


def test_a_sound_study_passes(folder: Path) -> None:
    spec = study(folder)
    assert problems(spec) == []
    survey(spec)


@pytest.mark.parametrize("label", ["no", "yes"])
def test_training_data_of_one_class_are_refused(folder: Path, label: str) -> None:
    train = folder / "train-en.tsv"
    rows = train.read_text("utf-8").splitlines()
    train.write_text("".join(row.rpartition("\t")[0] + f"\t{label}\n" for row in rows), "utf-8")
    with pytest.raises(DataError, match=rf'train-en.tsv: all 12 training examples have the label "{label}"'):
        survey(study(folder))


def test_rows_that_leave_one_class_are_refused(folder: Path) -> None:
    spec = study(folder, data={"train_rows": 1})
    with pytest.raises(DataError, match=r"all 1 training examples that data.train_rows leaves"):
        check_classes(spec, load(spec.task, spec.data.origin, "train"))


def test_synonyms_without_a_table_or_a_network_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    synonyms = {"method": {"plain": {}, "synonyms": {}}}
    (line,) = problems(study(folder, space=synonyms))
    assert line.startswith(URL) and "give the file with `data: {neighbours: path}`" in line
    table = tmp_path / "table.json"
    table.write_text('{"house": ["home"]}')
    assert problems(study(folder, space=synonyms, data={"neighbours": str(table)})) == []
    (line,) = problems(study(folder, data={"neighbours": str(tmp_path / "none.json")}))
    assert line.startswith(f"{tmp_path / 'none.json'}: cannot be read")


def test_a_cache_that_cannot_be_written_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file, where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (line,) = problems(study(folder))
    assert line.startswith("cache: ") and "Set XDG_CACHE_HOME to a folder that can be written." in line
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    check_cache()


def test_what_a_study_asks_of_its_encoders_reaches_the_check(folder: Path, tmp_path: Path) -> None:
    bert = families.build("bert", tmp_path / "bert")
    space = {
        "encoder": str(bert),
        "method": {"noise": {"scale": 0.1, "site": ["word", {"layer": 1}, {"layer": 5}]}},
    }
    spec = study(folder, space=space, training={"max_tokens": 65, "dropout": 0.1})
    assert layers(spec) == {1, 5}
    (line,) = problems(spec)
    assert line == f"encoder: {bert}: site: layer 5 is not inside the encoder; 1 to 1 are (or the site word)."
    space["method"]["noise"]["site"] = "word"
    (line,) = problems(study(folder, space=space, training={"max_tokens": 65}))
    assert line.startswith(f"encoder: {bert}: training.max_tokens: 65 is more than ") and "at most 64" in line


def test_a_run_is_not_resumed_on_an_encoder_that_has_changed(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(str(ENCODERS["mini-a"]), folder)
    spec = load_study("mini", [f"space.encoder=[{folder}]"])
    run = Run.create(Results.at(tmp_path / "results"), spec, (), {"encoders": digests(spec)})
    check_same(run)
    weights = load_file(folder / "model.safetensors")
    save_file({name: 1.01 * tensor for name, tensor in weights.items()}, folder / "model.safetensors")
    with pytest.raises(RecordError, match=f"encoder {folder} is not what the run began with"):
        check_same(run)


def commit(cache: Path, name: str, hash: str, files: Path) -> None:
    """Put an encoder into the hub's cache, as a download of that commit leaves it."""
    place = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(files, place / "snapshots" / hash)
    (place / "refs").mkdir(exist_ok=True)
    (place / "refs" / "main").write_text(hash)


def test_a_run_is_not_resumed_on_another_commit_of_an_encoder_from_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, first, second = tmp_path / "hub", "1" * 40, "2" * 40
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    commit(cache, "somebody/small", first, ENCODERS["mini-a"])
    spec = load_study("mini", ["space.encoder=[somebody/small]"])
    run = Run.create(Results.at(tmp_path / "results"), spec, (), {"encoders": digests(spec)})
    assert run.meta.encoders["somebody/small"].startswith(f"{first}+")
    check_same(run)
    commit(cache, "somebody/small", second, ENCODERS["mini-b"])
    with pytest.raises(
        RecordError, match=rf"\(fingerprint {second}\+\w+; it had {first}\+\w+\)\. Restore that commit"
    ) as told:
        check_same(run)
    assert f"hf download somebody/small --revision {first}" in str(told.value)
    (cache / "models--somebody--small" / "refs" / "main").write_text(first)
    check_same(run)
    commit(cache, "somebody/small", "3" * 40, ENCODERS["mini-a"])
    check_same(run)  # another commit of the same files


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("README.md", False),
        ("pytorch_model.bin", False),  # model.safetensors is loaded
        ("trainer_state.json", False),
        ("config.json", True),
        ("tokenizer.json", True),
        ("tokenizer_config.json", True),
        ("model.safetensors", True),
    ],
)
def test_of_the_files_of_an_encoder_those_that_are_loaded_count(
    tmp_path: Path, file: str, counts: bool
) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(str(ENCODERS["mini-a"]), folder)
    before = digest_of(str(folder))
    path = folder / file
    if file == "model.safetensors":
        save_file({name: 1.01 * tensor for name, tensor in load_file(path).items()}, path)
    else:
        path.write_text((path.read_text() if path.exists() else "") + "\n")
    assert (digest_of(str(folder)) != before) is counts
