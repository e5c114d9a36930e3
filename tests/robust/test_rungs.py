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
    assert {a == b for a, b in list(counts)[:6]} == {False} and len(counts) == 9
    assert {pair: count for pair, count in counts.items() if count != 10} == {("en", "en"): 30}


def test_pairs_are_served_in_a_fixed_order_that_is_not_that_of_the_languages():
    languages = [f"l{i}" for i in range(7)]
    first, again = (list(rung_counts(languages, "l0", 10)) for _ in range(2))
    assert first == again != [(a, b) for a in languages for b in languages if a != b] + first[42:]
    seconds = [b for _, b in first[:42]]
    assert max(seconds[i::6].count(b) for i in range(6) for b in languages) < 6  # not one column a window
