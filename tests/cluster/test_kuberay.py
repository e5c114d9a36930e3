"""The manifest against KubeRay's own schema, with unknown fields refused, as `kubectl apply --validate=strict` does."""

import copy
import gzip
import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from tests.conftest import ROOT
from xrt.search.packing import described

# The schema of version v1 in ray-operator/config/crd/bases/ray.io_rayjobs.yaml of github.com/ray-project/kuberay, tag
# v1.7.0 (59d663aeec13760646da3db9c1cf8cfe883e30b7), Apache-2.0, without its descriptions.
SCHEMA = ROOT / "tests" / "cluster" / "rayjob-v1.json.gz"
MANIFEST = yaml.safe_load((ROOT / "cluster" / "kuberay.yaml").read_text())
CLUSTER = MANIFEST["spec"]["rayClusterSpec"]


def strict(schema: Any) -> Any:
    """The same schema, which refuses unknown fields; where it allows texts for numbers, both are accepted."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(part) for key, part in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    elif schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        made.setdefault("additionalProperties", bool(schema.get("x-kubernetes-preserve-unknown-fields")))
    return made


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = strict(json.loads(gzip.decompress(SCHEMA.read_bytes())))
    schema["properties"]["metadata"] = {"type": "object"}  # the API server's own
    return Draft202012Validator(schema)


def test_kuberay_takes_the_manifest(validator):
    validator.validate(MANIFEST)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m["spec"].update(entrypont="x"),
        lambda m: m["spec"].update(backoffLimit="three"),
        lambda m: m["spec"]["rayClusterSpec"]["workerGroupSpecs"][0].update(priorty=1),
        lambda m: m["spec"]["rayClusterSpec"]["workerGroupSpecs"][0].pop("groupName"),
        lambda m: m["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"].update(container=[]),
    ],
)
def test_a_mistake_in_it_is_refused(validator, spoil):
    manifest = copy.deepcopy(MANIFEST)
    spoil(manifest)
    with pytest.raises(ValidationError):
        validator.validate(manifest)


def pods() -> dict[str, dict[str, Any]]:
    """The pod of each group."""
    groups = {g["groupName"]: g for g in CLUSTER["workerGroupSpecs"]} | {"head": CLUSTER["headGroupSpec"]}
    return {name: group["template"]["spec"] for name, group in groups.items()}


def test_the_token_is_that_of_a_secret_and_stands_nowhere():
    assert CLUSTER["authOptions"] == {"mode": "token", "secretName": "xrt-token"}
    assert "RAY_AUTH" not in json.dumps(MANIFEST)


def test_the_head_runs_no_trials_and_spot_workers_come_first_from_none():
    assert (
        CLUSTER["headGroupSpec"]["rayStartParams"] | {"num-cpus": "0", "num-gpus": "0"}
        == (CLUSTER["headGroupSpec"]["rayStartParams"])
    )
    by_priority = sorted(CLUSTER["workerGroupSpecs"], key=lambda g: -g["priority"])
    assert [g["groupName"] for g in by_priority] == ["spot", "on-demand"]
    assert all(g["minReplicas"] == g["replicas"] == 0 for g in by_priority)


def test_what_it_says_of_the_workers_is_what_they_are():
    [head] = pods()["head"]["containers"]
    said = described({e["name"]: e.get("value") for e in head["env"]}["XRT_WORKERS"])
    for name in ("spot", "on-demand"):
        limits = pods()[name]["containers"][0]["resources"]["limits"]
        assert (limits["cpu"], limits["nvidia.com/gpu"]) == (str(said.cpus), f"{said.gpus:.0f}")
    assert said.count == max(g["maxReplicas"] for g in CLUSTER["workerGroupSpecs"])


def test_a_job_that_is_tried_again_goes_on_with_the_ray_that_is_pinned():
    assert "run --resume" in MANIFEST["spec"]["entrypoint"] and MANIFEST["spec"]["backoffLimit"] > 0
    assert f"ray=={CLUSTER['rayVersion']}" in (ROOT / "constraints.txt").read_text().split()
