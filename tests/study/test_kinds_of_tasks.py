"""A task of single sentences and one of two source languages, from YAML alone: from `run` to the exported pipeline.

The pair task of one source is the toy study of all other tests here (test_elsewhere.py).
"""

import random
from pathlib import Path

import pytest

from tests.robust.conftest import build
from tests.study.conftest import WORDS, Toy, write_split
from tests.study.test_elsewhere import assert_the_matrix, champion, inputs, piped
from xrt.findings.findings import findings
from xrt.record.paths import Results
from xrt.record.run import Run

STUDY = """\
task: {{name: own, languages: [en, de, fr], labels: ["0", "1"], {more}}}
data: {{source: folder, path: data}}
space:
  encoder: [encoder]
  learning_rate: 3.0e-3
  method:
    plain: {{}}
    adversarial: {{radius: 0.1, steps: 1}}
training: {{epochs: 4, batch_size: 16, max_tokens: 32}}
search: {{trials: 2, seed: 3}}
pruning: {{reduction: 2, rungs: 2}}
confirm: {{seeds: 2}}
resources: {{cpu: 1, gpu: 0}}
"""


def write_topics(folder: Path, split: str, languages: list[str], count: int) -> None:
    """Five words of the first half of the list (label 0) or of the second, with a header."""
    for language in languages:
        draw = random.Random(split)
        rows = ["id\ttext\ttopic"]
        for number in range(count):
            label = draw.randrange(2)
            words = [WORDS[language][draw.randrange(7) + 7 * label] for _ in range(5)]
            rows.append(f"{number}\t{' '.join(words)}\t{label}")
        (folder / f"{split}-{language}.tsv").write_text("\n".join(rows) + "\n")


def finished(folder: Path, more: str) -> Run:
    """The study run to its end, in the folder that it stands in."""
    build("bert", folder / "encoder")
    (folder / "own.yaml").write_text(STUDY.format(more=more))
    toy = Toy(folder)
    (folder / "printed.txt").write_text(toy.xrt("run", "own.yaml"))
    return Run.open(Results.at(folder / "results"), "own")


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("single")
    (folder / "data").mkdir()
    write_topics(folder / "data", "train", ["en"], 96)
    for split, count in (("dev", 30), ("test", 40)):
        write_topics(folder / "data", split, list(WORDS), count)
    return finished(folder, "sentences: 1")


@pytest.fixture(scope="module")
def two_sources(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("sources")
    (folder / "data").mkdir()
    write_split(folder / "data", "train", ["en"], 96)
    write_split(folder / "data", "train", ["de"], 64)
    for split, count in (("dev", 30), ("test", 40)):
        write_split(folder / "data", split, list(WORDS), count)
    return finished(folder, "source: [en, de]")


@pytest.mark.slow
def test_single_sentences_are_reported_by_language_and_in_no_mixed_pair(single: Run) -> None:
    metrics = champion(single).metrics
    assert {"dev/acc/de", "test/acc/fr", "dev/mean/targets", "dev/proxy/noise"} <= metrics.keys()
    spoken = [
        single.paths.report_markdown.read_text(),
        (single.paths.results.root.parent / "printed.txt").read_text(),
    ]
    for text in (*metrics, *spoken):
        assert "mixed" not in text and "pair/" not in text
    found = findings(single)
    assert found.meta.metric == "dev/mean/targets" and [m.name for m in found.metrics] == ["targets"]
    assert "target languages 2 languages" in " ".join(found.answer.evidence)


@pytest.mark.slow
def test_a_pipeline_on_single_texts_reproduces_the_recorded_predictions(
    single: Run, tmp_path, monkeypatch
) -> None:
    folder = single.paths.results.root.parent
    answered, questions = inputs(single, folder / "data")
    assert {tuple(question) for question in questions} == {("text",)}
    monkeypatch.chdir(folder)
    assert_the_matrix(piped(single, questions, tmp_path), answered, single)
    card = (tmp_path / "winner" / "README.md").read_text()
    assert "for sentences in 3 languages" in card and "text_pair" not in card and "sentence-pairs" not in card


@pytest.mark.slow
def test_two_sources_are_trained_on_and_select_without_the_targets(two_sources: Run) -> None:
    found = findings(two_sources)
    assert {d.split: d.rows for d in found.meta.data}["train"] == 96 + 64
    trained = {t.score("train/cost") for t in found.searched if t.method == "plain" and t.state == "finished"}
    assert trained == {4 * 160 / 16}  # plain steps
    metrics = champion(two_sources).metrics
    assert metrics["test/mean/targets"] == metrics["test/acc/fr"]
    assert metrics["test/mean/sources"] == pytest.approx(
        (metrics["test/acc/en"] + metrics["test/acc/de"]) / 2
    )
    assert [str(rule.rule) for rule in found.candidates.rules][:2] == ["dev/mean/mixed", "dev/mean/sources"]
    assert found.meta.source == "en, de"


@pytest.mark.slow
def test_a_pipeline_of_two_sources_reproduces_the_matrix(two_sources: Run, tmp_path, monkeypatch) -> None:
    folder = two_sources.paths.results.root.parent
    answered, questions = inputs(two_sources, folder / "data")
    assert answered.sources == ("en", "de")
    monkeypatch.chdir(folder)
    assert_the_matrix(piped(two_sources, questions, tmp_path), answered, two_sources)
    assert "in en and de only" in (tmp_path / "winner" / "README.md").read_text()
