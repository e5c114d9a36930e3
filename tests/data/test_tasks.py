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
        (("de",), ("a", "b"), "e n", 'task.source: "e n" is not allowed'),
        (("zh-CN", "zh_cn"), ("a", "b"), "zh-CN", 'task.languages: "zh-CN", "zh_cn" are too alike'),
        (("EN", "de"), ("a", "b"), "en", 'task.languages: "EN", "en" are too alike'),
        (
            ("a", "b-a", "a-b"),
            ("a", "b"),
            "a",
            "task.languages: the pairs (a, b-a) and (a-b, a) would both be",
        ),
        (("en",), tuple(map(str, range(1001))), "en", "task.labels: 1001 given; at most 1000."),
        (tuple(f"l{i}" for i in range(101)), ("a", "b"), "l0", "task.languages: 101 given; at most 100."),
    ],
)
def test_a_task_that_cannot_be_is_refused(
    languages: tuple[str, ...], labels: tuple[str, ...], source: str, problem: str
) -> None:
    with pytest.raises(SpecError) as refused:
        Task("own", languages, labels, (source,))
    assert any(line.startswith(problem) for line in refused.value.problems), refused.value.problems


def test_all_problems_of_a_task_are_told_at_once() -> None:
    with pytest.raises(SpecError) as refused:
        Task("my task", ("e/n",), ("a",), sources=("e n",))
    assert len(refused.value.problems) == 4


def test_a_source_that_is_not_evaluated_is_trained_on_only() -> None:
    task = Task("own", ("aym", "quy"), ("a", "b"), sources=("en",))
    assert task.targets == task.languages
    assert len(task.pairs()) == 4


@pytest.mark.parametrize("codes", [("zh-CN", "pt_BR", "zh_Hans", "no"), tuple(f"l{i}" for i in range(40))])
def test_codes_with_regions_and_forty_languages_are_possible(codes: tuple[str, ...]) -> None:
    assert len(Task("own", codes, ("a", "b"), sources=(codes[0],)).pairs()) == len(codes) ** 2
