"""The record tells every reader what happened, after a kill at any time."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.record.conftest import SPEC
from xrt.errors import RecordError
from xrt.record import Data, Report, Results, Run, TrialRecord

HOLD = """
import sys, time
from xrt.record import Results, Run
with Run.open(Results.at(sys.argv[1]), sys.argv[2]).hold():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(Results.at(tmp_path), SPEC)


def trial(id: str = "0001", **changes: object) -> TrialRecord:
    params = {"method": "noise", "noise.scale": 0.3}
    return replace(TrialRecord(id, params, {"method": "noise", "encoder": "mini-a"}, seed=3), **changes)  # type: ignore[arg-type]


def test_a_new_run_says_what_it_is(run: Run) -> None:
    meta = Run.open(run.paths.results, "mini").meta
    assert (meta.name, meta.study, meta.status, meta.ended) == (run.name, "mini", "running", None)
    assert (meta.metric, meta.task, meta.source) == ("dev/mean/mixed", "mini", "en")
    assert meta.languages == SPEC.task.languages
    assert meta.versions["torch"]
    assert meta.hardware["cpus"] > 0
    assert run.spec_yaml == SPEC.to_yaml()
    assert Run.open(run.paths.results, "mini").spec == SPEC
    assert run.trials() == []


def test_changes_of_a_run_are_written_and_what_is_not_named_stays(run: Run) -> None:
    data = (Data("mini", "train", "abc", 100, "training"),)
    run.update_meta(misalignment={"mini-a": {}}, data=data)
    run.update_meta(warnings=("slow",), status="finished", ended=5.0)
    meta = Run.open(run.paths.results, run.name).meta
    assert (meta.misalignment, meta.warnings) == ({"mini-a": {}}, ("slow",))
    assert (meta.data, meta.status, meta.ended) == (data, "finished", 5.0)
    with pytest.raises(TypeError, match="stauts"):
        run.update_meta(stauts="finished")


def test_notes_are_fields_of_the_run_from_its_start(tmp_path: Path) -> None:
    notes = {"tracking": "http://me:secret@host", "repeats": "mini-1", "dropped": ("zh: 3",)}
    meta = Run.create(Results.at(tmp_path), SPEC, notes=notes).meta
    assert (meta.tracking, meta.repeats, meta.dropped) == ("http://***@host", "mini-1", ("zh: 3",))


def test_a_trial_is_read_back_as_it_was_saved(run: Run) -> None:
    report = Report(0, 1 / 9, 7, 12.5, {"dev/acc/en": np.float32(0.5), "train/loss": math.inf})  # type: ignore[dict-item]
    saved = trial().begun(10.0, node="h1").reported(report).closed("pruned", 13.0, "rung 0")
    run.save(saved)
    assert Run.open(run.paths.results, run.name).trial("0001") == saved
    assert saved.metrics == {"dev/acc/en": 0.5, "train/loss": math.inf}


def test_a_nan_survives_as_a_nan(run: Run) -> None:
    run.save(trial().reported(Report(0, 1.0, 1, 1.0, {"train/loss": math.nan})))
    [read] = Run.open(run.paths.results, run.name).trials()
    assert math.isnan(read.metrics["train/loss"])


def test_trials_come_by_id_and_unchanged_ones_are_not_read_again(run: Run) -> None:
    for number in (10_000, 2, 9_999):
        run.save(trial(f"{number:04d}"))
    before = run.trials()
    assert [t.id for t in before] == ["0002", "9999", "10000"]
    run.save(trial("9999", state="running"))
    after = run.trials()
    assert after[1].state == "running"
    assert [a is b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_what_was_reported_first_stays() -> None:
    first = Report(0, 0.3, 10, 100.0, {"dev/acc/en": 0.7})
    again = Report(0, 0.3, 10, 200.0, {"dev/acc/en": 0.9, "dev/pair/en-de": 0.8})
    later = Report(1, 1.0, 30, 300.0, {"dev/acc/en": 0.95})
    reports = trial().reported(later).reported(first).reported(again).reports
    assert reports == (replace(first, metrics={"dev/acc/en": 0.7, "dev/pair/en-de": 0.8}), later)


def test_a_trial_that_goes_on_keeps_its_first_start() -> None:
    stopped = trial().begun(1.0, "h0").closed("stopped", 5.0, "interrupted")
    again = stopped.begun(9.0, "h1")
    assert (again.started, again.ended, again.reason, again.node, again.state) == (
        1.0,
        None,
        None,
        "h1",
        "running",
    )


def test_no_secret_stands_in_a_reason(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    run.save(trial().closed("failed", 1.0, "401 with hf_verysecret"))
    run.update_meta(
        warnings=("cannot reach http://me:secret@host",), misalignment={"a": ["http://me:b@c"], "n": 2}
    )
    assert "hf_verysecret" not in run.paths.trial("0001").read_text()
    assert run.meta.warnings == ("cannot reach http://***@host",)
    assert run.meta.misalignment == {"a": ["http://***@c"], "n": 2}
    assert run.trials()[0].reason == "401 with ***"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": "done"}, "state: 'done' is not allowed"),
        ({"seed": None}, "seed: None is not allowed"),
        ({"reports": [{"rung": "x"}]}, "reports.0.rung: 'x' is not allowed"),
        ({"reports": [{"rung": 0}]}, "reports.0.metrics: is missing"),
        ({"params": []}, r"params: \[\] is not allowed"),
        ({"id": "0002"}, "the file's name says '0001'"),
    ],
)
def test_a_wrong_field_is_named(run: Run, change: dict[str, object], message: str) -> None:
    run.save(trial())
    path = run.paths.trial("0001")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RecordError, match=message) as caught:
        run.trials()
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)


def test_every_damaged_trial_is_named_at_once(run: Run) -> None:
    for id in ("0001", "0002", "0003"):
        run.save(trial(id))
    run.paths.trial("0001").write_text("")
    run.paths.trial("0003").write_text('{"id": "00')
    with pytest.raises(RecordError) as caught:
        run.trials()
    assert [re.search(r"\d{4}\.json", p)[0] for p in caught.value.problems] == ["0001.json", "0003.json"]  # type: ignore[index]
    assert all("remove it: `resume` then trains the trial again." in line for line in caught.value.problems)
    whole, damaged = run.whole_trials()
    assert [t.id for t in whole] == ["0002"] and [line for (line,) in damaged] == caught.value.problems


def test_unfinished_writes_are_not_trials(run: Run) -> None:
    run.save(trial())
    (run.paths.trials / ".0002.json.ab12.tmp").write_text("{")
    (run.paths.trials / ".0003.json").write_text("{")
    assert [t.id for t in run.trials()] == ["0001"]


def test_an_unknown_trial_is_answered_with_those_that_exist(run: Run) -> None:
    with pytest.raises(RecordError, match="no such trial; there are none yet"):
        run.trial("0001")
    run.save(trial("0001"))
    run.save(trial("0007"))
    with pytest.raises(RecordError, match=r"0042: .* there are 0001 to 0007"):
        run.trial("0042")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (
            '{"format": 99}',
            "record format 99; this xrt reads 2. Open it with the version of xrt that wrote it",
        ),
        ('{"format": 1}', r"record format 1; this xrt reads 2. Open it with xrt 0\.1"),
        ("{}", "record format None; this xrt reads 2"),
        ('{"format": 2}', "uid: is missing"),
    ],
)
def test_a_damaged_run_is_refused_when_it_is_opened(run: Run, content: str, message: str) -> None:
    run.paths.meta.write_text(content)
    with pytest.raises(RecordError, match=message):
        Run.open(run.paths.results, run.name)


def test_a_study_that_this_version_does_not_read_is_named(run: Run) -> None:
    run.paths.spec.write_text(SPEC.to_yaml().replace("reduction", "rdeuction"))
    with pytest.raises(RecordError, match=r"spec\.yaml: is not a study of this version of xrt"):
        _ = Run.open(run.paths.results, run.name).spec


def test_a_renamed_run_is_refused_with_its_name(run: Run) -> None:
    run.paths.root.rename(run.paths.root.with_name("other"))
    with pytest.raises(RecordError, match=rf"it is mini/{run.name}; move the folder back"):
        Run.open(run.paths.results, "other")


def test_a_run_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no place in a record"):
        Run.create(Results.at(tmp_path), SPEC, notes={"misalignment": {"a": object()}})
    assert os.listdir(tmp_path / "mini") == []


def test_a_second_holder_is_refused_and_told_who_holds_it(run: Run) -> None:
    root = str(run.paths.results.root)
    other = subprocess.Popen([sys.executable, "-c", HOLD, root, run.name], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with (
        pytest.raises(RecordError, match=rf"{run.name}: is held by process {other.pid} on \S+ since .* UTC"),
        run.hold(),
    ):
        pass
    holder = run.holder()
    assert holder is not None
    assert holder["pid"] == other.pid
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert run.holder() is None
    with run.hold():
        holder = run.holder()
        assert holder is not None
        assert holder["pid"] == os.getpid()
    assert run.holder() is None


def test_the_record_floor_needs_neither_ray_nor_mlflow_nor_torch() -> None:
    code = (
        "import sys, xrt.record; print(sorted({'ray', 'mlflow', 'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
