"""A trial on files as people have them: a source that is trained on only, a language that is aligned with no other."""

import math
from pathlib import Path

from tests.study.conftest import write_split
from xrt.search.scoring import Scoring
from xrt.search.trial import open_encoder, training_stream
from xrt.spec import build, load_study

STUDY = """\
task: {{name: three, languages: {languages}, labels: ["0", "1"]}}
data: {{source: folder, path: {data}, align: own, dev_rows: 16, test_rows: 12}}
space: {{encoder: mini-a, learning_rate: 1.0e-3, method: {{plain: {{}}}}}}
training: {{epochs: 2, batch_size: 16, max_tokens: 32}}
"""


def scored(folder: Path, languages: list[str], alone: str | None = None):
    write_split(folder, "train", ["en"], 96)
    for split, count in (("dev", 40), ("test", 30)):
        write_split(folder, split, languages, count)
    if alone:
        for split in ("dev", "test"):
            file = folder / f"{split}-{alone}.tsv"
            file.write_text("".join(line + "\n" for line in file.read_text().splitlines()[:20]))
    (folder / "three.yaml").write_text(STUDY.format(data=folder, languages=languages))
    spec = load_study(str(folder / "three.yaml"))
    config = build(spec, {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain"}, 1, confirm=True)
    encoder = open_encoder(config)
    scoring = Scoring.of(config, encoder, *training_stream(config, encoder), lambda *told: None)
    return scoring.sampled(encoder), scoring.whole(encoder)


def test_a_source_that_is_trained_on_only_is_in_no_cell(tmp_path: Path) -> None:
    sampled, whole = scored(tmp_path, ["de", "fr"])
    assert {"dev/acc/de", "dev/pair/de-fr", "dev/mean/mixed", "test/mean/targets"} <= whole.metrics.keys()
    assert not [name for name in whole.metrics if "/en" in name or "-en" in name or "proxy" in name]
    assert whole.metrics["dev/mean/targets"] == whole.metrics["dev/mean/languages"]
    assert not any(map(math.isnan, (sampled.metrics | whole.metrics).values()))


def test_a_language_apart_is_in_its_own_cell_and_in_no_mixed_mean(tmp_path: Path) -> None:
    sampled, whole = scored(tmp_path, ["en", "de", "fr"], alone="fr")
    assert not [name for name in whole.metrics if "pair" in name and "fr" in name]
    found = whole.predictions["dev"]
    mixed = [found.accuracies[found.pairs.index(pair)] for pair in (("en", "de"), ("de", "en"))]
    assert whole.metrics["dev/mean/mixed"] == sum(mixed) / 2
    assert (
        whole.metrics["dev/mean/targets"] == (whole.metrics["dev/acc/de"] + whole.metrics["dev/acc/fr"]) / 2
    )
    assert found.counts["fr", "fr"][1] == found.counts["en", "de"][1] == 16
    assert whole.predictions["test"].counts["en", "en"][1] == 12
    assert not any(map(math.isnan, (sampled.metrics | whole.metrics).values()))
