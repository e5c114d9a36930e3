import pytest

from xrt import mini
from xrt.data.tasks import TASKS, Task, task_named
from xrt.errors import SpecError


@pytest.mark.parametrize(("name", "languages", "labels"), [("pawsx", 7, 2), ("xnli", 15, 3), ("mini", 7, 2)])
def test_every_ordered_pair_of_languages_is_a_pair(name: str, languages: int, labels: int) -> None:
    task = TASKS[name]
    assert (len(task.languages), len(task.labels)) == (languages, labels)
    assert len(set(task.pairs())) == len(task.pairs()) == languages**2
    assert task.targets == tuple(a for a in task.languages if a != "en")


def test_the_embedded_task_has_the_generators_languages() -> None:
    assert TASKS["mini"].languages == mini.LANGUAGES


def test_an_unknown_task_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SpecError, match=r'"pawxs" is not known.*Did you mean "pawsx"\?'):
        task_named("pawxs")


@pytest.mark.parametrize(
    ("languages", "labels", "source", "problem"),
    [
        ((), ("a", "b"), "en", "task.languages: 0 given"),
        (("en", "en"), ("a", "b"), "en", 'task.languages: "en" given more than once'),
        (("en", "../de"), ("a", "b"), "en", 'task.languages: "../de" is not allowed'),
        (("en",), ("a",), "en", "task.labels: 1 given; at least 2"),
        (("en",), ("a", "a"), "en", 'task.labels: "a" given more than once'),
        (("en",), ("a", " b"), "en", "task.labels: ' b' is not allowed"),
        (("en", "de"), ("a", "b"), "ed", 'task.source: "ed" is not allowed; one of "en", "de".'),
    ],
)
def test_a_task_that_cannot_be_is_refused(
    languages: tuple[str, ...], labels: tuple[str, ...], source: str, problem: str
) -> None:
    with pytest.raises(SpecError) as refused:
        Task("own", languages, labels, source)
    assert any(line.startswith(problem) for line in refused.value.problems), refused.value.problems


def test_all_problems_of_a_task_are_told_at_once() -> None:
    with pytest.raises(SpecError) as refused:
        Task("my task", ("e/n",), ("a",), source="en")
    assert len(refused.value.problems) == 4
