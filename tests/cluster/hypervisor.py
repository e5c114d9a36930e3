"""What stands behind the mock of EC2 in `cloud.py`: each instance that runs gets a host, whose plug goes with it.

    python -m tests.cluster.hypervisor ENDPOINT LIST HOST=PID...    (in the network of the host that is the laptop)

A host is given once, so that every instance begins with an empty disk. Its network card gets the instance's address.
LIST is a file that says which host each instance has.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import boto3

from tests.cluster.hosts import kill

GATEWAY = "172.31.0.1"  # the laptop, in the network that the mock gives to instances


def sh(command: str) -> None:
    subprocess.run(command, shell=True, check=True)


def main(endpoint: str, listed: Path, hosts: dict[str, int]) -> None:
    ec2 = boto3.client("ec2", endpoint_url=endpoint)
    sh(f"ip addr add {GATEWAY}/16 dev br0")
    given: dict[str, str] = {}
    gone: set[str] = set()
    while True:
        found = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        for instance in found:
            id, state = instance["InstanceId"], instance["State"]["Name"]
            if state == "running" and id not in given:
                given[id] = next(host for host in hosts if host not in given.values())
                plug_in(hosts[given[id]], instance["PrivateIpAddress"])
                listed.write_text(json.dumps(given))
                life = instance.get("InstanceLifecycle", "on demand")
                print(f"{id}: {instance['InstanceType']}, {life}, is {given[id]}", flush=True)
            if state in ("shutting-down", "terminated") and id in given and id not in gone:
                gone.add(id)
                kill(given[id])
        time.sleep(1)


def plug_in(pid: int, address: str) -> None:
    """Give an instance's address to the host whose first process is `pid`."""
    sh(f"nsenter -t {pid} -n ip addr flush dev eth0")
    sh(f"nsenter -t {pid} -n ip addr add {address}/16 dev eth0")
    sh(f"nsenter -t {pid} -n ip route add default via {GATEWAY}")


if __name__ == "__main__":
    pairs = (pair.split("=") for pair in sys.argv[3:])
    main(sys.argv[1], Path(sys.argv[2]), {host: int(pid) for host, pid in pairs})
