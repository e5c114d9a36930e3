"""The lexicon: complete in every language, and its neighbours in the format of the counter-fitted file."""

import pytest

from xrt.mini import LANGUAGES, neighbours
from xrt.mini.lexicon import category, concepts


def test_there_are_about_a_hundred_concepts_each_in_every_language() -> None:
    assert len(concepts()) >= 100
    for concept in concepts().values():
        assert set(concept.words) == set(LANGUAGES)
        assert all(form for words in concept.words.values() for word in words for form in word.forms)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_concepts_of_a_category_share_their_usual_word(language: str) -> None:
    for name in {concept.category for concept in concepts().values()}:
        usual = [concept.word(language, 0).forms for concept in category(name)]
        assert len(set(usual)) == len(usual), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_one_category_have_equally_many_forms(language: str) -> None:
    for name in {concept.category for concept in concepts().values()} - {"quality", "travel"}:
        counts = {len(word.forms) for concept in category(name) for word in concept.words[language]}
        assert len(counts) == 1, name


def test_any_pick_is_a_synonym() -> None:
    doctor = concepts()["role", "doctor"]
    assert [doctor.word("en", pick).base for pick in range(4)] == [
        "doctor",
        "physician",
        "doctor",
        "physician",
    ]


def test_neighbours_are_symmetric_synonyms_in_the_same_form() -> None:
    table = neighbours()
    assert table["doctor"] == ["physician"]
    assert table["bought"] == ["purchased"] and table["cups"] == ["mugs"]
    assert all(word in table[other] and word != other for word, others in table.items() for other in others)
    assert all(" " not in word for word in table)
