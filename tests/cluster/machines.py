"""Ray's launcher for real, on throw-away hosts of one machine: a study, a lost worker, a lost head.

    python -m tests.cluster.machines study worker head

`hosts.py` makes the hosts; it needs root. They share the machine's cores: minutes, and nothing that says how fast
anything is. No step has a fixed time: one that waits gives up when nothing has changed for `PATIENCE` seconds.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import TrialRecord

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(__file__).with_name("hosts.py")
PATIENCE = 600.0  # seconds without a change until a step that waits gives up
STUDY = "mini --set confirm=null --set resources.gpu=auto --set data.dev_rows=60"
COUNT = """
import mlflow, json
client = mlflow.MlflowClient("http://127.0.0.1:5000")
[experiment] = [e for e in client.search_experiments() if e.name == "mini"]
runs = client.search_runs([experiment.experiment_id], max_results=1000)
print(json.dumps(sorted((r.data.tags.get("xrt.trial", ""), r.info.status) for r in runs)))
"""


def hosts(*words: str, check: bool = True, given: bytes = b"") -> str:
    """Run a command of the tool that makes hosts; returns its output."""
    command = [sys.executable, str(TOOL), *words]
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(words)}:\n{done.stdout.decode()[-3000:]}")
    return done.stdout.decode()


def begin(count: int, share: Path) -> None:
    """Make a laptop and `count` hosts; put the checkout on the laptop and a token beside it."""
    os.chmod(share, 0o777)
    hosts("up", str(count), "--share", str(share))
    hosts("exec", "ctl", "mkdir xrt; tar x -C xrt", given=packed())
    pins = (ROOT / "constraints.txt").read_bytes()
    for host in ("ctl", *(f"h{i}" for i in range(count))):
        # As if installed: a host reaches no package index.
        hosts("exec", host, f"ln -s {sys.prefix} xrt-venv; cat > .xrt-pins", given=pins)
    hosts("exec", "ctl", "ray get-auth-token --generate")


def packed() -> bytes:
    """The checkout as a tar file."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    words = ["tar", "c", "--null", "-T", "-"]
    return subprocess.run(words, cwd=ROOT, input=listed, stdout=subprocess.PIPE, check=True).stdout


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def until(what: str, happened: Callable[[], Any], sign: Callable[[], Any], seen: Callable[[], str]) -> Any:
    """Wait until something has happened; what it was.

    Args:
        sign: A value that changes while the cluster makes progress.
        seen: What to show when nothing has changed for `PATIENCE` seconds.
    """
    last, since = sign(), time.monotonic()
    while not (found := happened()):
        if (now := sign()) != last:
            last, since = now, time.monotonic()
        if time.monotonic() - since > PATIENCE:
            raise SystemExit(f"{what}: nothing has changed for {PATIENCE:.0f} s\n{seen()}")
        time.sleep(1)
    say(what)
    return found


def stamps(folder: Path) -> float:
    """The time of the last write in a folder."""
    return max((path.lstat().st_mtime for path in folder.rglob("*.json")), default=0.0)


class Cluster:
    """A head and two workers; `head` may be another host after the first is lost. A context manager."""

    def __init__(self, share: Path) -> None:
        self.share, self.results = share, Results(share / "results")
        self.file = "cluster.yaml"

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        hosts("down")

    def up(self, head: str) -> None:
        """`ray up` with our own file for such machines, changed where it says CHANGE and for logical GPUs."""
        config = yaml.safe_load((ROOT / "cluster.local.yaml").read_text())
        config["cluster_name"] = f"xrt-{head}"
        config["provider"] |= {"head_ip": address(head), "worker_ips": [address("h1"), address("h2")]}
        small = " --object-store-memory=100000000"
        config["head_start_ray_commands"][-1] += small
        config["worker_start_ray_commands"][-1] += f" --num-cpus=1 --num-gpus=1{small}"
        setup = config["setup_commands"][-1].replace("/shared/results", str(self.results.root))
        config["setup_commands"][-1] = setup.replace("cpus=8", "cpus=1")
        file = self.share / f"{head}.yaml"
        file.write_text(yaml.safe_dump(config))
        self.file = str(file)
        began = time.monotonic()
        self.laptop(f"RAY_UP_enable_autoscaler_v2=0 ray up -y --disable-usage-stats {self.file}")
        say(f"ray up: {time.monotonic() - began:.0f} s")

    def laptop(self, command: str, check: bool = True) -> str:
        """Run a command on the laptop."""
        return hosts("exec", "ctl", f"cd xrt; {command}", check=check)

    def submit(self, command: str) -> None:
        """Submit a command to the cluster, which runs it even if the laptop disconnects."""
        self.laptop(f"ray exec {self.file} 'ray job submit --no-wait -- python -m xrt.study {command}'")

    def run(self) -> Run:
        return Run.open(self.results, "mini")

    def wait(self, what: str, happened: Callable[[Run], Any]) -> None:
        def seen() -> str:
            return self.laptop(f"ray exec {self.file} 'ray status; ray job list'", check=False)

        root = self.results.root
        until(what, lambda: self.results.runs() and happened(self.run()), lambda: stamps(root), seen)

    def finish(self, trials: int) -> None:
        """Wait for the end of the run, and check that everything is recorded exactly once."""
        self.wait("the run has ended", lambda run: run.meta.status != "running")
        say(self.laptop(f"python -m xrt.study status mini --results {self.results.root}"))
        run = self.run()
        assert run.meta.status == "finished"
        assert [t.id for t in run.trials()] == [f"{i:04d}" for i in range(trials)]
        assert {t.state for t in run.trials()} <= {"finished", "pruned"}
        assert {t.node for t in run.trials()} <= {"rh-h1", "rh-h2"}, "the head runs no trials"
        for trial in run.trials():
            assert [r.rung for r in trial.reports] == list(range(len(trial.reports)))
        place = self.share / "count.py"
        place.write_text(COUNT)
        counted = self.laptop(f"ray exec {self.file} 'python {place}' 2>&1 | grep '^\\[\\['")
        stored = sorted([t.id, "FINISHED" if t.state == "finished" else "KILLED"] for t in run.trials())
        assert yaml.safe_load(counted) == [["", "FINISHED"], *stored], counted
        say(f"MLflow on PostgreSQL has the run and its {trials} trials, once each")

    def down(self) -> None:
        self.laptop(f"ray down -y {self.file}")
        say("ray down")


def address(host: str) -> str:
    return f"10.77.0.{10 + int(host[1:])}"


def tunnel(file: str) -> str:
    """The command that opens the tunnel to MLflow and waits for it; it closes with the laptop."""
    opened = f"(setsid python -m xrt.study ui --cluster {file} > tunnel.log 2>&1 < /dev/null &)"
    return f"{opened}; until curl -sf http://127.0.0.1:5000/health > /dev/null; do sleep 1; done"


def study(cluster: Cluster) -> None:
    """A study across a head and two workers, submitted, watched from outside, brought down."""
    cluster.up("h0")
    cluster.submit(f"run {STUDY} --set search.trials=8 --set pruning=null")
    cluster.finish(8)  # none shorter than the start of a process: see "Scale" in docs/cluster.md
    cluster.laptop(f"{tunnel(cluster.file)}; curl -sf http://127.0.0.1:5000/health | grep OK")
    say("MLflow on the head, through the tunnel of `ui`")
    assert {t.node for t in cluster.run().trials()} == {"rh-h1", "rh-h2"}, "both workers had trials"
    cluster.down()


def worker(cluster: Cluster) -> None:
    """A worker's plug is pulled: its trial resumes from its checkpoint on the other."""
    cluster.up("h0")
    # a rung takes longer than the start of a process: else the second worker stays empty
    cluster.submit(f"run {STUDY} --set search.trials=5 --set training.epochs=160 --set pruning.reduction=2")
    on_h2 = lambda t: t.node == "rh-h2" and t.state == "running" and t.reports  # noqa: E731
    cluster.wait("a trial on h2 has reported", lambda run: any(on_h2(t) for t in run.trials()))
    [lost] = [t for t in cluster.run().trials() if on_h2(t)]
    hosts("kill", "h2")
    say(f"h2 is off, with trial {lost.id} after {len(lost.reports)} reports")
    cluster.finish(5)
    again = cluster.run().trial(lost.id)
    assert again.reports[: len(lost.reports)] == lost.reports, "what was reported before stays"
    assert again.node == "rh-h1" or len(again.reports) == len(lost.reports)
    assert_resumed(again, len(again.reports))  # Tune goes on counting
    cluster.down()


def assert_resumed(trial: TrialRecord, here: int) -> None:
    """It saved a checkpoint for each of its `here` last rungs: had it begun again from zero there would be more."""
    if trial.state == "finished" and trial.checkpoint:  # of others nothing is kept
        assert int(trial.checkpoint[-6:]) + 1 == here, trial.checkpoint
        say(f"trial {trial.id} went on from its checkpoint: {here} checkpoints for its last {here} reports")


def head(cluster: Cluster) -> None:
    """The head's plug is pulled: another head takes the study over from the shared folder."""
    cluster.up("h0")
    cluster.submit(f"run {STUDY} --set search.trials=5 --set training.epochs=8 --set pruning.reduction=2")
    cluster.wait("five reports", lambda run: sum(len(t.reports) for t in run.trials()) >= 5)
    before = {t.id: t for t in cluster.run().trials()}
    hosts("kill", "h0")
    say(f"h0, the head, is off: {[(t.id, t.state, len(t.reports)) for t in before.values()]}")
    cluster.up("h3")
    cluster.submit("resume mini")
    cluster.wait("resumed", lambda run: run.meta.status == "running" and run.holder())
    cluster.finish(5)
    for trial in cluster.run().trials():
        known = before[trial.id].reports if trial.id in before else ()
        assert trial.reports[: len(known)] == known, "what was reported before stays, with its times"
        if known and before[trial.id].state == "running":
            assert_resumed(trial, len(trial.reports) - len(known))
    cluster.down()


def main() -> None:
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="xrt-share-") as folder, Cluster(Path(folder)) as cluster:
            say(f"== {name}")
            begin(4, Path(folder))
            {"study": study, "worker": worker, "head": head}[name](cluster)
            say(f"== {name}: all as it should be")


if __name__ == "__main__":
    main()
