import io
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.bucket_traffic import sending
from tests.bucket import Bucket
from tests.record.conftest import SPEC
from xrt.errors import RecordError
from xrt.record import remote
from xrt.record.paths import Results
from xrt.record.remote import records
from xrt.record.run import Run
from xrt.record.values import Report, TrialRecord

TRIAL = TrialRecord(id="0000", params={"method": "plain"}, config={"method": "plain"}, seed=7)


def machine(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """From here on, this process is another machine, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(place))


def begin(bucket: Bucket) -> Run:
    return Run.create(Results.at(bucket.address), SPEC)


def test_another_machine_reads_what_was_written(bucket, monkeypatch, tmp_path):
    run = begin(bucket)
    run.save(TRIAL.begun(5.0))
    machine(monkeypatch, tmp_path / "laptop")
    there = Run.open(Results.at(bucket.address), "mini")
    assert there.meta == run.meta and there.spec == SPEC
    assert there.trials() == run.trials() and there.paths.root != run.paths.root


def test_what_changed_is_fetched_again(bucket, monkeypatch, tmp_path):
    run = begin(bucket)
    run.save(TRIAL)
    machine(monkeypatch, tmp_path / "laptop")
    there = Run.open(Results.at(bucket.address), "mini")
    for rung in range(3):
        run.save(TRIAL.reported(Report(rung, 0.3, 10, 1.0, {"dev/mean/mixed": 0.5})))
        there.paths.results.place.pull()
        assert there.trial("0000").last.rung == rung


def test_a_file_that_is_replaced_while_it_is_fetched_is_fetched_again(bucket, monkeypatch, tmp_path):
    """A bucket serves the length that an object had when it was opened, so half of one that has grown."""
    run = begin(bucket)
    run.save(TRIAL)
    machine(monkeypatch, tmp_path / "laptop")
    there = Results.at(bucket.address)
    run.save(TRIAL.reported(Report(0, 0.3, 10, 1.0, {"dev/mean/mixed": 0.5})))
    whole, cuts = there.place.fs, []

    class Cutting:
        def __getattr__(self, name):
            return getattr(whole, name)

        def open_input_file(self, place):
            content = whole.open_input_file(place).read()
            if place.endswith("0000.json") and not cuts:
                cuts.append(place)
                content = content[:-20]
            return io.BytesIO(content)

    monkeypatch.setattr(there.place, "fs", Cutting())
    there.place.pull()
    assert cuts and Run.open(there, "mini").trial("0000").last.rung == 0


def test_a_file_that_is_held_here_is_never_replaced_by_an_older_one(bucket):
    run = begin(bucket)
    run.save(TRIAL)
    with run.hold():
        run.paths.trial("0000").write_text("newer than the bucket knows")
        run.paths.results.place.pull()
        assert run.paths.trial("0000").read_text() == "newer than the bucket knows"
        run.save(TRIAL)


def test_only_one_machine_works_on_a_run(bucket, monkeypatch, tmp_path):
    run = begin(bucket)
    with run.hold():
        machine(monkeypatch, tmp_path / "other")
        other = Run.open(Results.at(bucket.address), "mini")
        assert other.holder()["pid"]
        with pytest.raises(RecordError, match="is held by process"), other.hold():
            pass
    assert other.holder() is None
    with other.hold():
        pass


def test_a_machine_that_has_gone_silent_is_succeeded(bucket, monkeypatch, tmp_path):
    run = begin(bucket)
    there, silent = run.paths.results.place, time.time() - 100
    place = there.name(run.paths.holder)
    there.write(place, f'{{"pid": 1, "host": "gone", "since": 0, "seen": {silent}}}'.encode())
    with run.hold():
        assert run.holder()["pid"] != 1


@pytest.mark.parametrize("ended", [False, True])
def test_a_machine_that_slept_too_long_writes_nothing_more_of_a_run_that_another_has_taken_over(
    bucket, monkeypatch, tmp_path, ended
):
    monkeypatch.setattr(remote, "DEAD", 2.0)
    monkeypatch.setattr(remote, "BEAT", 1000.0)
    run = begin(bucket)
    with pytest.raises(RecordError, match="another machine took over this run"), run.hold():
        run.save(TRIAL)
        time.sleep(2.1)
        machine(monkeypatch, tmp_path / "successor")
        other = Run.open(Results.at(bucket.address), "mini")
        with other.hold():
            other.save(TRIAL.begun(9.0))
            if not ended:
                run.save(TRIAL.begun(5.0))
        run.save(TRIAL.begun(5.0))
    machine(monkeypatch, tmp_path / "reader")
    assert Run.open(Results.at(bucket.address), "mini").trial("0000").started == 9.0


def test_a_bucket_that_is_away_stops_nobody_and_gets_everything_later(bucket, monkeypatch, tmp_path):
    run = begin(bucket)
    store = run.paths.results.place
    there = store.fs
    with monkeypatch.context() as away:
        away.setattr(store, "write", lambda *_: (_ for _ in ()).throw(OSError("no answer")))
        run.save(TRIAL.begun(5.0))
        run.update_meta(status="stopped")
        with pytest.raises(RecordError, match="2 files could not be sent"):
            store.flush()
    assert store.fs is there
    store.flush()
    machine(monkeypatch, tmp_path / "laptop")
    other = Run.open(Results.at(bucket.address), "mini")
    assert other.meta.status == "stopped" and other.trial("0000").state == "running"


def test_who_holds_a_run_does_not_wait_for_the_bucket(bucket, monkeypatch, tmp_path):
    run, goes_on = begin(bucket), threading.Event()
    store = run.paths.results.place
    with run.hold():
        write = store.write
        monkeypatch.setattr(store, "write", lambda *what: goes_on.wait() and write(*what))
        run.save(TRIAL.begun(5.0))
        run.update_meta(status="stopped")
        goes_on.set()
    machine(monkeypatch, tmp_path / "laptop")
    other = Run.open(Results.at(bucket.address), "mini")
    assert other.meta.status == "stopped" and other.trial("0000").started == 5.0


def test_what_is_done_later_comes_behind_the_files_and_in_place_of_the_same_before(bucket, monkeypatch):
    run, said = begin(bucket), []
    store = run.paths.results.place
    with run.hold():
        with store._sending:  # the thread is at something else
            store.later("clean up", lambda: said.append("too early"))
            run.save(TRIAL.begun(5.0))
            there = run.paths.trial("0000")
            store.later("clean up", lambda: said.append(store.read(there) is not None))
        store.flush()
    assert said[-1:] == [True] and len(said) == 1


def test_optunas_file_which_grows_with_all_trials_is_not_sent(bucket):
    run = begin(bucket)
    with run.hold():
        run.paths.optuna.write_text("line\n")
    assert run.paths.optuna.exists() and run.paths.optuna not in records(run.paths.root)
    assert set(run.paths.results.place.sizes(run.paths.root)) == {"spec.yaml", "run.json"}


@pytest.mark.slow
def test_a_file_is_sent_by_one_request_and_each_trial_sends_as_much(bucket, monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path)  # which is put back behind the bench
    (few, requests), (more, _) = sending(8), sending(16)
    assert requests < 1.2 and more / 16 < 1.1 * few / 8


def test_of_tunes_folder_only_predictions_are_fetched(bucket, monkeypatch, tmp_path):
    run = begin(bucket)
    store = run.paths.results.place
    checkpoint = "tune/search-1/0000/checkpoint_000002"
    path, system = run.stored(checkpoint)
    assert system is store.fs
    for name in ("model.safetensors", "predictions-dev.arrow"):
        store.write(f"{path}/{name}", b"content")
    machine(monkeypatch, tmp_path / "laptop")
    there = Run.open(Results.at(bucket.address), "mini")
    folder = there.paths.root / checkpoint
    assert [p.name for p in folder.iterdir()] == ["predictions-dev.arrow"]
    assert (there.fetch(checkpoint) / "model.safetensors").read_bytes() == b"content"
    assert folder / "predictions-dev.arrow" in records(there.paths.root)
    store.remove(run.paths.root / checkpoint)
    assert store.sizes(run.paths.root / checkpoint) == {}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://KEY:SECRET@bucket/path", "do not put credentials into the address"),
        ("ftp://bucket/path", "for example s3://bucket/path"),
    ],
)
def test_an_address_of_no_use_is_refused_without_its_secrets(address, expected):
    with pytest.raises(RecordError, match=expected) as caught:
        Results.at(address)
    assert "SECRET" not in str(caught.value)


def test_a_remote_that_is_not_there_is_named(bucket):
    with pytest.raises(RecordError, match="nowhere"):
        Results.at(bucket.address.replace("results", "nowhere"))


def test_who_works_on_a_run_brings_the_answers_of_a_trial_that_has_finished(bucket, monkeypatch):
    run = begin(bucket)
    folder, store = "tune/search-1/0000/checkpoint_000001", run.paths.results.place
    for name in ("predictions-dev.arrow", "model.safetensors"):
        store.write(store.name(run.paths.root / folder / name), b"here")
    run.fetch_answers(replace(TRIAL, checkpoint=folder))
    assert [path.name for path in (run.paths.root / folder).iterdir()] == ["predictions-dev.arrow"]
    monkeypatch.setattr(store, "_list", lambda *_, **__: (_ for _ in ()).throw(OSError("no answer")))
    run.fetch_answers(replace(TRIAL, checkpoint=folder))  # a study does not end for that
