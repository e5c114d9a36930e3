"""Machines of AWS for Ray's cluster launcher: on spot, of another type of the same size, and then on demand.

Why it is here, and not part of the package: it reaches into a module of Ray that is not public, because no public one
serves. When EC2 refuses RunInstances, Ray's AWS provider raises, but the refusal never reaches what Ray's autoscaler
calls availability, so that it asks for the same machine again every few seconds, for ever, whatever other kinds the
cluster file has (ray issues 58623, 62997, 57153; seen with 2.60, `python -m tests.cluster.cloud`). When one of them is
closed, try the cluster file with a second node type and without this file.

`provider.module` of cluster.yaml names it; Ray loads it on the laptop and on the head, where the checkout is installed
(`pip install --editable`), so that `cluster.spot` can be imported.
"""

import threading
from typing import Any

import ray
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler.node_launch_exception import NodeLaunchException

# what is private may be another thing in the next minor version: try it there, then change this
RAY = "2.60"
if not ray.__version__.startswith(f"{RAY}."):
    raise ImportError(
        f"cluster/spot.py is for Ray {RAY}, this is {ray.__version__}: install the pinned packages of constraints.txt, "
        "or put `type: aws` in place of provider.type and provider.module (then on spot alone)."
    )

# EC2's words for: no such machine on spot now; no quota for one; none at that price
SCARCE = {"InsufficientInstanceCapacity", "MaxSpotInstanceCountExceeded", "SpotMaxPriceTooLow"}
ON_DEMAND = {"xrt-market": "on-demand"}  # the tag of a machine that stands in for one on spot


class SpotFirst(AWSNodeProvider):
    """EC2, where a machine on spot that cannot be had is of a type in `provider.or_else`, then one on demand.

    On demand there are at most `provider.on_demand` at a time.
    """

    _one_at_a_time = threading.Lock()  # the autoscaler launches from several threads

    def create_node(self, node_config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        """Launch up to `count` machines.

        Raises:
            NodeLaunchException: there are none, or none on spot and as many on demand as there may be.
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
                refused = error  # a name of `except` ends with it
        with self._one_at_a_time:
            there = len(self.non_terminated_nodes(ON_DEMAND))
            room = int(self.provider_config.get("on_demand", 0)) - there
            if room < 1:
                raise refused
            on_demand = {k: v for k, v in node_config.items() if k != "InstanceMarketOptions"}
            return super().create_node(on_demand, tags | ON_DEMAND, min(count, room))
