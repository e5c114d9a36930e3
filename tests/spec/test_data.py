"""How a study says where its data are and how they are read."""

import json
from pathlib import Path

import pytest

from tests.spec.conftest import MINIMAL, Problems
from xrt.data import Hub, Source, Task
from xrt.spec import load_study
from xrt.spec.trial import TrialConfig, build

OWN = MINIMAL.replace(
    "task: pawsx",
    "task: {name: mine, languages: [no, zh-CN], labels: [entailment, 0, neutral], source: no, "
    'hub: {repo: "a/{language}", config: null, columns: {first: q, id: key}, splits: {dev: matched}}}',
)
READING = (
    "data: {source: folder, path: {train: a.tsv, dev: 'b/{split}.{language}.csv'}, columns: {first: s_a, second: 2}, "
    "labels: {ENTAILMENT: entailment, '1': 0, '-': null}, splits: {dev: trial}, align: own, conflicts: allow, "
    "test_rows: 9}"
)
SOURCE = Source(
    "folder",
    (("train", "a.tsv"), ("dev", "b/{split}.{language}.csv")),
    (("first", "s_a"), ("second", 2)),
    (("ENTAILMENT", "entailment"), ("1", "0"), ("-", None)),
    (("dev", "trial"),),
    "own",
    "allow",
)


def test_a_study_says_how_its_files_are_read_and_a_trial_holds_it(problems: Problems) -> None:
    assert problems(OWN + READING) == []
    spec = load_study("s.yaml")
    hub = Hub("a/{language}", None, (("first", "q"), ("id", "key")), (("dev", "matched"),))
    assert spec.task == Task("mine", ("no", "zh-CN"), ("entailment", "0", "neutral"), ("no",), hub)
    assert spec.data.origin == SOURCE
    trial = build(spec, {"encoder": "x", "learning_rate": 1e-5, "method": "plain"}, 1)
    assert (trial.source, trial.test_rows) == (SOURCE, 9)
    assert TrialConfig.from_dict(json.loads(json.dumps(trial.to_dict()))) == trial
    assert hash((trial.task, trial.source)) == hash((spec.task, SOURCE))
    Path("again.yaml").write_text(spec.to_yaml())
    again = load_study("again.yaml")
    assert (again.task, again.data) == (spec.task, spec.data)


@pytest.mark.parametrize("code", ["no", "yes", "on", "NO", "y"])
def test_a_language_that_yaml_1_1_takes_for_a_truth_is_its_code(problems: Problems, code: str) -> None:
    own = f"task: {{name: mine, languages: [{code}, de], labels: [a, b], source: {code}}}"
    assert problems(MINIMAL.replace("task: pawsx", own) + "data: {source: folder, path: x}") == []
    assert load_study("s.yaml").task.languages == (code, "de")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("{source: folder, path: {trian: a}}", 'data.path.trian: unknown field; allowed are train, '
         'dev, test. Did you mean "train"?'),
        ("{source: folder, path: x, columns: {frst: a}}", "data.columns.frst: unknown field; allowed are first, "
         'second, label, id, language, split. Did you mean "first"?'),
        ("{source: folder, path: x, columns: {first: 0}}", "data.columns.first: 0 is not allowed; text, or a whole "
         'number of at least 1, or null. Put it in quotes: "0".'),
        ("{source: folder, path: x, labels: {a: entailmnt}}", 'data.labels.a: "entailmnt" is not allowed; one of '
         '"entailment", "0", "neutral", or null. Did you mean "entailment"?'),
        ("{source: folder, path: x, labels: [a]}", 'data.labels: ["a"] is not allowed; a mapping of '
         'words to words, or null.'),
        ("{source: folder, path: x, align: on}", 'data.align: "on" is not allowed; all or own. Did you mean "own"?'),
        ("{source: hub, path: {train: x}}", "data.path: a path is not allowed with source: hub; only source: "
         "folder has a path. Set data.source=folder, or leave the path out."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_one_line(problems: Problems, data: str, problem: str) -> None:
    assert problems(f"{OWN}data: {data}") == [f"s.yaml: {problem}"]


def test_a_source_that_is_not_evaluated_has_no_metric_of_its_own(problems: Problems) -> None:
    own = "task: {name: mine, languages: [aym, quy], labels: [a, b], source: en}"
    text = MINIMAL.replace("task: pawsx", own) + "data: {source: folder, path: x}"
    assert problems(text) == []
    (problem,) = problems(text, "search.metric=dev/acc/en")
    assert "is never reported" in problem and "proxy" not in problem
