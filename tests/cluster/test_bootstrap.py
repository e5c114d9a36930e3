import copy
from collections.abc import Iterator

import boto3
import pytest
import yaml
from moto import mock_aws
from ray.autoscaler import tags
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config, validate_config

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


def test_ray_finds_everything_that_the_file_names_and_makes_nothing_of_its_own(account):
    validate_config(account)
    config = bootstrap_aws(account)
    for name, node in config["available_node_types"].items():
        given = account["available_node_types"][name]["node_config"]
        made = node["node_config"]
        for field in ("SubnetIds", "SecurityGroupIds", "KeyName", "IamInstanceProfile", "ImageId"):
            assert made[field] == given[field]
    assert not boto3.client("iam", region_name=REGION).list_roles()["Roles"], "no role with full access"


@pytest.mark.parametrize(
    ("kind", "spot"), [("head", False), ("gpu-spot", True), ("gpu-on-demand", False)], ids=lambda x: str(x)
)
def test_each_kind_of_machine_is_launched_as_the_file_says(account, kind, spot):
    config = bootstrap_aws(account)
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    role = tags.NODE_KIND_HEAD if kind == "head" else tags.NODE_KIND_WORKER
    node = copy.deepcopy(config["available_node_types"][kind]["node_config"])
    marks = {tags.TAG_RAY_NODE_KIND: role, tags.TAG_RAY_USER_NODE_TYPE: kind}
    provider.create_node(node, marks, 1)
    [id] = provider.non_terminated_nodes(marks)
    ec2 = boto3.client("ec2", region_name=REGION)
    [instance] = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"]
    expected = account["available_node_types"][kind]["node_config"]
    assert instance["InstanceType"] == expected["InstanceType"]
    assert instance.get("InstanceLifecycle") == ("spot" if spot else None)
    assert instance["IamInstanceProfile"]["Arn"].endswith(expected["IamInstanceProfile"]["Name"])
    [disk] = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [id]}])["Volumes"]
    ebs = expected["BlockDeviceMappings"][0]["Ebs"]
    assert (disk["Size"], disk["VolumeType"], disk["Encrypted"]) == (ebs["VolumeSize"], "gp3", True)
    provider.terminate_nodes([id])
    assert provider.non_terminated_nodes(marks) == []
