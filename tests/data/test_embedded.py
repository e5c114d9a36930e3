import pytest

from xrt.data import TASKS, Source, check, load, read
from xrt.errors import DataError

MINI, HERE = TASKS["mini"], Source("embedded")


@pytest.mark.parametrize("split", ["dev", "test"])
def test_the_embedded_task_aligns_in_every_language_without_a_drop(split: str) -> None:
    check(MINI, HERE)
    aligned = load(MINI, HERE, split)  # type: ignore[arg-type]
    assert aligned.languages == MINI.languages
    assert {(drop.missing, drop.conflict) for drop in aligned.drops.values()} == {(0, 0)}
    assert set(aligned.labels.ravel().tolist()) == {0, 1}


def test_the_embedded_training_data_are_english_only() -> None:
    assert load(MINI, HERE, "train").languages == ("en",)
    with pytest.raises(DataError, match='train has no "de"'):
        read(MINI, HERE, "train", "de")


def test_the_embedded_task_is_not_on_the_hub() -> None:
    with pytest.raises(DataError, match='"hub" is not allowed for task "mini"; "folder", "embedded"'):
        check(MINI, Source("hub"))
