import pytest

from xrt.robust.rungs import rung_counts, rung_rows


@pytest.mark.parametrize(
    ("languages", "rungs", "epochs", "training", "available", "rows"),
    [
        (7, 3, 3, 49_401, 2000, 322),
        (15, 3, 2, 392_702, 2490, 437),
        (7, 3, 4, 2000, 350, 17),
        (3, 3, 2, 96, 30, 8),
        (3, 1, 3, 96, 5, 5),
    ],
)
def test_rungs_before_the_last_cost_a_tenth_of_plain_training(
    languages, rungs, epochs, training, available, rows
):
    assert rung_rows(languages, rungs, epochs, training, available) == rows
    if rows not in (8, 5):  # else a floor or a ceiling decides
        questions = (rungs - 1) * ((languages**2 - 1) * rows + 3 * languages * rows)
        assert 0.09 < questions / (3 * epochs * training) <= 0.1


def test_mixed_pairs_come_first_and_the_source_language_is_asked_for_all_its_scores():
    counts = rung_counts(("en", "de", "fr"), "en", 10)
    assert list(counts)[:6] == [(a, b) for a in ("en", "de", "fr") for b in ("en", "de", "fr") if a != b]
    assert {pair: count for pair, count in counts.items() if count != 10} == {("en", "en"): 30}
