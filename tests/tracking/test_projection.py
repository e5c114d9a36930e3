"""What MLflow should show, as a function of the record alone."""

from dataclasses import replace

import pytest

from tests.tracking.conftest import METRIC, START, fill, reported, searched
from xrt.findings.findings import findings
from xrt.record import Run
from xrt.record.values import State
from xrt.spec.metric import Metric
from xrt.tracking import projection


@pytest.mark.parametrize(
    ("state", "status"),
    [
        *[("running", "RUNNING"), ("finished", "FINISHED"), ("pruned", "KILLED")],
        *[("stopped", "KILLED"), ("failed", "FAILED")],
    ],
)
def test_the_status_tells_the_fate_and_the_tag_tells_it_exactly(run: Run, state: State, status: str) -> None:
    child = projection.child(run.meta, replace(searched(1), state=state), "p")
    assert (child.status, child.tags["xrt.outcome"]) == (status, state)


def test_parameters_are_what_was_sampled_and_how_it_was_trained(run: Run) -> None:
    child = projection.child(run.meta, searched(1, "adversarial", **{"adversarial.radius": 0.1}), "p")
    assert child.params == {
        **{"encoder": "mini-a", "learning_rate": "0.001", "method": "adversarial", "seed": "7"},
        **{"epochs": "4", "adversarial.radius": "0.1"},
    }


def test_a_training_setting_that_was_searched_is_a_parameter_even_where_it_is_null(run: Run) -> None:
    trial = searched(1, "plain", dropout=None, weight_decay=0.01)
    trial = replace(trial, config={**trial.config, "dropout": None, "weight_decay": 0.01, "keep": "last"})
    params = projection.child(run.meta, trial, "p").params
    assert (params["dropout"], params["weight_decay"], params["keep"]) == ("null", "0.01", "last")
    fixed = replace(searched(1, "plain"), config={"dropout": None})
    assert "dropout" not in projection.child(run.meta, fixed, "p").params


def test_points_have_the_steps_and_times_of_the_record(run: Run) -> None:
    child = projection.child(run.meta, reported(searched(1), 0.5, 0.6), "p")
    scores = [(p.value, p.step, p.time) for p in child.points if p.key == METRIC]
    begin = round((START + 60) * 1000)
    assert scores == [(0.5, 10, begin + round(60123 / 9)), (0.6, 30, begin + round(60123 / 3))]
    assert (child.name, child.started, child.ended) == ("0001 noise", begin, None)


def test_a_trials_page_says_in_a_sentence_what_it_reached(run: Run) -> None:
    trial = reported(searched(1), 0.5, 0.6)
    assert projection.NOTE not in projection.child(run.meta, trial, "p").tags, "it still runs"
    ended = projection.child(run.meta, trial.closed("pruned", START + 90), "p")
    words = Metric.parse(METRIC).words
    assert ended.tags[projection.NOTE] == f"Noise, seed {trial.seed}: 60.0 % on {words} of dev; pruned."
    stopped = projection.child(run.meta, replace(trial, state="stopped", ended=START + 90), "p")
    assert projection.NOTE not in stopped.tags, "it may go on"
    failed = projection.child(run.meta, searched(1).closed("failed", START, "![](http://x)."), "p")
    assert failed.tags[projection.NOTE].endswith(r": failed: !\[\](http://x)."), "no picture"


def test_a_trial_of_the_search_does_not_name_the_test_split(run: Run) -> None:
    search = projection.child(run.meta, searched(1), "p")
    confirm = projection.child(run.meta, replace(searched(2), phase="confirm"), "p")
    assert [d.split for d in search.data] == ["train", "dev"]
    assert [d.split for d in confirm.data] == ["train", "dev", "test"]


def test_the_parent_shows_the_best_so_far_and_the_fates(run: Run) -> None:
    fill(run)
    parent = projection.parent(findings(run), {"0003": "abc"}, "#/experiments/1")
    course = {key: [p.value for p in parent.points if p.key == key] for key in {p.key for p in parent.points}}
    # in the order in which they ended: 0001, 0002, 0003, 0004, 0007 (which confirms and cannot be best)
    assert course == {
        f"best/{METRIC}": [0.7, 0.7, 0.8, 0.8, 0.8],
        "trials/finished": [1, 1, 2, 2, 3],
        "trials/pruned": [0, 1, 1, 1, 1],
        "trials/failed": [0, 0, 0, 1, 1],
    }
    assert parent.tags["xrt.best_trial"] == "abc"


def test_the_description_answers_with_a_table(run: Run) -> None:
    fill(run)
    parent = projection.parent(findings(run), {"0003": "abc"}, "#/experiments/1")
    lines = parent.tags[projection.NOTE].splitlines()
    assert lines[0] == (
        f"**Best {METRIC}: 0.8000**, trial 0003 (adversarial); 6 trials: 2 finished, 1 pruned, 1 failed."
    )
    assert lines[4].startswith("| [0003](#/experiments/1/runs/abc) | adversarial |")
    assert lines[-1] == f"Run `{run.name}`, study `mini`."


def test_a_run_without_trials_has_a_description_too(run: Run) -> None:
    note = projection.parent(findings(run), {}, "#")
    assert note.tags[projection.NOTE].startswith("No trial has finished yet; 0 trials")
    assert note.points == ()


@pytest.mark.parametrize(("state", "shown"), [("pending", False), ("stopped", False), ("failed", True)])
def test_a_trial_that_never_began_is_not_shown_unless_it_failed(state: State, shown: bool) -> None:
    assert projection.has_begun(replace(searched(1), started=None, state=state)) is shown


def test_a_trial_that_runs_again_has_no_end(run: Run) -> None:
    again = replace(searched(1).closed("stopped", START), state="running")
    assert projection.child(run.meta, again, "p").ended is None


def test_long_texts_are_cut_before_mlflow_cuts_them(run: Run) -> None:
    child = projection.child(run.meta, searched(1).closed("failed", START, "x" * 20_000), "p")
    assert len(child.tags["xrt.reason"]) == 5000


def test_the_parent_holds_each_encoders_misalignment_once(run: Run) -> None:
    sites = {"words": {"distance": {"de": 0.4, "zh": 0.7}, "unrelated": 0.5, "norm": 2.0}}
    run.update_meta(
        misalignment={"models/my encoder": sites}, warnings=("zh: unknown",), dropped=("dev zh: 3",)
    )
    said = projection.parent(findings(run), {}, "")
    assert {(p.key, p.value, p.step) for p in said.points} == {
        ("misalignment/words/my encoder/de", 0.4, 0),
        ("misalignment/words/my encoder/zh", 0.7, 0),
        ("misalignment/words/my encoder/unrelated", 0.5, 0),
    }
    assert (said.tags["xrt.warnings"], said.tags["xrt.dropped"]) == ("zh: unknown", "dev zh: 3")


def test_a_childs_tags_name_its_configuration_so_that_seeds_can_be_grouped(run: Run) -> None:
    trials = {t.id: t for t in fill(run)}
    tags = {id: projection.child(run.meta, trial, "p").tags for id, trial in trials.items()}
    assert [tags[id]["xrt.configuration"] for id in ("0003", "0007")] == ["0003", "0003"]


def test_no_parameter_breaks_the_table_of_the_description(run: Run) -> None:
    for number in (1, 2):
        run.save(searched(number, odd="a|b\nc" * number))
    lines = projection.note(findings(run), {}, "#", None).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4 and all(line.count(" | ") == 3 for line in table)


def test_the_table_of_the_description_has_the_parameters_that_differ(run: Run) -> None:
    fill(run)
    lines = projection.note(findings(run), {"0003": "3"}, "#", None).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table[0] == f"| trial | method | adversarial.radius | noise.scale | {METRIC} | state |"
    assert table[2] == "| [0003](#/runs/3) | adversarial | 0.1 |  | 0.8000 | finished |"
