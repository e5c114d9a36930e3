"""MLflow on a real PostgreSQL, as `cluster/mlflow.sh` starts it: sixteen trials report at once, nothing is lost."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.findings import worked
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import Report, TrialRecord
from xrt.tracking.tracker import Tracker, sync

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
TRIALS, RUNGS, METRICS = 16, 4, 60


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of a new database on a socket; as another user where we are root, as which it refuses to run."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    user = "nobody" if os.geteuid() == 0 else getpass.getuser()
    place = Path(tempfile.mkdtemp(prefix="xrt-pg-"))
    shutil.chown(place, user)

    def call(program: str, *words: str) -> None:
        command = [str(BINARIES[-1] / program), *words]
        subprocess.run(
            command, check=True, user=user, cwd=place, env={"HOME": str(place)}, capture_output=True
        )

    call("initdb", "-D", f"{place}/data", "--auth=trust", "--encoding=UTF8", "--username=xrt")
    options = f"-h '' -k {place}"
    subprocess.run(
        [str(BINARIES[-1] / "pg_ctl"), "-D", f"{place}/data", "-w", "-l", f"{place}/log", "-o", options, "start"],
        check=True, user=user, cwd=place, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        call("createdb", "-h", str(place), "-U", "xrt", "mlflow")
        yield f"postgresql+psycopg2://xrt@/mlflow?host={place}"
    finally:
        call("pg_ctl", "-D", f"{place}/data", "-w", "-m", "immediate", "stop")
        shutil.rmtree(place)


@pytest.mark.slow
def test_sixteen_trials_at_once_arrive_whole(postgres, tmp_path):
    run = Run.create(Results(tmp_path), worked.SPEC)
    warnings: list[str] = []
    tracker = Tracker(run, postgres, warn=warnings.append, interval=0.1)
    tracker.run_started(run)

    def trial(number: int) -> None:
        params = worked.sample(number, "plain")
        record = TrialRecord(f"{number:04d}", params, {"method": "plain"}, seed=7).begun(1e9)
        for rung in range(RUNGS):
            metrics = {f"dev/pair/a{i}-b": number + i / 100 for i in range(METRICS - 1)}
            report = Report(rung, 0.25 * (rung + 1), rung, 1e9 + rung, {**metrics, "dev/mean/mixed": number})
            record = record.reported(report)
            run.save(record)
            tracker.trial_reported(record)
        run.save(record.closed("finished", 1e9 + 9))
        tracker.trial_ended(record)

    with ThreadPoolExecutor(TRIALS) as pool:
        list(pool.map(trial, range(TRIALS)))
    run.update_meta(status="finished", ended=1e9 + 10)
    tracker.run_ended(run)
    assert warnings == [] and tracker.remedy is None

    client = MlflowClient(postgres)
    [experiment] = [e for e in client.search_experiments() if e.name == "mini"]
    stored = {r.data.tags.get("xrt.trial"): r for r in client.search_runs([experiment.experiment_id])}
    assert stored.keys() == {None, *(f"{n:04d}" for n in range(TRIALS))}
    assert {r.info.status for r in stored.values()} == {"FINISHED"}
    for number in range(TRIALS):
        of_trial = stored[f"{number:04d}"]
        assert len(of_trial.data.metrics) >= METRICS
        for key in ("dev/mean/mixed", "dev/pair/a7-b"):
            assert [m.step for m in client.get_metric_history(of_trial.info.run_id, key)] == [*range(RUNGS)]
    assert str(sync(run, postgres)) == "MLflow is up to date."
