import pytest

from xrt.search.rungs import Sampling
from xrt.spec.metric import Metric

MIXED, SOURCE, PROXY, TARGET = "dev/mean/mixed", "dev/acc/l0", "dev/proxy/noise", "dev/acc/l2"


def pairs(count: int) -> list[tuple[str, str]]:
    return [(f"l{i}", f"l{j}") for i in range(count) for j in range(count)]


def sampling(count: int, metric: str) -> Sampling:
    return Sampling(pairs(count), ("l0",), Metric.parse(metric))


@pytest.mark.parametrize(
    ("count", "metric", "rungs", "epochs", "training", "available", "rows"),
    [
        (7, MIXED, 3, 3, 49_401, 2000, 453),
        (7, SOURCE, 3, 3, 49_401, 2000, 404),
        (7, TARGET, 3, 3, 49_401, 2000, 404),
        (7, PROXY, 3, 3, 49_401, 2000, 322),
        (15, MIXED, 3, 2, 392_702, 2490, 523),
        (7, MIXED, 3, 4, 2000, 350, 24),
        (3, MIXED, 3, 2, 96, 30, 8),
        (3, MIXED, 1, 3, 96, 5, 5),
    ],
)
def test_rungs_before_the_last_cost_a_tenth_of_plain_training(
    count, metric, rungs, epochs, training, available, rows
):
    sampled = sampling(count, metric)
    sizes = {"rungs": rungs, "epochs": epochs, "training_rows": training, "available": available}
    assert sampled.rows(**sizes) == rows
    if rows not in (8, 5):  # else a floor or a ceiling decides
        counts = sampled.counts(rows)
        proxies = 2 * counts["l0", "l0"] if metric == PROXY else 0
        inputs = (rungs - 1) * (sum(counts.values()) + proxies)
        assert 0.09 < inputs / (3 * epochs * training) <= 0.1


@pytest.mark.parametrize(
    ("metric", "deciding", "times"),
    [
        (MIXED, {}, 1),
        ("dev/mean/all", {}, 1),
        (SOURCE, {("l0", "l0")}, 3),
        (PROXY, {("l0", "l0")}, 3),
        (TARGET, {("l2", "l2")}, 3),
        ("dev/pair/l2-l1", {("l2", "l1")}, 3),
        ("dev/mean/targets", {("l1", "l1"), ("l2", "l2")}, 3),
        ("dev/mean/languages", {("l0", "l0"), ("l1", "l1"), ("l2", "l2")}, 2),
    ],
)
def test_mixed_pairs_come_first_and_the_few_that_decide_get_more_examples(metric, deciding, times):
    counts = sampling(3, metric).counts(10)
    assert {a == b for a, b in list(counts)[:6]} == {False} and len(counts) == 9
    assert all(counts[pair] == 10 * (times if pair in deciding else 1) for pair in counts)


def test_single_sentences_are_evaluated_in_their_own_language_the_targets_most():
    single = Sampling([(a, b) for a, b in pairs(3) if a == b], ("l0",), Metric.parse("dev/mean/targets"))
    assert single.counts(10) == {("l0", "l0"): 10, ("l1", "l1"): 30, ("l2", "l2"): 30}


def test_of_several_sources_each_is_evaluated_under_the_proxies():
    two = Sampling(pairs(3), ("l0", "l1"), Metric.parse(PROXY))
    assert [pair for pair, n in two.counts(10).items() if n == 30] == [("l0", "l0"), ("l1", "l1")]
    rows = two.rows(rungs=2, epochs=1, training_rows=100_000, available=10**6)
    inputs = sum(two.counts(rows).values()) + 2 * 2 * 3 * rows  # two proxies of two sources
    assert 0.0999 < inputs / 300_000 <= 0.1


def test_one_language_is_evaluated_once():
    assert sampling(1, SOURCE).counts(10) == {("l0", "l0"): 10}
