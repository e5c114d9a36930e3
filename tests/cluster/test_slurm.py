"""The job of Slurm, run by a shell as Slurm runs it; `python`, `srun` and `scontrol` are stand-ins that write down."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "cluster" / "slurm.sh"
PYTHON = """#!/usr/bin/env bash
case "$*" in
  *token_hex*) echo 0123456789abcdef; exit;;
esac
[ -e deaf ] || trap "echo stopped >> log; exit 130" TERM
echo "study $*" >> log
env | grep -E "^(RAY|XRT_WORKERS)" >> log
for _ in $(seq 6000); do [ ! -e finish ] || exit "$(cat finish)"; sleep 0.1; done
"""
RAY = """#!/usr/bin/env bash
echo "ray $*" >> log
env | grep RAY_ >> log
exec sleep 600
"""
SRUN = """#!/usr/bin/env bash
echo "srun $*" >> log
while [ "${1#--}" != "$1" ]; do shift; done
case "$1" in
  hostname) echo "127.0.0.1 10.0.0.1";;
  *) SLURM_NODEID=0 "$@" & SLURM_NODEID=1 "$@" & trap 'kill $(jobs -p)' TERM; wait;;
esac
"""
SCONTROL = """#!/usr/bin/env bash
echo "scontrol $*" >> log
[ "$1" != show ] || printf "n1\\nn2\\n"
"""


@pytest.fixture
def job(tmp_path: Path):
    """Starts the job of so many nodes; ends it when the test does."""
    for name, text in (("python", PYTHON), ("ray", RAY), ("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    started: list[subprocess.Popen] = []

    def start(nodes: int) -> subprocess.Popen:
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin", "XRT_PYTHON": str(tmp_path / "python"), "SLURM_JOB_ID": "4711",
            "SLURM_JOB_NUM_NODES": str(nodes), "SLURM_CPUS_PER_TASK": "8", "SLURM_JOB_NODELIST": "n[1-2]",
            "RAY_ADDRESS": "somewhere:1", "HOME": str(tmp_path),
        }  # fmt: skip
        process = subprocess.Popen(
            ["bash", SCRIPT, "mini"], cwd=tmp_path, env=environment, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def seen(folder: Path, what: str) -> str:
    """The log of the stand-ins, as soon as something is in it."""
    for _ in range(600):
        log = (folder / "log").read_text() if (folder / "log").exists() else ""
        if what in log:
            return log
        time.sleep(0.1)
    raise AssertionError(log)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_study_that_ends_ends_the_job_with_its_code(job, tmp_path: Path, code: int) -> None:
    process = job(1)
    (tmp_path / "finish").write_text(str(code))
    assert process.wait() == code
    log = seen(tmp_path, "study")
    assert "study -m xrt.study run --resume mini" in log and "scontrol" not in log and "srun" not in log
    assert "RAY_ADDRESS" not in log, "it starts a Ray of its own"


def test_a_job_whose_time_is_up_waits_for_the_study_and_is_queued_again(job, tmp_path: Path) -> None:
    process = job(1)
    seen(tmp_path, "study")
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    assert (tmp_path / "log").read_text().splitlines()[-2:] == ["stopped", "scontrol requeue 4711"]


def test_a_signal_before_the_study_listens_queues_the_job_again(job, tmp_path: Path) -> None:
    (tmp_path / "deaf").touch()
    process = job(1)
    seen(tmp_path, "study")
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    assert (tmp_path / "log").read_text().splitlines()[-1] == "scontrol requeue 4711"


def test_a_signal_while_the_job_waits_for_its_nodes_queues_it_again(job, tmp_path: Path) -> None:
    process = job(2)
    seen(tmp_path, "ray start")
    process.send_signal(signal.SIGTERM)
    with socket.create_server(("127.0.0.1", 43555)):
        assert process.wait() == 0, process.communicate()
    assert (tmp_path / "log").read_text().splitlines()[-1] == "scontrol requeue 4711"


def test_on_several_nodes_each_starts_a_ray_of_the_jobs_own_and_the_study_joins_it(
    job, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 43555)):  # what the job waits for
        process = job(2)
        seen(tmp_path, "study")
        (tmp_path / "finish").write_text("0")
        assert process.wait() == 0, process.communicate()
    log = (tmp_path / "log").read_text()
    starts = sorted(line for line in log.splitlines() if line.startswith("ray "))
    assert len(starts) == 2 and sum("--head" in line for line in starts) == 1
    assert sum("--address=127.0.0.1:43555" in line for line in starts) == 1
    assert "RAY_ADDRESS=127.0.0.1:43555" in log and "XRT_WORKERS=count=2,cpus=8" in log
    assert "/xrt-job-4711\n" in log and "RAY_AUTH_TOKEN=0123456789abcdef" in log


def test_the_script_is_whole_and_says_what_slurm_must_do() -> None:
    text = SCRIPT.read_text()
    asked = [line.split("#")[1].split()[1] for line in text.splitlines() if line.startswith("#SBATCH")]
    assert {"--requeue", "--open-mode=append", "--signal=B:TERM@120", "--ntasks-per-node=1"} <= set(asked)
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0
