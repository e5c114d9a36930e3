import pytest

from xrt.robust.rungs import rung_counts, rung_rows

MIXED, SOURCE, PROXY = "dev/mean/mixed", "dev/acc/l0", "dev/l0_noise"


@pytest.mark.parametrize(
    ("count", "metric", "rungs", "epochs", "training", "available", "rows"),
    [
        (7, MIXED, 3, 3, 49_401, 2000, 453),
        (7, SOURCE, 3, 3, 49_401, 2000, 404),
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
    languages = [f"l{i}" for i in range(count)]
    sizes = {"rungs": rungs, "epochs": epochs, "training_rows": training, "available": available}
    assert rung_rows(languages, "l0", metric, **sizes) == rows
    if rows not in (8, 5):  # else a floor or a ceiling decides
        counts = rung_counts(languages, "l0", metric, rows)
        proxies = 2 * counts["l0", "l0"] if metric == PROXY else 0
        questions = (rungs - 1) * (sum(counts.values()) + proxies)
        assert 0.09 < questions / (3 * epochs * training) <= 0.1


@pytest.mark.parametrize(("metric", "own"), [(MIXED, 10), (SOURCE, 30), (PROXY, 30)])
def test_mixed_pairs_come_first_and_the_source_language_is_asked_more_where_it_decides(metric, own):
    counts = rung_counts(("l0", "l1", "l2"), "l0", metric, 10)
    assert {a == b for a, b in list(counts)[:6]} == {False} and len(counts) == 9
    assert counts.pop(("l0", "l0")) == own and set(counts.values()) == {10}
