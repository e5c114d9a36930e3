"""What a trial reports: the same sample at every rung, the whole split at its end, nothing without labels."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.study.conftest import write_split
from xrt.search.scoring import Scoring
from xrt.search.trial import open_encoder, training_stream
from xrt.spec import build, load_study, metrics_of
from xrt.spec.metric import MEANS

STUDY = """\
task: {{name: two, languages: [en, de, fr], labels: ["0", "1"]}}
data: {{source: folder, path: {data}, neighbours: {data}/synonyms.json}}
space: {{encoder: mini-a, learning_rate: 1.0e-3, method: {{plain: {{}}}}}}
training: {{epochs: 2, batch_size: 16, max_tokens: 32}}
search: {{metric: {metric}}}
"""
VOTES = "evaluation: {votes: 3, scale: 5.0}\n"
LANGUAGES = ["en", "de", "fr"]


def scoring_of(
    folder: Path, unlabelled: tuple[str, ...] = (), metric: str = "dev/mean/mixed", more: str = "", **sample
):
    """Scoring of a confirming trial on a small folder, where some languages of test lack their labels; the encoder."""
    for split, languages, count in (("train", ["en"], 96), ("dev", LANGUAGES, 40), ("test", LANGUAGES, 30)):
        write_split(folder, split, languages, count)
    for language in unlabelled:
        file = folder / f"test-{language}.tsv"
        file.write_text("".join(line.rpartition("\t")[0] + "\n" for line in file.read_text().splitlines()))
    (folder / "synonyms.json").write_text(
        '{"small": ["little", "tiny"], "house": ["home"], "doctor": ["judge"]}'
    )
    (folder / "two.yaml").write_text(STUDY.format(data=folder, metric=metric) + more)
    spec = load_study(str(folder / "two.yaml"), [])
    sample = {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain"} | sample
    config = build(spec, sample, 1, confirm=True)
    encoder = open_encoder(config)
    return Scoring.of(config, encoder, *training_stream(config, encoder), lambda *seen: None), encoder


@pytest.mark.parametrize("metric", ["dev/mean/mixed", "dev/proxy/synonyms"])
def test_a_rung_reports_the_same_sample_every_time_and_the_end_reports_the_whole_split(tmp_path, metric):
    scoring, encoder = scoring_of(tmp_path, metric=metric)
    first, again = scoring.sampled(encoder).metrics, scoring.sampled(encoder).metrics
    assert first == again
    whole = scoring.whole(encoder).metrics
    dev = {name for name in whole if name.startswith("dev/")}
    proxies = {"dev/proxy/noise", "dev/proxy/synonyms"}
    assert proxies <= dev and metric in first
    assert set(first) == (dev if metric in proxies else dev - proxies)
    assert first["dev/se/mixed"] > whole["dev/se/mixed"] > 0


def test_a_trials_metrics_are_those_that_a_study_may_select_by(tmp_path):
    scoring, encoder = scoring_of(tmp_path)
    reported = set(scoring.whole(encoder).metrics)
    assert {str(metric) for metric in metrics_of(scoring.config.task, neighbours=True)} <= reported


def test_without_labels_in_one_language_of_test_only_what_needs_them_is_left_out(tmp_path):
    scoring, encoder = scoring_of(tmp_path, unlabelled=("fr",))
    scores = scoring.whole(encoder)
    tested = {name for name in scores.metrics if name.startswith(("test/acc/", "test/pair/", "test/mean/"))}
    assert tested == {"test/acc/en", "test/acc/de", "test/pair/en-de", "test/pair/de-en"}
    assert ("en", "fr") not in scores.predictions["test"].pairs


def test_without_any_labels_in_test_there_is_no_test_score(tmp_path):
    scoring, encoder = scoring_of(tmp_path, unlabelled=("en", "de", "fr"))
    scores = scoring.whole(encoder)
    assert not [name for name in scores.metrics if name.startswith("test/")]
    assert set(scores.predictions) == {"dev"} and "dev/mean/mixed" in scores.metrics


def test_votes_are_beside_the_means_of_test_and_change_nothing_else(tmp_path):
    alone, encoder = scoring_of(tmp_path)
    voting, _ = scoring_of(tmp_path, more=VOTES)
    without, scores = alone.whole(encoder).metrics, voting.whole(encoder)
    found = {name for name in scores.metrics if "/votes/" in name}
    assert found == {f"test/votes/{mean}" for mean in MEANS if mean != "sources"}
    assert {name: value for name, value in scores.metrics.items() if name not in found} == without
    assert scores.metrics["test/votes/mixed"] != without["test/mean/mixed"]
    assert voting.whole(encoder).metrics == scores.metrics, "the noise is the same"


def test_where_translations_lie_is_said_of_what_was_attacked_in_a_confirmation(tmp_path):
    own = {"method": "adversarial", "adversarial.radius": 0.1, "adversarial.steps": 1}
    scoring, encoder = scoring_of(tmp_path, **own)
    lying = {f"dev/{kind}/{a}" for kind in ("distance", "along", "inside") for a in ("de", "fr")}
    assert lying <= scoring.whole(encoder).metrics.keys()
    searching = replace(scoring, config=replace(scoring.config, test=False))
    assert not lying & searching.whole(encoder).metrics.keys()
    plain, _ = scoring_of(tmp_path)
    assert not lying & plain.whole(encoder).metrics.keys()
