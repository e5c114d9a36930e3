"""A trial on single sentences, by every method; and on two source languages: what is trained, in which unit, with
which metrics."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.search.conftest import only_report
from tests.study.conftest import write_split
from xrt.data.batches import collate
from xrt.data.tokens import tokenize
from xrt.robust.methods import METHODS
from xrt.search.scoring import Scoring, evaluation_data
from xrt.search.trial import open_encoder, training_data, training_stream
from xrt.spec import TrialConfig, build, load_study

SPACE = "space: {encoder: mini-a, learning_rate: 1.0e-3, method: {plain: {}}}\n"
TOPICS = (
    "task: mini-topics\ndata: {source: embedded, train_rows: 24, dev_rows: 8, test_rows: 8}\n"
    + SPACE
    + "training: {epochs: 1, batch_size: 8, max_tokens: 32}\npruning: null\n"
)
TWO = (
    'task: {{name: two, languages: [en, de, fr], labels: ["0", "1"], source: [en, de]}}\n'
    "data: {{source: folder, path: {data}, dev_rows: 8}}\n"
    + SPACE.replace("{", "{{").replace("}", "}}")
    + "training: {{epochs: 1, batch_size: 8, max_tokens: 32}}\npruning: null\n"
)
POINT = {"encoder": "mini-a", "learning_rate": 1e-3}
OWN = {
    "plain": {},
    "adversarial": {"radius": 0.1, "steps": 1},
    "noise": {"scale": 0.3},
    "synonyms": {},
    "free": {"radius": 0.1, "steps": 2},
}


def config_of(folder: Path, text: str, method: str = "plain", **own) -> TrialConfig:
    (folder / "s.yaml").write_text(text)
    sample = {**POINT, "method": method, **{f"{method}.{name}": value for name, value in own.items()}}
    return build(load_study(str(folder / "s.yaml")), sample, 1, confirm=True)


def two(folder: Path) -> TrialConfig:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    write_split(data, "train", ["en"], 20)
    write_split(data, "train", ["de"], 12)
    for split in ("dev", "test"):
        write_split(data, split, ["en", "de", "fr"], 12)
    return config_of(folder, TWO.format(data=data))


def test_every_method_is_tried_on_single_sentences() -> None:
    assert OWN.keys() == METHODS.keys()


@pytest.mark.parametrize(
    ("method", "more"), [*((name, {}) for name in OWN), ("adversarial", {"objective": "kl"})], ids=str
)
def test_single_sentences_are_trained_on_by_every_method(tmp_path: Path, method: str, more: dict) -> None:
    reached = only_report(config_of(tmp_path, TOPICS, method, **OWN[method], **more))
    metrics = reached.metrics
    assert reached.step == 3 and not any(map(math.isnan, metrics.values()))
    evaluated = {name for name in metrics if name.startswith(("dev/", "test/"))}
    assert {"dev/acc/ja", "test/mean/targets", "dev/proxy/noise", "dev/proxy/synonyms"} <= evaluated
    assert not [name for name in evaluated if "mixed" in name or "pair/" in name or name.endswith("/all")]


def test_a_single_sentence_is_joined_as_the_tokenizer_does_it_and_perturbed_between_its_specials(
    tmp_path: Path,
) -> None:
    config = config_of(tmp_path, TOPICS)
    encoder = open_encoder(config)
    stream, _ = training_stream(config, encoder)
    sentences = training_data(config.task, config.source, config.train_rows).first
    expected = sorted(encoder.tokenizer(text)["input_ids"] for text in sentences)
    batches = [batch for batch, _ in zip(stream(0), range(3), strict=False)]
    rows = [
        ids[mask == 1].tolist()
        for b in batches
        for ids, mask in zip(b.input_ids, b.attention_mask, strict=True)
    ]
    assert sorted(rows) == expected
    specials = len(expected[0]) - len(tokenize(encoder.tokenizer, [sentences[0]])[0])
    assert encoder.template.specials == specials > 0
    assert sum(int(b.perturbable.sum()) for b in batches) == sum(len(row) - specials for row in rows)


def test_a_single_sentence_is_cut_where_the_tokenizer_cuts_it(tmp_path: Path) -> None:
    encoder = open_encoder(config_of(tmp_path, TOPICS))
    text = "Anna saw the doctor in Paris yesterday and the judge saw Peter."
    cut = tokenize(encoder.tokenizer, [text, ""])
    batch = collate(encoder.template, [cut[0]], [cut[1]], [0], 9)
    assert batch.input_ids[0].tolist() == encoder.tokenizer(text, truncation=True, max_length=9)["input_ids"]


def test_two_sources_are_one_training_set_and_one_vocabulary(tmp_path: Path) -> None:
    config = two(tmp_path)
    encoder = open_encoder(config)
    stream, used = training_stream(config, encoder)
    assert len(stream.pairs.labels) == 32
    sentences = training_data(config.task, config.source, None)
    pieces = np.unique(tokenize(encoder.tokenizer, [*sentences.first, *sentences.second]).values)
    assert used.tolist() == pieces.tolist()
    english = replace(config, task=replace(config.task, sources=("en",)))
    _, fewer = training_stream(english, encoder)
    assert set(fewer.tolist()) < set(used.tolist())  # so the norm that is the radius's unit is another
    assert encoder.site_norm(fewer, []) != encoder.site_norm(used, [])


def test_two_sources_select_by_the_mean_of_both_and_proxies_are_of_both(tmp_path: Path) -> None:
    reached = only_report(two(tmp_path))
    metrics = reached.metrics
    own = [metrics["dev/acc/en"], metrics["dev/acc/de"]]
    assert metrics["dev/mean/sources"] == pytest.approx(sum(own) / 2)
    assert metrics["dev/mean/targets"] == metrics["dev/acc/fr"]
    assert {"dev/se/sources", "test/mean/sources"} <= metrics.keys()
    config = two(tmp_path)
    encoder = open_encoder(config)
    scoring = Scoring.of(config, encoder, *training_stream(config, encoder), lambda *told: None)
    dev = evaluation_data(config.task, config.source, "dev", config.dev_rows)
    both = {(a, a): dev.pair(a, a) for a in config.task.sources}
    found = scoring.proxies.predictions(encoder, dev, both)["noise"]
    assert found.pairs == (("en", "en"), ("de", "de")) and found.evaluated.all()
    assert scoring.whole(encoder).metrics["dev/proxy/noise"] == found.mean([0, 1])
