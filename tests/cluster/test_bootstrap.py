import copy
import importlib
import sys
from collections.abc import Iterator

import boto3
import pytest
import ray
import yaml
from moto import mock_aws
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse
from ray.autoscaler import tags
from ray.autoscaler._private.providers import _get_node_provider
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.node_launch_exception import NodeLaunchException

from tests.conftest import ROOT

REGION = "us-east-1"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[dict]:
    """Our file, filled in with what its CHANGEs name, in a mock account that has it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        ec2, iam = boto3.client("ec2", region_name=REGION), boto3.client("iam", region_name=REGION)
        text = (ROOT / "cluster.yaml").read_text()
        text = text.replace(
            "ami-0123456789abcdef0", ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        )
        subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": [f"{REGION}a"]}])
        text = text.replace("subnet-0123456789abcdef0", subnet["Subnets"][0]["SubnetId"])
        group = ec2.create_security_group(
            GroupName="xrt", Description="xrt", VpcId=subnet["Subnets"][0]["VpcId"]
        )
        text = text.replace("sg-0123456789abcdef0", group["GroupId"])
        key = tmp_path / "xrt.pem"
        key.write_text(ec2.create_key_pair(KeyName="xrt")["KeyMaterial"])
        for name in ("xrt-head", "xrt-worker"):
            iam.create_instance_profile(InstanceProfileName=name)
        config = yaml.safe_load(text.replace("~/.ssh/xrt.pem", str(key)))
        yield prepare_config(copy.deepcopy(config))


@pytest.fixture
def provider(account):
    """The provider that Ray makes of it, on Ray's own path."""
    validate_config(account)
    return _get_node_provider(account["provider"], account["cluster_name"], use_cache=False)


@pytest.fixture
def cluster(account, provider) -> dict:
    """The configuration that Ray makes of the rest."""
    return provider.bootstrap_config(copy.deepcopy(account))


def launch(cluster: dict, provider, kind: str, count: int = 1) -> list[dict]:
    """EC2's description of the machines that the provider made."""
    role = tags.NODE_KIND_HEAD if kind == "head" else tags.NODE_KIND_WORKER
    marks = {tags.TAG_RAY_NODE_KIND: role, tags.TAG_RAY_USER_NODE_TYPE: kind}
    node = copy.deepcopy(cluster["available_node_types"][kind]["node_config"])
    made = list(provider.create_node(node, marks, count))
    assert set(made) <= set(provider.non_terminated_nodes(marks))
    found = boto3.client("ec2", region_name=REGION).describe_instances(InstanceIds=made)["Reservations"]
    return [instance for reservation in found for instance in reservation["Instances"]]


def test_ray_finds_everything_that_the_file_names_and_makes_nothing_of_its_own(account, cluster):
    assert cluster["available_node_types"].keys() == account["available_node_types"].keys() == {"head", "gpu"}
    for name, node in cluster["available_node_types"].items():
        given = account["available_node_types"][name]["node_config"]
        made = node["node_config"]
        for field in ("SubnetIds", "SecurityGroupIds", "KeyName", "IamInstanceProfile", "ImageId"):
            assert made[field] == given[field]
    assert not boto3.client("iam", region_name=REGION).list_roles()["Roles"], "no role with full access"


@pytest.mark.parametrize(("kind", "market"), [("head", None), ("gpu", "spot")])
def test_each_kind_of_machine_is_launched_as_the_file_says(account, cluster, provider, kind, market):
    expected = copy.deepcopy(account["available_node_types"][kind]["node_config"])
    [instance] = launch(cluster, provider, kind)
    assert instance["InstanceType"] == expected["InstanceType"]
    assert instance.get("InstanceLifecycle") == market
    assert instance["IamInstanceProfile"]["Arn"].endswith(expected["IamInstanceProfile"]["Name"])
    ec2, id = boto3.client("ec2", region_name=REGION), instance["InstanceId"]
    [disk] = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [id]}])["Volumes"]
    ebs = expected["BlockDeviceMappings"][0]["Ebs"]
    assert (disk["Size"], disk["VolumeType"], disk["Encrypted"]) == (ebs["VolumeSize"], "gp3", True)
    provider.terminate_nodes([id])
    assert provider.non_terminated_nodes({}) == []


def refusing(
    monkeypatch: pytest.MonkeyPatch, code: str, market: str | None, *, type: str | None = None
) -> None:
    """EC2 has no machine of a market, or of one type there."""
    runs, asked = InstanceResponse.run_instances, InstanceResponse._get_param

    def plenty(self: InstanceResponse, name: str, *rest, **named):
        """EC2 starts as many machines as it has, moto the smallest requested number."""
        return asked(self, "MaxCount" if name == "MinCount" else name, *rest, **named)

    def refuse(self: InstanceResponse):
        wanted = self._get_param("InstanceMarketOptions.MarketType"), self._get_param("InstanceType")
        if wanted == (market, type or wanted[1]):
            raise EC2ClientError(code, "There is none.")
        return runs(self)

    monkeypatch.setattr(InstanceResponse, "_get_param", plenty)
    monkeypatch.setattr(InstanceResponse, "run_instances", refuse)


def test_where_there_is_none_of_a_type_on_spot_it_is_another_of_the_same_size(cluster, provider, monkeypatch):
    usual = cluster["available_node_types"]["gpu"]["node_config"]["InstanceType"]
    refusing(monkeypatch, "InsufficientInstanceCapacity", "spot", type=usual)
    [instance] = launch(cluster, provider, "gpu")
    assert instance["InstanceType"] == provider.provider_config["or_else"][0] != usual
    assert instance.get("InstanceLifecycle") == "spot"


def test_another_minor_version_of_ray_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr(ray, "__version__", "2.61.0")
    monkeypatch.delitem(sys.modules, "cluster.spot", raising=False)
    with pytest.raises(ImportError, match=r"is for Ray 2\.60, this is 2\.61\.0: install the pinned packages"):
        importlib.import_module("cluster.spot")


def test_where_there_is_none_on_spot_a_few_machines_are_on_demand(cluster, provider, monkeypatch):
    on_spot = launch(cluster, provider, "gpu")
    refusing(monkeypatch, "InsufficientInstanceCapacity", "spot")
    instead = launch(cluster, provider, "gpu", 5)
    assert [i.get("InstanceLifecycle") for i in on_spot + instead] == ["spot", None, None]
    assert instead[0]["InstanceType"] == on_spot[0]["InstanceType"]
    with pytest.raises(NodeLaunchException, match="InsufficientInstanceCapacity"):
        launch(cluster, provider, "gpu")
    provider.terminate_node(instead[0]["InstanceId"])
    assert len(launch(cluster, provider, "gpu", 5)) == 1, "there is room for one again"


@pytest.mark.parametrize(
    ("code", "market", "on_demand"),
    [
        ("UnauthorizedOperation", "spot", 2),
        ("InsufficientInstanceCapacity", None, 2),
        ("InsufficientInstanceCapacity", "spot", 0),
    ],
    ids=["not allowed", "none on demand either", "spot alone"],
)
def test_a_refusal_for_another_reason_stays_one(cluster, provider, monkeypatch, code, market, on_demand):
    provider.provider_config["on_demand"] = on_demand
    refusing(monkeypatch, code, market)
    if market is None:
        refusing(monkeypatch, code, "spot")
    with pytest.raises(NodeLaunchException, match=code):
        launch(cluster, provider, "gpu")
    assert provider.non_terminated_nodes({}) == []
