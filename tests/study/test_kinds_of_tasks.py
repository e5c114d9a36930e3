"""A task of single sentences in two source languages, from YAML alone: from `run` to the exported pipeline.

Pairs of one source are the toy study of all other tests here (test_elsewhere.py). Each kind alone, pairs of two
sources too, is trained and evaluated in tests/search/test_kinds_of_tasks.py.
"""

import random
import shutil
from pathlib import Path

import pytest

from tests.robust.conftest import build
from tests.study.conftest import WORDS, Toy
from tests.study.test_elsewhere import assert_the_matrix, champion, inputs, piped
from xrt.findings.candidates import rules_of
from xrt.findings.findings import findings
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.spec import load_study

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


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, empty_store: Path, ray_kept: None) -> Run:
    """The study run to its end, in the folder that it stands in."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "data").mkdir()
    write_topics(folder / "data", "train", ["en"], 96)
    write_topics(folder / "data", "train", ["de"], 64)
    for split, count in (("dev", 30), ("test", 40)):
        write_topics(folder / "data", split, list(WORDS), count)
    (folder / "results").mkdir()
    shutil.copy(empty_store, folder / "results")
    build("bert", folder / "encoder")
    (folder / "own.yaml").write_text(STUDY.format(more="sentences: 1, source: [en, de]"))
    (folder / "printed.txt").write_text(Toy(folder).here("run", "own.yaml"))
    return Run.open(Results.at(folder / "results"), "own")


@pytest.mark.slow
def test_single_sentences_are_reported_by_language_and_in_no_mixed_pair(run: Run) -> None:
    metrics = champion(run).metrics
    assert {"dev/acc/de", "test/acc/fr", "dev/mean/targets", "dev/proxy/noise"} <= metrics.keys()
    spoken = [
        run.paths.report_markdown.read_text(),
        (run.paths.results.root.parent / "printed.txt").read_text(),
    ]
    for text in (*metrics, *spoken):
        assert "mixed" not in text and "pair/" not in text
    found = findings(run)
    assert found.meta.metric == "dev/mean/targets" and [m.name for m in found.metrics] == ["targets"]
    assert "target languages 1 language." in " ".join(found.answer.evidence)


@pytest.mark.slow
def test_a_pipeline_on_single_texts_reproduces_the_recorded_predictions(
    run: Run, tmp_path, monkeypatch
) -> None:
    folder = run.paths.results.root.parent
    answered, questions = inputs(run, folder / "data")
    assert answered.sources == ("en", "de")
    assert {tuple(question) for question in questions} == {("text",)}
    monkeypatch.chdir(folder)
    assert_the_matrix(piped(run, questions, tmp_path), answered, run)
    card = (tmp_path / "winner" / "README.md").read_text()
    assert "in en and de only" in card and "for sentences in 3 languages" in card
    assert "text_pair" not in card and "sentence-pairs" not in card


@pytest.mark.slow
def test_two_sources_are_trained_on_and_select_without_the_targets(run: Run) -> None:
    found = findings(run)
    assert {d.split: d.rows for d in found.meta.data}["train"] == 96 + 64
    trained = {t.score("train/cost") for t in found.searched if t.method == "plain" and t.state == "finished"}
    assert trained == {4 * 160 / 16}  # plain steps
    metrics = champion(run).metrics
    assert metrics["test/mean/targets"] == metrics["test/acc/fr"]
    assert metrics["test/mean/sources"] == pytest.approx(
        (metrics["test/acc/en"] + metrics["test/acc/de"]) / 2
    )
    assert [str(rule.rule) for rule in found.candidates.rules][:2] == ["dev/mean/targets", "dev/mean/sources"]
    assert found.meta.source == "en, de"


def test_pairs_of_two_sources_select_by_mixed_pairs_and_without_the_targets(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(STUDY.format(more="source: [en, de]"))
    rules = rules_of(load_study(str(tmp_path / "own.yaml")))
    assert [str(rule) for rule in rules][:2] == ["dev/mean/mixed", "dev/mean/sources"]
