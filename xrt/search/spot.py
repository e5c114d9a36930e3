"""Machines of AWS for Ray's cluster launcher: on spot, and on demand where there are none on spot.

Ray's own provider for AWS asks in one market; when EC2 has nothing there, Ray's autoscaler (seen with 2.60) asks for
the same again every few seconds, for ever, whatever other kinds of machine the cluster file has. Named by
`provider.module` of cluster.yaml; Ray loads it on the laptop and on the head.
"""

import threading
from typing import Any

from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler.node_launch_exception import NodeLaunchException

# EC2's words for: no such machine on spot now; no quota for one; none at that price
SCARCE = {"InsufficientInstanceCapacity", "MaxSpotInstanceCountExceeded", "SpotMaxPriceTooLow"}
ON_DEMAND = {"xrt-market": "on-demand"}  # the tag of a machine that stands in for one on spot


class SpotFirst(AWSNodeProvider):
    """EC2, where a machine on spot that cannot be had is one on demand: at most `provider.on_demand` at a time."""

    _one_at_a_time = threading.Lock()  # the autoscaler launches from several threads

    def create_node(self, node_config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        """Launch up to `count` machines.

        Raises:
            NodeLaunchException: there are none, or none on spot and as many on demand as there may be.
        """
        try:
            return super().create_node(node_config, tags, count)
        except NodeLaunchException as error:
            if "InstanceMarketOptions" not in node_config or error.category not in SCARCE:
                raise
            with self._one_at_a_time:
                there = len(self.non_terminated_nodes(ON_DEMAND))
                room = int(self.provider_config.get("on_demand", 0)) - there
                if room < 1:
                    raise
                on_demand = {k: v for k, v in node_config.items() if k != "InstanceMarketOptions"}
                return super().create_node(on_demand, tags | ON_DEMAND, min(count, room))
