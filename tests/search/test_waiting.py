"""A study reports that it waits for machines, with Ray's message, until trials run."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.conftest import ROOT
from tests.search.test_book import opened
from tests.search.test_cluster import environment, folder, running  # noqa: F401
from xrt.record.run import Run
from xrt.search import waiting
from xrt.search.waiting import Waiting, last_failure

# A head as those of clusters: it runs no trials.
HEAD = """
import ray
ray.init(address="local", num_cpus=0, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
print(ray.get_runtime_context().gcs_address, flush=True)
input()
"""
STUDY = """
from xrt.search import waiting
from xrt.study.__main__ import main
waiting.PATIENCE = 1.0
main()
"""
STATUS = """
======== Autoscaler status ========
Pending:
 (no pending nodes)
Recent failures:
 spot_gpu: LaunchFailed (latest_attempt: 12:01:07) - VcpuLimitExceeded: you have requested more vCPU
 spot_gpu: LaunchFailed (latest_attempt: 12:00:02) - an older one

Resources
Total Usage:
 0.0/0.0 CPU
"""


@pytest.mark.slow
def test_a_study_whose_cluster_has_no_machine_yet_says_what_it_waits_for(folder, tmp_path):  # noqa: F811
    env = environment(folder, RAY_AUTH_MODE="token")
    with running(HEAD, env) as address:
        env |= {"RAY_ADDRESS": address, "XRT_WORKERS": "count=2,cpus=2"}
        words = ["run", "mini", "--results", str(tmp_path), "--tracking", "later"]
        command = [sys.executable, "-c", STUDY, *words]
        with subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        ) as study:
            line = next(line for line in study.stdout if line.startswith("waiting for machines: "))
            status = [sys.executable, "-m", "xrt.study", "status", "mini", "--results", str(tmp_path)]
            elsewhere = subprocess.run(status, env=env, capture_output=True, text=True, cwd=ROOT)
            study.send_signal(signal.SIGTERM)
            rest = study.stdout.read()
    assert line.startswith("waiting for machines: 4 trials")
    assert "waiting for machines" in elsewhere.stdout
    assert study.returncode == 130 and "resume" in rest and "Traceback" not in rest


def test_it_is_said_when_trials_run_again(run: Run, monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE", -1.0)
    callback = Waiting(opened(run))
    pending, running = SimpleNamespace(status="PENDING"), SimpleNamespace(status="RUNNING")
    callback.on_step_end(1, [pending, pending])
    assert run.meta.waiting == "waiting for a first process: 2 trials"
    callback.on_step_end(2, [pending, running])
    assert run.meta.waiting is None


def test_the_newest_failure_of_rays_status_is_quoted():
    assert "12:01:07" in (last_failure(STATUS) or "") and "VcpuLimit" in (last_failure(STATUS) or "")
    assert (
        last_failure(STATUS.partition("Recent")[0] + "Recent failures:\n (no failures)\n\nResources\n")
        is None
    )
    assert last_failure("nothing of the kind") is None
