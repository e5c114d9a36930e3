import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.conftest import ROOT
from xrt.search.packing import described

FILES = {name: yaml.safe_load((ROOT / name).read_text()) for name in ("cluster.yaml", "cluster.local.yaml")}
AWS = FILES["cluster.yaml"]


@pytest.mark.parametrize("name", FILES)
def test_ray_takes_the_file(name):
    validate_config(prepare_config(copy.deepcopy(FILES[name])))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.update(providr={}),
        lambda c: c["available_node_types"]["gpu"].update(min_worker=1),
        lambda c: c["available_node_types"]["head"].update(resources={"GPU": "one"}),
        lambda c: c.update(head_node_type="hed"),
    ],
)
def test_ray_refuses_a_file_with_a_mistake(spoil):
    config = copy.deepcopy(AWS)
    spoil(config)
    with pytest.raises((ValidationError, ValueError, AssertionError, KeyError)):
        validate_config(prepare_config(config))


@pytest.mark.parametrize("name", FILES)
def test_the_head_runs_no_trials_and_shows_nothing_to_the_world(name):
    start = FILES[name]["head_start_ray_commands"][-1]
    assert {"--num-cpus=0", "--num-gpus=0", "--dashboard-host=127.0.0.1"} <= set(start.split())
    script = (ROOT / "cluster" / "mlflow.sh").read_text()
    assert "--host 127.0.0.1" in script and "-h ''" in script, (
        "MLflow on loopback, PostgreSQL on no network at all"
    )


@pytest.mark.parametrize("name", FILES)
def test_every_node_asks_for_the_token_and_works_in_the_checkout(name):
    config = FILES[name]
    mounts = config["file_mounts"]
    assert "~/.ray/auth_token" in mounts and {"~/xrt/xrt", "~/xrt/pyproject.toml"} <= mounts.keys()
    assert any("RAY_AUTH_MODE=token" in command for command in config["setup_commands"])
    for kind in ("head", "worker"):
        assert config[f"{kind}_start_ray_commands"][-1].startswith("cd ~/xrt &&")


@pytest.mark.parametrize("name", FILES)
def test_no_more_is_copied_than_the_machines_need(name):
    """Ray hashes it all at each `ray up`."""
    copied = [
        ROOT / place for where, place in FILES[name]["file_mounts"].items() if where.startswith("~/xrt/")
    ]
    assert all(path.exists() for path in copied) and ROOT not in copied
    files = [
        file for path in copied for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()
    ]
    assert sum(file.stat().st_size for file in files) < 50 * 2**20
    needed = {"xrt", "cluster", "studies", "pyproject.toml", "constraints.txt"}
    assert needed <= {path.name for path in copied}


@pytest.mark.parametrize(("version", "code"), [((3, 10), 1), ((3, 12), 0)])
def test_a_machine_whose_python_is_too_old_says_so_before_anything_is_installed(tmp_path, version, code):
    home, bin = tmp_path / "home", tmp_path / "bin"
    (home / "xrt").mkdir(parents=True)
    bin.mkdir()
    for name in ("constraints.txt", ".xrt-pins"):
        (home / "xrt" / name if name[0] != "." else home / name).write_text("ray==2.60.0\n")
    fake = f"#!{sys.executable}\nimport sys\nsys.version_info = {version}\n"
    fake += "print('Python', *sys.version_info, sep='.') if sys.argv[1] != '-c' else exec(sys.argv[2])\n"
    (bin / "python3").write_text(fake)
    (bin / "python3").chmod(0o755)
    done = subprocess.run(
        ["bash", ROOT / "cluster" / "node.sh", "A=b"],
        env={"HOME": str(home), "PATH": f"{bin}:/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert ("Ubuntu 24.04" in done.stderr) == bool(code) and (home / ".xrt-env").exists() != bool(code)


@pytest.mark.parametrize("name", FILES)
def test_what_the_file_says_of_its_workers_is_what_they_are(name):
    text = "\n".join(FILES[name]["setup_commands"])
    workers = described(re.search(r"XRT_WORKERS=(\S+)", text)[1])
    config = FILES[name]
    assert workers.count == config["max_workers"]
    for kind, node in config.get("available_node_types", {}).items():
        if kind != "head":
            assert node["resources"] == {"CPU": workers.cpus, "GPU": workers.gpus}


def test_workers_on_aws_come_with_the_work_on_spot_first_and_go_when_idle():
    types = AWS["available_node_types"]
    assert AWS["idle_timeout_minutes"] <= 10 and not AWS["provider"]["cache_stopped_nodes"]
    assert all(node["min_workers"] == 0 for node in types.values())
    assert types["head"]["max_workers"] == 0 and "InstanceMarketOptions" not in types["head"]["node_config"]
    assert types["gpu"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert 0 < AWS["provider"]["on_demand"] < types["gpu"]["max_workers"] == AWS["max_workers"]


def test_machines_on_aws_have_own_groups_roles_and_encrypted_disks():
    for node in AWS["available_node_types"].values():
        config = node["node_config"]
        assert config["SecurityGroupIds"] and config["IamInstanceProfile"], "Ray's own are open to the world"
        assert config["MetadataOptions"] == {"HttpTokens": "required"}
        assert all(disk["Ebs"]["Encrypted"] for disk in config["BlockDeviceMappings"])


@pytest.mark.parametrize("path", sorted((ROOT / "cluster").glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_whole_and_stops_at_the_first_error(path: Path):
    assert path.read_text().startswith("#!/usr/bin/env bash\n") and "set -euo pipefail" in path.read_text()


def test_each_kind_of_machine_has_a_page_that_begins_with_three_commands():
    pages = sorted((ROOT / "docs" / "machines").glob("*.md"))
    assert {page.stem for page in pages} == {"own", "server", "slurm", "kubernetes", "aws", "ssh"}
    for page in pages:
        begin = re.match(r"# .*\n\n```bash\n(.*?)\n```\n", page.read_text(), flags=re.S)
        assert begin and len(begin[1].splitlines()) == 3, page
