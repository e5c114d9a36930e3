"""The hub's data sets, read through a small hub on this machine; then from the cache, with the hub gone."""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xrt.data.tasks import PAWSX, XNLI

# Runs in a process of its own: the libraries read the hub's address and the cache's place on import.
SCRIPT = """
import json, sys
import yaml
from xrt.data import Source, check, load
from xrt.errors import DataError
from xrt.spec.tasks import read_task
try:
    task = read_task(yaml.safe_load(sys.argv[1]))
    check(task, Source("hub"))
    aligned = load(task, Source("hub"), sys.argv[2])
    answer = {"ids": aligned.ids, "labels": aligned.labels.tolist(),
              "first": {a: aligned.sentences(a).first for a in aligned.languages},
              "second": {a: aligned.sentences(a).second for a in aligned.languages},
              "drops": {"-".join(p): [d.missing, d.conflict] for p, d in aligned.drops.items()}}
except DataError as error:
    answer = {"problems": error.problems}
print(json.dumps(answer))
"""


def run(home: Path, endpoint: str, task: str, split: str) -> dict[str, Any]:
    """The output of `SCRIPT`, with the hub at `endpoint` and the cache at `home`."""
    places = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, task, split],
        env={**kept, **places},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def parquet(columns: dict[str, list[Any]], features: dict[str, Any]) -> bytes:
    """A file as the hub keeps it, with the features in its schema."""
    from datasets import Dataset, Features

    buffer = io.BytesIO()
    table = Dataset.from_dict(columns, features=Features(features)).with_format("arrow")[:]
    pq.write_table(table, buffer)
    return buffer.getvalue()


def card(configs: list[str]) -> bytes:
    lines = ["---", "configs:"]
    for config in configs:
        lines += [f"- config_name: {config}", "  data_files:"]
        for split in ("train", "validation", "test"):
            lines += [f"  - split: {split}", f"    path: {config}/{split}-*"]
    return "\n".join([*lines, "---", ""]).encode()


def pawsx_files() -> dict[str, bytes]:
    """Three examples a language; Korean has another order, lacks one sentence and contradicts one label."""
    from datasets import ClassLabel, Value

    features = {
        "id": Value("int32"),
        "sentence1": Value("string"),
        "sentence2": Value("string"),
        "label": ClassLabel(names=["0", "1"]),
    }
    files = {"README.md": card(list(PAWSX.languages))}
    for language in PAWSX.languages:
        ids = [3, 1, 2] if language == "ko" else [1, 2, 3]
        label = {1: 1, 2: 0, 3: 1} if language == "ko" else {1: 0, 2: 0, 3: 1}
        columns = {
            "id": ids,
            "sentence1": ["NS" if language == "ko" and i == 2 else f'{language} "one" {i}' for i in ids],
            "sentence2": [f"{language} two {i}" for i in ids],
            "label": [label[i] for i in ids],
        }
        for split in ("train", "validation", "test"):
            files[f"{language}/{split}-00000-of-00001.parquet"] = parquet(columns, features)
    return files


def xnli_files() -> dict[str, bytes]:
    from datasets import ClassLabel, Translation, TranslationVariableLanguages

    languages = list(XNLI.languages)
    features = {
        "premise": Translation(languages=languages),
        "hypothesis": TranslationVariableLanguages(languages=languages),
        "label": ClassLabel(names=["entailment", "neutral", "contradiction"]),
    }
    orders = [sorted(languages), languages[::-1]]  # a row's languages may stand in any order
    columns = {
        "premise": [{a: f"{a} premise {i}" for a in languages} for i in range(2)],
        "hypothesis": [
            {"language": order, "translation": [f"{a} hypothesis {i}" for a in order]}
            for i, order in enumerate(orders)
        ],
        "label": [2, 0],
    }
    content = parquet(columns, features)
    splits = ("train", "validation", "test")
    files = {f"all_languages/{split}-00000-of-00001.parquet": content for split in splits}
    return {"README.md": card(["all_languages"]), **files}


Hub = Callable[[dict[str, dict[str, bytes]]], Any]


def address(server: Any) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def closed_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def test_pawsx_from_the_hub_aligns_by_id_and_is_read_from_the_cache_once_the_hub_is_gone(
    hub: Hub, tmp_path: Path
) -> None:
    server = hub({"google-research-datasets/paws-x": pawsx_files()})
    found = run(tmp_path, address(server), "pawsx", "dev")
    assert found.get("ids") == ["1", "2", "3"], found
    assert found["first"]["en"] == ['en "one" 1', 'en "one" 2', 'en "one" 3']
    assert found["first"]["ko"] == ['ko "one" 1', "", 'ko "one" 3']
    assert found["labels"][0] == [0, 0, 0, 0, 0, 1, 0]
    assert (found["drops"]["ko-en"], found["drops"]["en-ko"]) == ([1, 1], [0, 1])
    offline = run(tmp_path, closed_port(), "pawsx", "dev")
    assert offline == found


def test_xnli_picks_each_language_from_the_configuration_of_all_languages(hub: Hub, tmp_path: Path) -> None:
    server = hub({"facebook/xnli": xnli_files()})
    found = run(tmp_path, address(server), "xnli", "dev")
    assert set(found.get("first", found)) == set(XNLI.languages)
    for language in XNLI.languages:
        assert found["first"][language] == [f"{language} premise {i}" for i in range(2)]
        assert found["second"][language] == [f"{language} hypothesis {i}" for i in range(2)]
    assert found["labels"] == [[2] * 15, [0] * 15]


def card_of(splits: dict[str, str]) -> bytes:
    """The card of a repository with one configuration."""
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split, path in splits.items():
        lines += [f"  - split: {split}", f"    path: {path}"]
    return "\n".join([*lines, "---", ""]).encode()


def test_any_aligned_set_is_read_from_one_repository_for_each_language(hub: Hub, tmp_path: Path) -> None:
    from datasets import Value

    features = {name: Value("string") for name in ("text_a", "text_b", "gold", "key")}
    repositories = {}
    for language in ("no", "zh-CN"):
        rows = {
            "text_a": [f"{language} a{i}" for i in range(4)],
            "text_b": [f"{language} b{i}" for i in range(4)],
            "gold": ["0", "1", "1", "0"],
            "key": ["w", "x", "y", "z"],
        }
        content = parquet(rows, features)
        card = card_of({"train": "train.parquet", "dev_matched": "dev.parquet"})
        files = {"README.md": card, "train.parquet": content, "dev.parquet": content}
        repositories[f"someone/set-{language}"] = files
    task = (
        '{name: set, languages: ["no", zh-CN], source: "no", labels: ["0", "1"], '
        "hub: {repo: 'someone/set-{language}', config: null, columns: {id: key, label: gold}, "
        "splits: {dev: dev_matched}}}"
    )
    found = run(tmp_path, address(hub(repositories)), task, "dev")
    assert found.get("ids") == ["w", "x", "y", "z"], found
    assert found["first"]["zh-CN"] == [f"zh-CN a{i}" for i in range(4)]
    assert found["labels"] == [[0, 0], [1, 1], [1, 1], [0, 0]]
    wrong = run(tmp_path, closed_port(), task.replace("id: key", "id: kye"), "dev")
    assert wrong["problems"] == [
        'someone/set-no dev_matched, someone/set-zh-CN dev_matched: no column "kye", which data.columns.id names; '
        'it has "text_a", "text_b", "gold", "key". Did you mean "key"?'
    ]


def silent_port() -> socket.socket:
    """A port that accepts connections and never answers, as behind a firewall."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    return listening


@pytest.mark.parametrize(
    "network", ["refused", "no such host", pytest.param("silent", marks=pytest.mark.slow)]
)
def test_without_the_hub_one_message_names_the_folder_option(network: str, tmp_path: Path) -> None:
    with silent_port() as listening:
        endpoint = {
            "refused": closed_port(),
            "no such host": "http://hub.invalid",
            "silent": f"http://127.0.0.1:{listening.getsockname()[1]}",
        }[network]
        found = run(tmp_path, endpoint, "pawsx", "dev")
    (problem,) = found["problems"]
    assert "google-research-datasets/paws-x" in problem
    assert "data: {source: folder, path: ...}" in problem
    # Our own patience ended it, not the retries of the library, which go on for minutes.
    assert network != "silent" or "no answer within 8 seconds" in problem


def test_a_language_that_no_row_carries_is_missing_there_and_nowhere_else() -> None:
    from xrt.data.arrow import picked

    rows = [
        {"language": ["de", "en"], "translation": ["eins", "one"]},
        {"language": ["en"], "translation": ["two"]},
        None,
        {"language": ["en", "de"], "translation": ["three", "drei"]},
    ]
    strings = pa.list_(pa.string())
    column = pa.array(rows, pa.struct({"language": strings, "translation": strings}))
    assert picked(column, "de") == ["eins", None, None, "drei"]
    assert picked(column.slice(1), "de") == [None, None, "drei"]
