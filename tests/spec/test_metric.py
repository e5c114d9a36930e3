"""A metric as a value: written, read, named, and the cells that it covers."""

import pytest

from xrt.data import TASKS, Task
from xrt.spec.metric import MEANS, Metric, default_metric, means_of, metrics_of, primary, zero_shot

PAIRS = (("en", "en"), ("en", "de"), ("de", "en"), ("de", "de"))
ALONE = Task("alone", ("en",), ("a", "b"))


@pytest.mark.parametrize("text", ["dev/mean/mixed", "test/acc/de", "dev/pair/de-zh-Hant", "dev/proxy/noise"])
def test_what_is_written_reads_back(text: str) -> None:
    assert str(Metric.parse(text)) == text
    assert str(Metric.parse(text).on("test")) == f"test/{Metric.parse(text).short}"


@pytest.mark.parametrize("text", ["dev/mean", "mixed", "dev/mean/mixed/low"])
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unpack"):
        Metric.parse(text)


@pytest.mark.parametrize(
    ("text", "cells", "words"),
    [
        ("dev/mean/languages", [0, 3], "all languages"),
        ("dev/mean/targets", [3], "target languages"),
        ("dev/mean/mixed", [1, 2], "mixed pairs"),
        ("dev/mean/all", [0, 1, 2, 3], "all pairs"),
        ("dev/mean/unknown", [], "unknown"),
        ("dev/acc/de", [3], "de"),
        ("dev/pair/de-en", [2], "de-en"),
        ("dev/acc/fr", [], "fr"),
        ("dev/proxy/noise", [0], "source language with noise"),
    ],
)
def test_a_metric_is_the_mean_of_its_cells_and_has_a_name_in_words(
    text: str, cells: list[int], words: str
) -> None:
    metric = Metric.parse(text)
    assert (metric.cells(PAIRS, ("en",)), metric.words) == (cells, words)


def test_the_cell_of_a_pair_is_a_languages_own_accuracy_on_the_diagonal() -> None:
    assert [str(Metric.of(pair)) for pair in PAIRS[:2]] == ["dev/acc/en", "dev/pair/en-de"]
    assert str(Metric.of(("de", "de"), "test")) == "test/acc/de"


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_has_its_means_all_cells_and_its_proxies(task: Task) -> None:
    names = [str(metric) for metric in metrics_of(task)]
    cells = len(task.pairs())
    empty = {name for name in MEANS if not Metric("mean", name).cells(task.pairs(), task.sources)}
    # One source is its own mean, and single sentences are their own pairs.
    left_out = empty | ({"sources"} if task.sentences == 2 else {"sources", "all"})
    means = [str(mean) for mean in means_of(task)]
    assert means == [f"dev/mean/{name}" for name in MEANS if name not in left_out]
    assert len(names) == len(set(names)) == len(means) + cells + (2 if task.embedded else 1)
    assert names[: len(means)] == means


def test_a_mean_without_cells_is_no_metric_of_a_task() -> None:
    assert [metric.name for metric in means_of(ALONE)] == ["languages", "all"]


@pytest.mark.parametrize(
    ("selected", "about"),
    [
        ("dev/mean/mixed", ["dev/mean/mixed", "dev/mean/targets"]),
        ("dev/acc/en", ["dev/mean/mixed", "dev/mean/targets"]),
        ("dev/proxy/noise", ["dev/mean/mixed", "dev/mean/targets"]),
        ("dev/acc/de", ["dev/mean/mixed", "dev/mean/targets", "dev/acc/de"]),
    ],
)
def test_a_study_is_about_transfer_whatever_it_selects_by(selected: str, about: list[str]) -> None:
    assert [str(m) for m in primary(TASKS["pawsx"], Metric.parse(selected))] == about
    assert primary(ALONE, Metric.parse("dev/acc/en")) == [Metric("acc", "en")]


def test_the_zero_shot_rules_need_no_labelled_target_sentence() -> None:
    assert [str(m) for m in zero_shot(("en",))] == ["dev/acc/en", "dev/proxy/noise", "dev/proxy/synonyms"]
    assert not any(metric.needs_targets(("en",)) for metric in zero_shot(("en",)))
    assert [name for name in MEANS if not Metric("mean", name).needs_targets(("en",))] == ["sources"]


def test_of_several_sources_targets_are_the_others_and_zero_shot_selection_is_by_the_sources_dev() -> None:
    two = Task("two", ("en", "de", "fr"), ("a", "b"), ("en", "de"))
    assert two.targets == ("fr",)
    pairs = two.pairs()
    covered = {m.name: [pairs[i] for i in m.cells(pairs, two.sources)] for m in means_of(two)}
    assert covered["sources"] == [("en", "en"), ("de", "de")] and covered["targets"] == [("fr", "fr")]
    assert len(covered["mixed"]) == 6 and len(covered["all"]) == 9
    assert [str(m) for m in zero_shot(two.sources)] == [
        "dev/mean/sources",
        "dev/proxy/noise",
        "dev/proxy/synonyms",
    ]
    assert not any(Metric.parse(f"dev/{m}").needs_targets(two.sources) for m in ("acc/de", "pair/en-de"))
    assert all(
        Metric.parse(f"dev/{m}").needs_targets(two.sources) for m in ("acc/fr", "pair/en-fr", "mean/all")
    )
    assert Metric("proxy", "noise").cells(pairs, two.sources) == [0, 4]


def test_single_sentences_have_the_diagonal_alone_and_no_mean_that_needs_more() -> None:
    single = Task("topics", ("en", "de", "fr"), ("a", "b"), sentences=1)
    assert single.pairs() == (("en", "en"), ("de", "de"), ("fr", "fr"))
    names = [str(m) for m in metrics_of(single)]
    assert names == [
        "dev/mean/languages",
        "dev/mean/targets",
        "dev/acc/en",
        "dev/acc/de",
        "dev/acc/fr",
        "dev/proxy/noise",
    ]
    assert primary(single, Metric.parse("dev/acc/en")) == [Metric("mean", "targets")]


@pytest.mark.parametrize(
    ("task", "default"),
    [
        (TASKS["pawsx"], "dev/mean/mixed"),
        (Task("topics", ("en", "de"), ("a", "b"), sentences=1), "dev/mean/targets"),
        (Task("both", ("en", "de"), ("a", "b"), ("en", "de"), sentences=1), "dev/mean/languages"),
        (ALONE, "dev/mean/languages"),
    ],
)
def test_a_study_selects_by_default_by_what_its_task_has(task: Task, default: str) -> None:
    assert str(default_metric(task)) == default
