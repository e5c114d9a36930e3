"""Every problem of a study file: found, reported with all others, and worded for the user."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.spec.conftest import MINIMAL, Problems
from xrt.data import Task
from xrt.errors import SpecError
from xrt.spec import StudySpec, build, load_study
from xrt.spec.metric import MEANS

MEANS_OF_MINI = ", ".join(f"dev/mean/{name}" for name in MEANS if name != "sources")
PLAIN_SPACE = {"encoder": "x", "learning_rate": 1e-3, "method": "plain"}


RANGE = "a list of such, {log: [low, high]} or {uniform: [low, high]}"
KEEP = "last, {best: METRIC, every: STEPS} or {average: COUNT, every: STEPS} or a list of such"


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("trials: 3", "trials: unknown field; allowed are study, task, data, compare, space, training, search, "
         'pruning, confirm, evaluation, resources, checkpoints. Did you mean "search.trials"?'),
        ("serach: {trials: 3}", "serach: unknown field; allowed are study, task, data, compare, space, training, "
         'search, pruning, confirm, evaluation, resources, checkpoints. Did you mean "search"?'),
        ("search: {trails: 3}", "search.trails: unknown field; allowed are trials, metric, seed, concurrent, after. "
         'Did you mean "trials"?'),
        ("search: {trials: 0}", "search.trials: 0 is not allowed; a whole number of at least 1."),
        ("search: {trials: 3.0}", "search.trials: 3.0 is not allowed; a whole number of at least 1."),
        ("search: {trials: true}", "search.trials: true is not allowed; a whole number of at least 1."),
        ('search: {trials: "3"}', 'search.trials: "3" is not allowed; a whole number of at least 1. '
         "Remove the quotes."),
        ("search: {trials: null}", "search.trials: null is not allowed; a whole number of at least 1. "
         "Leave it out for the default."),
        ("search: {trials: 9999999999}", "search.trials: 9999999999 is not allowed; a whole number of at least 1, "
         "at most 1000000000."),
        ("search: {seed: -1}", "search.seed: -1 is not allowed; a whole number from 0 to 4294967295."),
        ("search:", "search: null is not allowed; a mapping of trials, metric, seed, concurrent, after. "
         "Leave it out for the default."),
        ("training: 3", "training: 3 is not allowed; a mapping of epochs, batch_size, max_tokens, warmup, "
         "weight_decay, clip, freeze_word_embeddings, dropout, micro_batch, gradient_checkpointing, "
         "compile, deterministic, precision, keep."),
        ("training: {epochs: 0}", f"training.epochs: 0 is not allowed; a number above 0, {RANGE}."),
        ("training: {epochs: .nan}", f"training.epochs: NaN is not allowed; a number above 0, {RANGE}."),
        ("training: {epochs: {log: [3, 1]}}", "training.epochs.log: the range [3, 1] is inverted; low comes first. "
         "Did you mean [1, 3]?"),
        ("training: {batch_size: {uniform: [8, 32]}}", 'training.batch_size: {"uniform": [8, 32]} is not allowed; a '
         "whole number of at least 1, a list of such or {int: [low, high]}."),
        ("training: {warmup: 1}", "training.warmup: 1 is not allowed; a number of at least 0 and below 1, "
         f"{RANGE}."),
        ("training: {warmup: {uniform: [0, 1]}}", "training.warmup.uniform[1]: 1 is not allowed; a number of at "
         "least 0 and below 1."),
        ("training: {dropout: 1.5}", "training.dropout: 1.5 is not allowed; a number of at least 0 and below 1, "
         f"null, {RANGE}."),
        ("training: {dropout: [null, 0.1, null]}", "training.dropout[2]: null is in the list twice; keep one."),
        ("training: {freeze_word_embeddings: yes}", 'training.freeze_word_embeddings: "yes" is not allowed; '
         "true or false or a list of such."),
        ("training: {keep: bets}", f'training.keep: "bets" is not allowed; {KEEP}.'),
        ("training: {keep: {best: dev/acc/en}}", f'training.keep: {{"best": "dev/acc/en"}} is not allowed; {KEEP}.'),
        ("training: {keep: {average: 1, every: 9}}", 'training.keep: {"average": 1, "every": 9} is not allowed; '
         f"{KEEP}."),
        ("training: {keep: {best: dev/acc/no, every: 9}}", 'training.keep: "dev/acc/no" is not measured; '
         f"{MEANS_OF_MINI}, dev/acc/LANGUAGE, dev/pair/A-B with the "
         'languages en, de, es, fr, ja, ko, zh. Did you mean "dev/acc/ko"?'),
        ("training: {batch_size: [16, 32], micro_batch: 20}", "training.micro_batch: 20 is not allowed; at most "
         "training.batch_size, 16."),
        ("training: {micro_batch: 64}", "training.micro_batch: 64 is not allowed; at most training.batch_size, 32."),
        ("pruning: {reduction: 1}", "pruning.reduction: 1 is not allowed; a whole number from 2 to 100."),
        ("pruning: {reduction: 10, rungs: 5}", "pruning.rungs: with pruning.reduction 10, 5 rungs put the first "
         "after 1/10000 of the training; at least 1/1000: fewer rungs or a smaller pruning.reduction."),
        ("data: {train_rows: 50}", "pruning.rungs: 3 rungs put the first before the first of 4.69 steps of "
         "training; fewer rungs or a smaller pruning.reduction."),
        ("confirm: 3", "confirm: 3 is not allowed; a mapping of seeds, or null."),
        ("confirm: {top: 3}", "confirm.top: unknown field; allowed are seeds."),
        ("confirm: {seeds: 1}", "confirm.seeds: 1 is not allowed; a whole number from 2 to 100, or [fewest, most] of "
         "such."),
        ("confirm: {seeds: [5, 3]}", "confirm.seeds: [5, 3] is not allowed; a whole number from 2 to 100, or "
         "[fewest, most] of such."),
        ("compare: [encoder]", 'compare: ["encoder"] is not allowed; [method] or [encoder, method].'),
        ("compare: method", 'compare: "method" is not allowed; [method] or [encoder, method].'),
        ("resources: {gpu: atuo}", 'resources.gpu: "atuo" is not allowed; auto, or a number of at least 0. '
         'Did you mean "auto"?'),
        ("resources: {gpu: 1.5}", "resources.gpu: 1.5 is not allowed; a trial uses one GPU; auto, or 0 to 1."),
        ("resources: {gpu: 2}", "resources.gpu: 2.0 is not allowed; a trial uses one GPU; auto, or 0 to 1."),
        ("data: {source: hubb}", 'data.source: "hubb" is not allowed; hub, folder or embedded. Did you mean "hub"?'),
        ("data: {source: folder}", "data.path: missing; source: folder needs the path of the folder with the "
         "files."),
        ("data: {path: x}", 'data.path: "x" is not allowed with source: hub; only source: folder has a path. '
         "Set data.source=folder, or leave the path out."),
        ("data: {source: folder, path: 2024}", "data.path: 2024 is not allowed; text, or a mapping of "
         "train, dev, test, or null. "
         'Put it in quotes: "2024".'),
        ("data: {source: embedded}", "data.source: the task pawsx does not come with the package; hub or folder."),
        ("study: ../evil", 'study: "../evil" is not allowed; a name of at most 64 letters, digits, ".", "_" and '
         '"-", beginning with a letter or digit.'),
        ('"a\\nb": 1', '"a\\nb": unknown field; allowed are study, task, data, compare, space, training, search, '
         "pruning, confirm, evaluation, resources, checkpoints."),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line_that_says_how_to_mend_it(
    problems: Problems, section: str, problem: str
) -> None:
    assert problems(f"{MINIMAL}{section}\n") == [f"s.yaml: {problem}"]


@pytest.mark.parametrize(
    ("metric", "hint"),
    [
        ("dev/mean/mixd", ' Did you mean "dev/mean/mixed"?'),
        ("mean/mixed", ' Did you mean "dev/mean/mixed"?'),
        ("test/mean/mixed", ' Did you mean "dev/mean/mixed"?'),
        ("dev/acc/it", ' Did you mean "dev/acc/'),
        ("dev/pair/en-en", ' Did you mean "dev/acc/en"?'),
        ("accuracy", "zh."),
    ],
)
def test_a_metric_that_is_never_reported_is_refused(problems: Problems, metric: str, hint: str) -> None:
    (problem,) = problems(f"{MINIMAL}search: {{metric: {metric}}}")
    assert problem.startswith(f's.yaml: search.metric: "{metric}" is never reported; dev/mean/languages, ')
    assert "languages en, de, es, fr, ja, ko, zh." in problem
    assert hint in problem


def test_synonyms_select_where_there_is_a_table(problems: Problems) -> None:
    select = f"{MINIMAL}search: {{metric: dev/proxy/synonyms}}"
    (problem,) = problems(select)
    assert problem.startswith('s.yaml: search.metric: "dev/proxy/synonyms" is never reported; ')
    assert not problems(f"{select}\ndata: {{neighbours: table.json}}")
    assert not problems(f"{MINIMAL}search: {{metric: dev/proxy/noise}}")


@pytest.mark.parametrize(
    ("compared", "arms"),
    [("[method]", "plain; noise"), ("[method, encoder]", "plain, a; plain, b; noise, a; noise, b")],
)
def test_every_arm_needs_a_trial(problems: Problems, compared: str, arms: str) -> None:
    text = MINIMAL.replace("xlm-roberta-base", "[a, b]").replace("plain", "{noise: {scale: 1.0}, plain: {}}")
    text += f"compare: {compared}\n"
    count = len(arms.split("; "))
    assert problems(f"{text}search: {{trials: {count}}}") == []
    assert problems(f"{text}search: {{trials: {count - 1}}}") == [
        f"s.yaml: search.trials: {count - 1} is not allowed; at least {count}, one for each arm ({arms})."
    ]


def test_a_number_of_seeds_is_both_bounds(problems: Problems) -> None:
    assert problems(f"{MINIMAL}confirm: {{seeds: 5}}") == []
    spec = load_study("s.yaml")
    assert spec.confirm and spec.confirm.seeds == (5, 5) and "seeds: [5, 5]" in spec.to_yaml()


def test_all_problems_of_a_file_and_its_overrides_come_together(problems: Problems) -> None:
    text = """\
task: pawx
data: {source: folder}
space:
  encoder: []
  method: {plane: {}, adversarial: {radius: -1, stps: 2}}
training: {epochs: 0, batch_size: 8, micro_batch: 16}
pruning: {reduction: 2, rungs: 10, more: 1}
confirm: {seeds: 1.5}
"""
    found = problems(text, "resources.gpu=1.5", "serach.trials=3", "search.seed=x")
    assert [": ".join(line.split(": ")[:2]) for line in found] == [
        "--set: serach.trials",
        "s.yaml: task",
        "s.yaml: data.path",
        "s.yaml: space.encoder",
        "s.yaml: space.learning_rate",
        "s.yaml: space.method.plane",
        "s.yaml: space.method.adversarial.stps",
        "s.yaml: space.method.adversarial.radius",
        "s.yaml: training.epochs",
        "s.yaml: training.micro_batch",
        "--set: search.seed",
        "s.yaml: pruning.more",
        "s.yaml: confirm.seeds",
        "--set: resources.gpu",
    ]


def test_thousands_of_mistakes_are_not_thousands_of_lines(problems: Problems) -> None:
    found = problems(MINIMAL + "".join(f"x{i}: 1\n" for i in range(1000)))
    assert len(found) == 51
    assert found[-1] == "s.yaml: and 950 more problems."


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ("pawx", 'task: "pawx" is not allowed; pawsx, xnli, mini, mini-topics, or your own, {name: ..., '
         'languages: ..., labels: ..., source: ..., sentences: ..., hub: ...}. Did you mean "pawsx"?'),
        ("3", "task: 3 is not allowed; pawsx, xnli, mini, mini-topics, or your own, {name: ..., languages: ..., "
         "labels: ..., source: ..., sentences: ..., hub: ...}."),
        ("{name: n, languages: [en, de], labels: [a, b], sentences: 3}", "task.sentences: 3 is not allowed; 1 or 2."),
        ("{name: n, languages: [en, de], labels: [a, b], source: [en, en]}", 'task.source: "en" given more than once; '
         "name each once."),
        ("{name: n, languages: [en, de], labels: [a, b], source: []}", "task.source: 0 given; at least 1."),
        ("{name: n, languages: [en, de], labels: [0.5, a]}", "task.labels[0]: 0.5 is not allowed; text. "
         'Put it in quotes: "0.5".'),
        ("{name: n, languages: [en, de], labels: [a]}", "task.labels: 1 given; at least 2."),
        ("{name: n, languages: [zh-CN, zh_cn], labels: [a, b]}", 'task.languages: "zh-CN", "zh_cn" are too alike; '
         "name them further apart."),
        ("{name: pawsx, languages: [en, de], labels: [a, b]}", 'task.name: "pawsx" comes with xrt; take another '
         "name, or write task: pawsx."),
        ("{name: n, languages: [en, de], labels: [a, b], sorce: de}", "task.sorce: unknown field; allowed are "
         'name, languages, labels, source, sentences, hub. Did you mean "source"?'),
        ("{languages: [en, de], labels: [a, b]}", "task.name: missing; text."),
    ],
)  # fmt: skip
def test_a_task_that_is_none_is_refused(problems: Problems, task: str, problem: str) -> None:
    text = MINIMAL.replace("task: pawsx", f"task: {task}") + "data: {source: folder, path: x}\n"
    assert problems(text) == [f"s.yaml: {problem}"]


def test_a_users_own_task_is_a_task(problems: Problems) -> None:
    own = "task: {name: mine, languages: [no, de], labels: [same, other], source: no}"
    text = MINIMAL.replace("task: pawsx", own)
    (problem,) = problems(text)
    assert problem.endswith(
        "data.source: the hub does not have the task mine; data: {source: folder, path: FOLDER}. "
        "Or say where the hub has it, with task.hub: {repo: …}."
    )
    assert problems(text, "data={source: folder, path: x}", "search.metric=dev/pair/no-de") == []
    spec = load_study("s.yaml", ["data={source: folder, path: x}"])
    assert spec.task == Task("mine", ("no", "de"), ("same", "other"), ("no",))


def test_a_metric_without_cells_is_never_reported(problems: Problems) -> None:
    own = "task: {name: mine, languages: [en], labels: [a, b]}\ndata: {source: folder, path: x}"
    text = MINIMAL.replace("task: pawsx", own)
    (problem,) = problems(text, "search.metric=dev/mean/mixed")
    assert problem.startswith(
        '--set: search.metric: "dev/mean/mixed" is never reported; dev/mean/languages, '
    )
    assert problems(text) == []
    assert load_study("s.yaml").search.metric == "dev/mean/languages"


def test_single_sentences_have_no_mixed_pairs_to_select_by_and_no_second_column(problems: Problems) -> None:
    own = "task: {name: mine, languages: [en, de], labels: [a, b], sentences: 1}\ndata: {source: folder, path: x}"
    text = MINIMAL.replace("task: pawsx", own)
    told = problems(text, "search.metric=dev/mean/mixed", "data.columns={first: utt, second: other}")
    assert told == [
        "--set: data.columns.second: not allowed with task.sentences: 1; first is the sentence.",
        '--set: search.metric: "dev/mean/mixed" is never reported, for examples of a single sentence make no mixed '
        "pairs; dev/mean/languages, dev/mean/targets, dev/acc/LANGUAGE, dev/proxy/noise with the languages en, de. "
        'Did you mean "dev/mean/targets"?',
    ]
    assert problems(text) == []
    spec = load_study("s.yaml")
    assert spec.search.metric == "dev/mean/targets" and spec.task.sentences == 1
    assert StudySpec.model_validate(spec.to_plain()) == spec


def test_a_task_may_have_several_sources_and_comes_back_as_it_was(problems: Problems) -> None:
    own = "task: {name: mine, languages: [en, de, fr], labels: [a, b], source: [en, de]}"
    assert problems(MINIMAL.replace("task: pawsx", f"{own}\ndata: {{source: folder, path: x}}")) == []
    spec = load_study("s.yaml")
    assert (spec.task.sources, spec.task.targets) == (("en", "de"), ("fr",))
    assert spec.to_plain()["task"]["source"] == ["en", "de"]
    assert StudySpec.model_validate(spec.to_plain()) == spec


@pytest.mark.parametrize(
    ("pruning", "shares"),
    [
        ("{reduction: 3, rungs: 3}", (1 / 9, 1 / 3, 1.0)),
        ("{reduction: 4, rungs: 2}", (0.25, 1.0)),
        ("{rungs: 1}", (1.0,)),
        ("null", (1.0,)),
    ],
)
def test_rungs_are_exact_shares_and_the_last_is_all(pruning: str, shares: tuple[float, ...]) -> None:
    Path("s.yaml").write_text(f"{MINIMAL}pruning: {pruning}")
    assert load_study("s.yaml").rungs == shares


def test_a_spec_made_in_python_is_checked_like_a_file() -> None:
    with pytest.raises(ValidationError, match="never reported"):
        StudySpec.model_validate(
            {"study": "s", "task": "pawsx", "space": PLAIN_SPACE, "search": {"metric": "dev/acc/xx"}}
        )


def test_a_spec_cannot_be_changed() -> None:
    spec = StudySpec.model_validate({"study": "s", "task": "pawsx", "space": PLAIN_SPACE})
    with pytest.raises(ValidationError, match="frozen"):
        spec.study = "other"  # type: ignore[misc]


def test_votes_are_of_the_confirmation_alone_and_refused_without_one() -> None:
    spec = load_study("mini", ["evaluation={votes: 4, scale: 0.5}"])
    sample = {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain"}
    assert build(spec, sample, 1, confirm=True).votes == (4, 0.5)
    assert build(spec, sample, 1).votes is None
    with pytest.raises(
        SpecError, match="evaluation: votes are taken in the confirmation, and confirm is null"
    ):
        load_study("mini", ["evaluation={votes: 4}", "confirm=null"])
    with pytest.raises(SpecError, match=r'evaluation\.under: "gauss" is not allowed; noise\.$'):
        load_study("mini", ["evaluation.under=gauss"])
