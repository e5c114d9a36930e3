"""`cluster.yaml` the whole way, with a mock for AWS: Ray launches throw-away hosts as if they were EC2's machines.

    python -m tests.cluster.cloud

The hosts are those of `machines.py`; moto stands for EC2, IAM and S3, `hypervisor.py` for the data centre. Results are
in the mock's bucket. What is changed in our file is what it marks with CHANGE, and what a machine without internet
lacks: addresses are internal ones, the packages are there as if they had been in the image.

    ray up; a study; a spot machine is taken away, and there are no others; the head is lost; resume; `status` from the
    laptop; ray down
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.machines import COUNT, ROOT, begin, hosts, say, tunnel, until

LAPTOP = "10.77.0.1"
ENDPOINT = f"http://{LAPTOP}:5000"
HERE = "PYTHONPATH=$HOME/xrt"  # the checkout, which users install; the hosts' packages are those of another place
CLOUD = f"AWS_ENDPOINT_URL={ENDPOINT} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1"
RESULTS = "s3://xrt-results/xrt"
TRIALS = 16
STUDY = (
    f"mini --set confirm=null --set search.trials={TRIALS} --set training.epochs=30 --set pruning.reduction=2 "
    "--set resources.gpu=auto"
)
HOSTS = 9
ACCOUNT = """
import boto3, json, os
ec2, iam = boto3.client("ec2"), boto3.client("iam")
key = os.popen("ssh-keygen -y -f ~/.ssh/id_ed25519").read().encode()
ec2.import_key_pair(KeyName="xrt", PublicKeyMaterial=key)
zone = {"Name": "availability-zone", "Values": ["us-east-1a"]}
subnet = ec2.describe_subnets(Filters=[zone])["Subnets"][0]
group = ec2.create_security_group(GroupName="xrt", Description="xrt", VpcId=subnet["VpcId"])["GroupId"]
for name in ("xrt-head", "xrt-worker"):
    iam.create_instance_profile(InstanceProfileName=name)
boto3.client("s3").create_bucket(Bucket="xrt-results")
image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
print(json.dumps({"ami-0123456789abcdef0": image, "subnet-0123456789abcdef0": subnet["SubnetId"],
                  "sg-0123456789abcdef0": group}))
"""
MOCK = f"""
import os
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse
from moto.server import main
asked = InstanceResponse._get_param
def plenty(self, name, *rest, **named):  # EC2 gives as many machines as there are, moto the fewest that do
    return asked(self, "MaxCount" if name == "MinCount" else name, *rest, **named)
runs = InstanceResponse.run_instances
def scarce(self):  # as EC2 answers when others pay more
    if asked(self, "InstanceMarketOptions.MarketType") == "spot" and os.path.exists("no-spot"):
        raise EC2ClientError("InsufficientInstanceCapacity", "There is no Spot capacity available.")
    return runs(self)
InstanceResponse._get_param, InstanceResponse.run_instances = plenty, scarce
main("-H {LAPTOP} -p 5000".split())
"""
INSTANCES = """
import boto3, json
found = [i for r in boto3.client("ec2").describe_instances()["Reservations"] for i in r["Instances"]]
head = lambda i: {"Key": "ray-user-node-type", "Value": "head"} in i["Tags"]
kind = lambda i: "head" if head(i) else i.get("InstanceLifecycle", "on demand")
print(json.dumps([[i["InstanceId"], kind(i)] for i in found if i["State"]["Name"] in ("pending", "running")]))
"""
END = """
import boto3, sys
boto3.client("ec2").terminate_instances(InstanceIds=sys.argv[1:])
print("null")
"""
STORED = """
import boto3, json
found = boto3.client("s3").list_objects_v2(Bucket="xrt-results", Prefix="xrt/mlartifacts/").get("Contents", [])
print(json.dumps([one["Key"] for one in found]))
"""
RECORD = f"""
import json
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.files import plain
results = Results.at("{RESULTS}")
run = Run.open(results, "mini") if results.runs() else None
print(json.dumps(plain({{"meta": run.meta, "trials": run.trials(), "holder": run.holder()}} if run else None)))
"""


def laptop(command: str, check: bool = True) -> str:
    """Run a command on the laptop; returns its output."""
    return hosts("exec", "ctl", f"cd xrt; export {HERE} {CLOUD}; {command}", check=check)


def script(text: str, *arguments: str) -> Any:
    """Run a Python script on the laptop; returns its last line, parsed as JSON."""
    hosts("exec", "ctl", "cat > script.py", given=text.encode())
    lines = laptop(f"python ../script.py {' '.join(arguments)}").strip().splitlines()
    return json.loads(lines[-1]) if lines else None


def wait(what: str, happened: Callable[[], Any]) -> Any:
    def seen() -> str:
        return laptop("ray exec aws.yaml 'ray status; ray job list'", check=False)

    return until(what, happened, lambda: (script(RECORD), running()), seen)


def running() -> list[tuple[str, str]]:
    """The running instances: id, and "head" or the market."""
    return [(id, kind) for id, kind in script(INSTANCES)]


def end(id: str, what: str) -> None:
    """Take a machine away, as EC2 does with one on spot."""
    script(END, id)
    say(f"{what} is gone")


def trials() -> list[dict[str, Any]]:
    """The trials by the record in the bucket, read from the laptop."""
    found = script(RECORD)
    return found["trials"] if found else []


def prepare(listed: Path) -> subprocess.Popen[bytes]:
    """The mock account with what docs/cluster.md asks for, our file filled in, and the data centre."""
    hosts("exec", "ctl", "cat > mock.py", given=MOCK.encode())
    hosts("exec", "ctl", "setsid nohup python mock.py > mock.log 2>&1 < /dev/null &")
    laptop("until curl -sf $AWS_ENDPOINT_URL > /dev/null; do sleep 1; done")
    hosts("exec", "ctl", "cat > xrt/aws.yaml", given=yaml.safe_dump(ours(script(ACCOUNT))).encode())
    pids = dict(re.findall(r"^(\w+) .* pid (\d+)", hosts("status"), re.MULTILINE))
    environment = os.environ | dict(pair.split("=", 1) for pair in CLOUD.split())
    inside = ["nsenter", "-t", pids.pop("ctl"), "-n", sys.executable, "-m", "tests.cluster.hypervisor"]
    beginning = [*inside, ENDPOINT, str(listed), *(f"{host}={pid}" for host, pid in pids.items())]
    return subprocess.Popen(beginning, cwd=ROOT, env=environment)


def ours(filled: dict[str, str]) -> dict[str, Any]:
    """`cluster.yaml` with its CHANGEs made, for machines without internet and with two cores for all."""
    text = (ROOT / "cluster.yaml").read_text().replace("~/.ssh/xrt.pem", "~/.ssh/id_ed25519")
    text = text.replace("s3://CHANGE-results/xrt", f"{RESULTS} {HERE} {CLOUD}")
    text = text.replace("count=8,cpus=8,gpus=1,gpu_gib=22", "count=2,cpus=1,gpus=1")
    for placeholder, made in filled.items():
        text = text.replace(placeholder, made)
    config: dict[str, Any] = yaml.safe_load(text)
    config |= {"max_workers": 2, "idle_timeout_minutes": 1}
    config["provider"] |= {"use_internal_ips": True, "availability_zone": "us-east-1a"}
    kinds = config["available_node_types"]
    kinds["gpu"] |= {"max_workers": 2, "resources": {"CPU": 1, "GPU": 1}}
    config["setup_commands"] = [c for c in config["setup_commands"] if "apt-get" not in c]
    for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
        config[commands][-1] += " --object-store-memory=100000000"
    return config


def up() -> None:
    began = time.monotonic()
    laptop("ray up -y --disable-usage-stats aws.yaml")
    say(f"ray up: {time.monotonic() - began:.0f} s")


def submit(command: str) -> None:
    laptop(f"ray exec aws.yaml 'ray job submit --no-wait -- python -m xrt.study {command}'")


def study(listed: Path) -> None:
    """A study on spot machines, with its two misfortunes."""
    up()
    assert [kind for _, kind in running()] == ["head"], "workers come with the work"
    submit(f"run {STUDY}")
    wait("workers have come", lambda: len(running()) == 3)
    assert {kind for _, kind in running()} == {"head", "spot"}, "where there are spot machines, no others"
    [first, *_] = wait(
        "a trial has reported", lambda: [t for t in trials() if t["reports"] and not t["ended"]]
    )
    where = {f"rh-{host}": id for id, host in json.loads(listed.read_text()).items()}
    hosts("exec", "ctl", "touch no-spot")
    end(where[first["node"]], f"the machine of trial {first['id']}")
    wait(
        "it goes on elsewhere",
        lambda: any(t["id"] == first["id"] and t["node"] != first["node"] for t in trials()),
    )
    wait("a machine on demand has come", lambda: "on demand" in {kind for _, kind in running()})
    [old] = [id for id, kind in running() if kind == "head"]
    end(old, "the head")
    up()
    wait("the old head counts as gone", lambda: not script(RECORD)["holder"])
    submit("resume mini")
    wait("the run has ended", lambda: script(RECORD)["meta"]["status"] == "finished")
    finish(first)


def finish(first: dict[str, Any]) -> None:
    """All trials are accounted for, once, in the bucket and in MLflow; and the machines go."""
    say(laptop(f"python -m xrt.study status mini --results {RESULTS}"))
    ended = trials()
    assert [t["id"] for t in ended] == [f"{i:04d}" for i in range(TRIALS)]
    assert {t["state"] for t in ended} <= {"finished", "pruned"}
    [again] = [t for t in ended if t["id"] == first["id"]]
    assert again["reports"][: len(first["reports"])] == first["reports"], "what was reported before stays"
    hosts("exec", "ctl", "cat > xrt/count.py", given=COUNT.encode())
    laptop("ray rsync-up aws.yaml ./count.py '~/count.py'")
    counted = laptop("ray exec aws.yaml 'python ~/count.py' 2>&1 | grep '^\\[\\['")
    stored = sorted([t["id"], "FINISHED" if t["state"] == "finished" else "KILLED"] for t in ended)
    assert yaml.safe_load(counted) == [["", "FINISHED"], *stored], counted
    assert any(key.endswith("report.html") for key in script(STORED)), script(STORED)
    # Ray's own lines come behind the command's, and these end as a terminal's do.
    read = "ray exec aws.yaml 'cat ~/.mlflow/credentials' | sed -n 's/^mlflow_tracking_password = //p' | tr -d '\\r'"
    login = f'export MLFLOW_TRACKING_USERNAME=xrt MLFLOW_TRACKING_PASSWORD="$({read})"'
    told = laptop(
        f"{tunnel('aws.yaml')}; {login}; python -m xrt.study sync mini --results {RESULTS} --tracking http://127.0.0.1:5000"
    )
    say(told.strip())
    assert "is up to date" in told or "0 runs created, 0 points sent" in told, "nothing is doubled"
    say(
        "MLflow on the new head has the run and its trials, once each, and files in the bucket; the laptop reaches it"
    )
    wait("idle workers have gone", lambda: len(running()) == 1)
    laptop("ray down -y aws.yaml")
    assert not running()
    say("ray down: nothing runs any more")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="xrt-share-") as share:
        begin(HOSTS, Path(share))
        try:
            listed = Path(share, "hosts.json")
            centre = prepare(listed)
            try:
                study(listed)
            finally:
                centre.kill()
        finally:
            hosts("down")


if __name__ == "__main__":
    main()
