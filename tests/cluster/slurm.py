"""`cluster/slurm.sh` under Debian's Slurm, on throw-away hosts: a controller, two nodes, a folder that both share.

    python -m tests.cluster.slurm study lost preempted

`hosts.py` makes the hosts, as for `machines.py`. Beside what it needs: Debian's slurmctld, slurmd, slurm-client and
munge. Of the script only lines marked CHANGE are changed: no GPUs, and what the command line of sbatch says.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cluster.machines import address, hosts, packed, say, stamps, until
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import TrialRecord

NODES = ("h0", "h1")
CONTROLLER = "10.77.0.1"
CONF = f"""
ClusterName=xrt
SlurmctldHost=rh-ctl({CONTROLLER})
SlurmUser=root
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=30
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
{"".join(f"NodeName=rh-{host} NodeAddr={address(host)} CPUs=2{chr(10)}" for host in NODES)}
PartitionName=usual Nodes=ALL Default=YES PriorityTier=1 GraceTime=300
PartitionName=urgent Nodes=ALL PriorityTier=2
"""
STUDY = "mini --set confirm=null --set pruning=null --set data.dev_rows=60"
JOB = "--nodes=2 --cpus-per-task=1 --time=60 --output=job-%j.log"
URGENT = (
    "--partition=urgent --nodes=2 --ntasks-per-node=1 --cpus-per-task=2 --output=urgent.log --wrap='sleep 5'"
)


class Slurm:
    """A controller on the laptop and two nodes, with the checkout in the folder that they share."""

    def __init__(self, share: Path) -> None:
        self.checkout = share / "xrt"
        self.results = Results(self.checkout / "results")

    def up(self) -> None:
        os.chmod(self.checkout.parent, 0o777)
        hosts("up", str(len(NODES)), "--share", str(self.checkout.parent))
        hosts("exec", "ctl", f"mkdir {self.checkout}; tar x -C {self.checkout}", given=packed())
        self.user("sed -i /gpus-per-node/d cluster/slurm.sh")
        for host in ("ctl", *NODES):
            self.switch_on(host)
        say("Slurm is up")

    def switch_on(self, host: str) -> None:
        """Start Slurm's part of a host, as its boot does."""
        hosts("exec", "--root", host, "cat > /etc/slurm/slurm.conf", given=CONF.encode())
        hosts("exec", "--root", host, "install -d -o munge -m 755 /run/munge; runuser -u munge munged")
        hosts("exec", "--root", host, "slurmctld" if host == "ctl" else "slurmd")

    def user(self, command: str) -> str:
        """Run a command in the checkout, on the machine with sbatch."""
        environment = f"PYTHONPATH=. XRT_PYTHON={sys.prefix}/bin/python"
        return hosts("exec", "ctl", f"cd {self.checkout}; export {environment}; {command}").strip()

    def submit(self, words: str) -> str:
        """Submit a study; returns the number of the job."""
        job = self.user(f"sbatch --parsable {JOB} cluster/slurm.sh {words}")
        say(f"job {job}: {words}")
        return job

    def state(self, job: str) -> str:
        """Slurm's state of a job, and how often it was queued again."""
        return self.user(
            f"scontrol show job {job} | grep -oE '(JobState|Restarts|Reason)=[^ ]*' | paste -sd' '"
        )

    def run(self, study: str = "mini") -> Run:
        return Run.open(self.results, study)

    def trials(self) -> list[TrialRecord]:
        return self.run().trials() if self.results.runs() else []

    def wait(self, what: str, job: str, happened: Callable[[], Any]) -> Any:
        def seen() -> str:
            return self.user(f"scontrol show job {job}; sinfo -lN; tail -30 job-{job}.log")

        return until(what, happened, lambda: (self.state(job), stamps(self.results.root)), seen)

    def finish(self, job: str, trials: int, study: str = "mini") -> None:
        """Wait for the end of the job, and check that everything is recorded exactly once."""
        self.wait(f"job {job} has ended", job, lambda: "COMPLETED" in self.state(job))
        run = self.run(study)
        assert len(self.results.runs(study)) == 1 and run.meta.status == "finished", self.user(
            f"cat job-{job}.log"
        )
        assert [t.id for t in run.trials()] == [f"{i:04d}" for i in range(trials)]
        assert {t.state for t in run.trials()} == {"finished"}
        say(f"{self.state(job)}; trials ran on {[t.node for t in run.trials()]}")
        log = self.user(f"cat job-{job}.log")
        assert "Traceback" not in log, log
        left = [hosts("exec", "--root", host, "pgrep -x raylet || true").strip() for host in NODES]
        assert left == ["", ""], "no Ray outlives its job"


def study(slurm: Slurm) -> None:
    """Two jobs at once, each on both nodes: each has a Ray of its own."""
    other = slurm.checkout / "other.yaml"
    slurm.user(f"cp studies/mini.yaml {other.name}")
    first = slurm.submit(f"{STUDY} --set search.trials=4")
    second = slurm.submit(f"{other.name} {STUDY.partition(' ')[2]} --set search.trials=4")
    slurm.wait("both run", second, lambda: all("RUNNING" in slurm.state(job) for job in (first, second)))
    slurm.wait(f"job {second} has ended", second, lambda: "RUNNING" not in slurm.state(second))
    for job, name in ((first, "mini"), (second, "other")):
        slurm.finish(job, 4, name)
        assert {t.node for t in slurm.run(name).trials()} == {"rh-h0", "rh-h1"}, "both nodes had trials"


def lost(slurm: Slurm) -> None:
    """A node is lost: Slurm queues the job again, which resumes when the node is back."""
    job = slurm.submit(f"{STUDY} --set search.trials=4")
    before = progress(slurm, job)
    hosts("kill", "h1")
    say("h1 is off")
    slurm.wait("Slurm has noticed", job, lambda: "Restarts=0" not in slurm.state(job))
    hosts("start", "h1")
    slurm.switch_on("h1")
    slurm.wait("it runs again", job, lambda: "RUNNING" in slurm.state(job))
    slurm.finish(job, 4)
    went_on(slurm, before)


def preempted(slurm: Slurm) -> None:
    """A job of higher priority takes the nodes: the study saves its state and resumes afterwards."""
    job = slurm.submit(f"{STUDY} --set search.trials=4")
    before = progress(slurm, job)
    urgent = slurm.user(f"sbatch --parsable {URGENT}")
    slurm.wait("the urgent job has run", job, lambda: "COMPLETED" in slurm.state(urgent))
    slurm.finish(job, 4)
    went_on(slurm, before)
    assert "Interrupted. Nothing is lost" in slurm.user(f"cat job-{job}.log")


def progress(slurm: Slurm, job: str) -> list[TrialRecord]:
    """The trials at a moment when one has finished and another runs."""
    states = lambda: {t.state for t in slurm.trials()}  # noqa: E731
    slurm.wait("one trial has finished, another runs", job, lambda: {"finished", "running"} <= states())
    return slurm.trials()


def went_on(slurm: Slurm, before: list[TrialRecord]) -> None:
    for trial in before:
        again = slurm.run().trial(trial.id)
        assert again.reports[: len(trial.reports)] == trial.reports, "what was reported before stays"
        assert trial.state != "finished" or again == trial, "a finished trial is not trained again"
    say("the same run went on")


def main() -> None:
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="xrt-share-") as share:
            slurm, began = Slurm(Path(share)), time.monotonic()
            say(f"== {name}")
            try:
                slurm.up()
                {"study": study, "lost": lost, "preempted": preempted}[name](slurm)
            finally:
                hosts("down")
            say(f"== {name}: all as it should be, {(time.monotonic() - began) / 60:.1f} min")


if __name__ == "__main__":
    main()
