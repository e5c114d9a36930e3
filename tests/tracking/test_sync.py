"""MLflow is a projection: sent once or ten times, into an empty store or half a one, it looks the same."""

import json
import math
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.conftest import (
    DATA,
    METRIC,
    START,
    dump,
    fill,
    in_a_new_process,
    report,
    reported,
    searched,
)
from xrt.errors import RecordError
from xrt.record import Report, Results, Run
from xrt.tracking.projection import NOTE
from xrt.tracking.store import SENT
from xrt.tracking.tracker import Synced, _Projector, check, sync


def test_the_store_shows_every_trial_that_has_begun(run: Run) -> None:
    fill(run)
    sent = sync(run)
    assert (sent.created, str(sent)[:23]) == (7, "MLflow: 7 runs created,")
    assert str(sync(run)) == "MLflow is up to date."
    shown = dump(run)
    assert set(shown) == {"<parent>", *(f"<000{n}>" for n in (1, 2, 3, 4, 5, 7))}
    pruned, failed = shown["<0002>"], shown["<0004>"]
    milliseconds = round((START + 120) * 1000)
    assert pruned["info"] == ("0002 noise", "KILLED", milliseconds, milliseconds + 20_000, "active")
    assert (
        pruned["tags"].items()
        >= {
            **{"xrt.outcome": "pruned", "xrt.rung": "0", "xrt.phase": "search", "xrt.trial": "0002"},
            **{"xrt.run": run.name, "xrt.study": "mini", "mlflow.parentRunId": "<parent>"},
        }.items()
    )
    assert pruned["params"]["noise.scale"] == "0.3"
    assert pruned["metrics"][METRIC] == [(10, milliseconds + round(60123 / 9), "0.4")]
    assert failed["info"][1] == "FAILED"
    assert failed["tags"]["xrt.reason"].startswith("TrainingError: loss is NaN at step 7")
    assert shown["<0005>"]["info"][1::2] == ("RUNNING", None)
    assert [step for step, _, _ in shown["<0001>"]["metrics"]["dev/acc/en"]] == [10, 30, 90]
    assert [d[:2] for d in shown["<0001>"]["data"]] == [("mini/dev", "2" * 12), ("mini/train", "1" * 36)]
    parent = shown["<parent>"]
    assert parent["tags"]["xrt.best_trial"] == "<0003>"
    assert parent["metrics"][f"best/{METRIC}"][-1][2] == "0.8"
    assert "#/experiments/1/runs/<0003>" in parent["tags"]["mlflow.note.content"]
    assert [d[0] for d in parent["data"]] == ["mini/dev", "mini/test", "mini/train"]


def test_a_second_sync_sends_nothing_and_an_empty_store_is_filled_the_same(
    run: Run, empty_store: Path
) -> None:
    fill(run)
    run.update_meta(status="finished", ended=START + 600)
    assert sync(run)
    before = dump(run)
    assert not sync(run)
    assert dump(run) == before
    shutil.copy(empty_store, run.paths.results.root / "other.db")
    other = f"sqlite:///{run.paths.results.root}/other.db"
    assert sync(run, other).created == 7
    assert dump(run, other) == before


@pytest.mark.slow
def test_a_store_that_was_deleted_is_made_again_the_same(run: Run) -> None:
    fill(run)
    run.update_meta(status="finished", ended=START + 600)
    sync(run)
    before = dump(run)
    # MLflow's cache in this process takes the lost file for one with tables, hence another process
    run.paths.results.mlflow_db.unlink()
    in_a_new_process(run, "assert sync(run).created == 7; assert not sync(run)")
    shutil.move(run.paths.results.mlflow_db, run.paths.results.root / "again.db")
    assert dump(run, f"sqlite:///{run.paths.results.root}/again.db") == before


@pytest.mark.parametrize("requests", [0, 1, 2, 5, 6, 7, 20])
def test_a_sync_that_was_killed_is_completed_without_duplicates(
    run: Run, empty_store: Path, requests: int
) -> None:
    fill(run)
    shutil.copy(empty_store, run.paths.results.root / "whole.db")
    whole = f"sqlite:///{run.paths.results.root}/whole.db"
    sync(run, whole)
    pid = os.fork()
    if pid == 0:
        _die_after(run, requests)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert sync(run)
    assert dump(run) == dump(run, whole)
    assert not sync(run)


def _die_after(run: Run, requests: int) -> None:
    """In a forked process: ends it as a kill would, in the middle of a sync, after so many requests."""
    from mlflow import MlflowClient

    left = [requests]

    def fatal(method: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            done = method(*given, **named)
            if not left[0]:
                os._exit(9)
            left[0] -= 1
            return done

        return call

    names = ("create_experiment", "create_run", "log_batch", "log_inputs", "set_tag", "set_terminated")
    for name in (*names, "set_experiment_tag"):
        setattr(MlflowClient, name, fatal(getattr(MlflowClient, name)))
    try:
        sync(run)
    finally:
        os._exit(1)


def test_a_kill_between_points_and_the_tag_that_says_so_doubles_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    run.save(reported(searched(1), 0.5, 0.6))
    with monkeypatch.context() as patch:

        def lost(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr(MlflowClient, "set_tag", lost)
        with pytest.raises(KeyboardInterrupt):
            sync(run)
    before = dump(run)["<0001>"]["metrics"]
    assert len(before[METRIC]) == 2 and SENT not in dump(run)["<0001>"]["tags"]
    assert sync(run).points >= 6, "sent again"
    assert dump(run)["<0001>"]["metrics"] == before
    assert json.loads(dump(run)["<0001>"]["tags"][SENT]) == {"dev/mean": 30, "dev/acc": 30, "train": 30}
    assert not sync(run)


def test_probes_that_come_one_after_another_all_arrive(run: Run) -> None:
    def probed(*encoders: str) -> dict[str, Any]:
        return {name: {"words": {"distance": {"de": 0.4}, "unrelated": 0.5}} for name in encoders}

    run.update_meta(misalignment=probed("mini-a"))
    sync(run)
    run.update_meta(misalignment=probed("mini-a", "mini-b"))
    assert sync(run).points == 2
    shown = dump(run)["<parent>"]["metrics"]
    assert {f"misalignment/words/mini-{e}/{name}" for e in "ab" for name in ("de", "unrelated")} <= set(shown)
    assert not sync(run)


def test_the_experiment_is_described_by_the_newest_run_of_its_study(run: Run) -> None:
    from mlflow import MlflowClient

    older = Run.create(run.paths.results, run.spec)
    older.update_meta(started=START - 1000)
    fill(run)
    client = MlflowClient(run.paths.results.tracking_uri)
    for one in (older, run):
        sync(one)
        text = client.get_experiment_by_name("mini").tags[NOTE]
        assert text == note_of(client, one)
    assert not sync(older), "an older run does not take the description back"
    assert client.get_experiment_by_name("mini").tags[NOTE] == note_of(client, run)


def note_of(client: Any, run: Run) -> str:
    [parent] = client.search_runs(
        ["1"], f"tags.`xrt.run` = '{run.name}' AND tags.`mlflow.source.type` = 'LOCAL'"
    )
    return str(parent.data.tags[NOTE])


def test_a_report_of_xnli_with_all_pairs_goes_in_several_requests(run: Run) -> None:
    many = {f"dev/pair/x{n}": n / 1200 for n in range(1200)}
    sampled = {f"noise.p{n}": n for n in range(150)}
    trial = (
        searched(1, **sampled)
        .reported(Report(0, 1.0, 9, START, many))
        .reported(Report(1, 1.0, 19, START, many))
    )
    run.save(trial)
    assert sync(run).points == 2400
    shown = dump(run)["<0001>"]
    assert len(shown["params"]) == 150 + 5
    assert {key: [step for step, *_ in history] for key, history in shown["metrics"].items()} == {
        key: [9, 19] for key in many
    }


def test_numbers_that_are_none_are_sent_once(run: Run) -> None:
    for step, value in enumerate((math.nan, math.inf, -math.inf)):
        run.save(searched(step + 1).reported(report(0, 0.5, **{"train/odd": value})))
    assert sync(run).points == 12
    assert not sync(run)
    shown = dump(run)
    values = [shown[f"<000{n}>"]["metrics"]["train/odd"][0][2] for n in (1, 2, 3)]
    assert values == ["nan", "1.7976931348623157e+308", "-1.7976931348623157e+308"]  # MLflow's largest


def test_what_comes_later_is_added_and_what_no_longer_holds_is_taken_back(run: Run) -> None:
    run.update_meta(data=())
    stopped = reported(searched(1), 0.5).closed("stopped", START + 99, "interrupted")
    run.save(stopped)
    run.update_meta(status="stopped", ended=START + 100)
    sync(run)
    assert dump(run)["<0001>"]["tags"]["xrt.reason"] == "interrupted"
    run.update_meta(status="running", ended=None, data=DATA)
    again = stopped.begun(START + 200, "node-2").reported(report(1, 0.6))
    run.save(again)
    sync(run)
    shown = dump(run)
    assert (shown["<0001>"]["info"][1], shown["<parent>"]["info"][1]) == ("RUNNING", "RUNNING")
    assert "xrt.reason" not in shown["<0001>"]["tags"]
    assert shown["<0001>"]["tags"]["xrt.node"] == "node-2"
    assert len(shown["<0001>"]["metrics"][METRIC]) == 2
    assert len(shown["<0001>"]["data"]) == 2
    run.save(again.closed("finished", START + 300))
    sync(run)
    assert dump(run)["<0001>"]["info"][1:4:2] == ("FINISHED", round((START + 300) * 1000))


def test_a_trial_that_stands_there_twice_stands_there_once_again(run: Run) -> None:
    from mlflow import MlflowClient

    fill(run)
    sync(run)
    before = dump(run)
    client = MlflowClient(run.paths.results.tracking_uri)
    for old in client.search_runs(["1"]):
        client.create_run("1", old.info.start_time, old.data.tags, old.info.run_name)
    assert not sync(run)  # none of the others was needed, so nothing was sent
    assert dump(run) == before


def test_syncs_at_the_same_time_wait_for_each_other(run: Run) -> None:
    fill(run)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: sync(run), range(4)))
    assert sorted(d.created for d in done) == [0, 0, 0, 7]


def test_a_tracker_notices_that_somebody_else_sent_something(run: Run) -> None:
    first = _Projector(run, None)
    first.push()
    fill(run)
    assert sync(run).created == 6
    assert first.push() == Synced()


def test_two_runs_of_a_study_share_its_experiment_and_nothing_else(run: Run) -> None:
    from mlflow import MlflowClient

    other = Run.create(run.paths.results, run.spec)
    for one in (run, other):
        fill(one)
        assert sync(one).created == 7
        assert not sync(one)
    found = MlflowClient(run.paths.results.tracking_uri).search_runs(["1"])
    assert sorted(r.data.tags["xrt.run"] for r in found) == sorted([run.name, other.name] * 7)


def test_a_deleted_experiment_comes_back(run: Run) -> None:
    from mlflow import MlflowClient

    fill(run)
    sync(run)
    before = dump(run)
    MlflowClient(run.paths.results.tracking_uri).delete_experiment("1")
    assert not sync(run)
    assert dump(run) == before


def test_artifacts_go_beside_the_runs(run: Run) -> None:
    from mlflow import MlflowClient

    sync(run)
    client = MlflowClient(run.paths.results.tracking_uri)
    parent = client.search_runs(["1"])[0]
    client.log_text(parent.info.run_id, "hello", "note.txt")
    assert list(run.paths.results.mlartifacts.glob("mini/*/artifacts/note.txt"))


def test_mlflows_global_state_is_left_alone(run: Run) -> None:
    import mlflow

    before, variable = mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")
    fill(run)
    sync(run)
    assert mlflow.active_run() is None
    assert mlflow.get_tracking_uri() == before
    assert os.environ.get("MLFLOW_TRACKING_URI") == variable


@pytest.mark.parametrize(
    "uri", ["file:///x/y", "./mlruns", "/x/y", "databricks", "s3://b/c", "ftp://me:secret@h"]
)
def test_an_address_that_cannot_hold_a_projection_is_refused(run: Run, uri: str) -> None:
    for use in (lambda: check(run.paths.results, uri), lambda: sync(run, uri)):
        with pytest.raises(RecordError, match=r"--tracking: .* is not allowed; http://HOST:PORT") as caught:
            use()
        assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_with_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(
        RecordError, match=r"MLflow at http://\*\*\*@127\.0\.0\.1:9 cannot be reached .*--tracking later"
    ):
        check(Results.at(tmp_path), "http://me:secret@127.0.0.1:9")


def test_a_damaged_record_is_named_and_not_half_sent(run: Run) -> None:
    fill(run)
    run.paths.trial("0002").write_text("{")
    with pytest.raises(RecordError, match=r"0002\.json"):
        sync(run)
    assert not run.paths.results.mlflow_db.exists() or dump(run) == {}
