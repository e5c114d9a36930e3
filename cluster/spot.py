"""AWS machines for Ray's cluster launcher: on spot, then on spot of another type of the same size, then on-demand.

It is not part of the package, because it uses a private module of Ray: no public one suffices. When EC2 refuses
RunInstances, Ray's AWS provider raises, but the refusal never reaches the autoscaler's record of availability, so it
requests the same machine every few seconds, for ever, whatever other node types the cluster file has (ray issues 58623,
62997, 57153; seen with 2.60, `python -m tests.cluster.cloud`). When one of these is closed, try the cluster file with a
second node type and without this file.

`provider.module` of cluster.yaml names it; Ray loads it on the laptop (PYTHONPATH=. in the folder above) and on the
head, where that folder is installed by `pip install --editable`.
"""

import threading
from typing import Any

import ray
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler.node_launch_exception import NodeLaunchException

# Private modules may change with the next minor version: try it there, then change this.
RAY = "2.60"
if not ray.__version__.startswith(f"{RAY}."):
    raise ImportError(
        f"cluster/spot.py is for Ray {RAY}, this is {ray.__version__}: install the pinned packages of constraints.txt, "
        "or put `type: aws` in place of provider.type and provider.module (then on spot alone)."
    )

# EC2's errors for: no such machine on spot now; no quota for one; none at that price.
SCARCE = {"InsufficientInstanceCapacity", "MaxSpotInstanceCountExceeded", "SpotMaxPriceTooLow"}
ON_DEMAND = {"xrt-market": "on-demand"}  # the tag of a machine that replaces one on spot


class SpotFirst(AWSNodeProvider):
    """EC2. If spot has no such machine, one of a type in `provider.or_else` is tried on spot, then one on-demand.

    At most `provider.on_demand` machines are on-demand at a time.
    """

    _one_at_a_time = threading.Lock()  # the autoscaler launches from several threads

    def create_node(self, node_config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        """Launch up to `count` machines.

        Raises:
            NodeLaunchException: there are none, or none on spot and the limit of on-demand machines is reached.
        """
        if "InstanceMarketOptions" not in node_config:
            return super().create_node(node_config, tags, count)
        kinds = [node_config["InstanceType"], *self.provider_config.get("or_else", [])]
        for kind in kinds:
            try:
                return super().create_node(node_config | {"InstanceType": kind}, tags, count)
            except NodeLaunchException as error:
                if error.category not in SCARCE:
                    raise
                refused = error  # the name `error` ends with its block
        with self._one_at_a_time:
            there = len(self.non_terminated_nodes(ON_DEMAND))
            room = int(self.provider_config.get("on_demand", 0)) - there
            if room < 1:
                raise refused
            on_demand = {k: v for k, v in node_config.items() if k != "InstanceMarketOptions"}
            return super().create_node(on_demand, tags | ON_DEMAND, min(count, room))
