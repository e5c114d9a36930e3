"""The other accounts of a machine: `nobody` tries to reach a study's MLflow, files and Ray."""

import contextlib
import hashlib
import http.client
import io
import json
import logging
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

import xrt
from tests.faults.small import descendants
from tests.findings import worked
from tests.robust.conftest import build
from tests.study.conftest import free_port
from tests.study.test_ui import answer
from tests.tracking.trained import trained_trial
from xrt.errors import EncoderError
from xrt.record.run import Run
from xrt.report.page import write_report
from xrt.robust.encoder import load_encoder
from xrt.search.private import own_folder
from xrt.study.__main__ import main
from xrt.study.app import err, out
from xrt.tracking.registry import CHAMPION, deliver
from xrt.tracking.tracker import sync

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account"),
]
ALLOWED = (401, 403)
RAY = """\
import sys
from xrt.search.cluster import connect
connect()
print("up", flush=True)
sys.stdin.read()
"""


def as_nobody(action: Callable[[], Any]) -> Any:
    """What an action returns in a process of another account; an exception there is a failure here."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            other = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setgid(other.pw_gid)
            os.setuid(other.pw_uid)
            said = {"value": action()}
        except BaseException:
            said = {"error": traceback.format_exc()}
        with os.fdopen(writes, "w") as pipe:
            json.dump(said, pipe)
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        said = json.load(pipe)
    os.waitpid(child, 0)
    assert "error" not in said, said["error"]
    return said["value"]


@dataclass
class Home:
    """A run with a registered winner in a folder that every account can look into, and MLflow's pages on it."""

    run: Run
    port: int
    login: str
    server: int

    def state(self) -> list[Any]:
        """The content of the store and of all result files."""
        results = self.run.paths.results
        with contextlib.closing(sqlite3.connect(f"file:{results.mlflow_db}?mode=ro", uri=True)) as store:
            tables = [name for (name,) in store.execute("select name from sqlite_master where type='table'")]
            rows = {name: sorted(map(repr, store.execute(f"select * from {name}"))) for name in tables}
        files = sorted(path for path in results.root.rglob("*") if path.is_file())
        ours = {
            str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if "mlflow.db" not in p.name
        }
        return [rows, ours]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Home]:
    place = Path(tempfile.mkdtemp(prefix="everybody-"))
    place.chmod(0o755)
    run = worked.make(place / "results")
    shutil.copy(empty_store, run.paths.results.mlflow_db)
    trained_trial(run, encoder := build("bert", place / "encoder"))
    (encoder / "model.safetensors").chmod(0o644)
    run.update_meta(status="finished", ended=worked.START + 7000)
    write_report(run)
    sync(run)
    deliver(run)
    port = free_port()
    words = ["ui", "--port", str(port), "--results", str(run.paths.results.root)]
    with subprocess.Popen(
        [sys.executable, "-m", "xrt.study", *words], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        said = next(line for line in server.stdout if "password" in line).replace(",", "").split()
        login = f"{said[1]}:{said[3]}"
        try:
            while answer(port, "/", login) != 200:  # until it listens
                pass
            yield Home(run, port, login, server.pid)
        finally:
            server.terminate()
    shutil.rmtree(place)


def doors(run: Run) -> list[tuple[str, str, dict[str, Any]]]:
    """Requests that make or change something, or read what is the owner's."""
    client = MlflowClient(run.paths.results.tracking_uri)
    champion = client.get_model_version_by_alias(run.study, CHAMPION)
    id, experiment = champion.run_id, client.get_run(champion.run_id).info.experiment_id
    version = {"name": run.study, "source": "file:///nowhere/evil", "run_id": id}
    metric = {"run_id": id, "key": "dev/mean/mixed", "value": 1.0, "timestamp": 1}
    changes = {
        "registered-models/create": {"name": "evil"},
        "registered-models/alias": {"name": run.study, "alias": CHAMPION, "version": champion.version},
        "registered-models/set-tag": {"name": run.study, "key": "a", "value": "b"},
        "model-versions/create": version,
        "runs/create": {"experiment_id": experiment},
        "runs/update": {"run_id": id, "status": "FAILED"},
        "runs/delete": {"run_id": id},
        "runs/log-metric": metric,
        "runs/log-batch": {"run_id": id, "metrics": [metric]},
        "runs/log-parameter": {"run_id": id, "key": "a", "value": "b"},
        "runs/set-tag": {"run_id": id, "key": "a", "value": "b"},
        "runs/log-model": {"run_id": id, "model_json": "{}"},
        "runs/search": {"experiment_ids": [experiment]},
        "experiments/create": {"name": "evil", "artifact_location": "/nowhere/evil"},
        "experiments/delete": {"experiment_id": experiment},
        "logged-models": {"experiment_id": experiment, "name": "evil"},
        "users/create": {"username": "evil", "password": "evil-password-1"},
        "users/update-password": {"username": "xrt", "password": "evil-password-1"},
        "users/update-admin": {"username": "evil", "is_admin": True},
    }
    found = [
        ("POST", f"/{api}/2.0/mlflow/{name}", body)
        for api in ("api", "ajax-api")
        for name, body in changes.items()
    ]
    found += [
        ("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={id}&path=winner/model/evil.py", {}),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/winner/evil.py", {}),
        ("PUT", "/ajax-api/2.0/mlflow-artifacts/artifacts/winner/evil.py", {}),
        ("GET", f"/get-artifact?run_uuid={id}&path=report.html", {}),
        ("GET", f"/model-versions/get-artifact?name={run.study}&version={champion.version}&path=MLmodel", {}),
        ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={id}", {}),
        ("DELETE", "/api/2.0/mlflow/registered-models/alias", {"name": run.study, "alias": CHAMPION}),
        ("DELETE", "/api/2.0/mlflow/registered-models/delete", {"name": run.study}),
        ("DELETE", "/api/2.0/mlflow/model-versions/delete", {"name": run.study, "version": champion.version}),
        ("POST", "/graphql", {"query": "query { mlflowSearchRuns { runs { info { runId } } } }"}),
        ("GET", "/signup", {}),
        ("POST", "/v1/traces", {}),
        ("POST", "/ajax-api/3.0/jobs/", {"job_name": "evil", "params": {}}),
        # What runs a coding assistant as the owner, and installs files for it.
        ("GET", "/ajax-api/3.0/mlflow/assistant/config", {}),
        ("PUT", "/ajax-api/3.0/mlflow/assistant/config", {"projects": {}}),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message", {"message": "run id"}),
        ("POST", "/ajax-api/3.0/mlflow/assistant/skills/install", {"type": "global"}),
        ("POST", "/gateway/evil/mlflow/invocations", {}),
        ("GET", "/", {}),
        ("GET", "/static-files/../../etc/passwd", {}),
    ]
    return found


def asked(port: int, method: str, place: str, body: dict[str, Any], headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    content = json.dumps(body) if method != "GET" else None
    connection.request(method, place, content, {"Content-Type": "application/json", **headers})
    return connection.getresponse().status


def test_nobody_makes_a_model_version_or_moves_an_alias_or_writes_metrics_or_artifacts(home: Home) -> None:
    requests, before = doors(home.run), home.state()

    def knock() -> list[str]:
        # MLflow's first login, as its documentation names it.
        known = {"Authorization": "Basic YWRtaW46cGFzc3dvcmQxMjM0"}
        return [
            f"{method} {place}: {status}"
            for headers in ({}, known, {"X-Forwarded-For": "127.0.0.1", "Remote-User": "xrt"})
            for method, place, body in requests
            if (status := asked(home.port, method, place, body, headers)) not in (*ALLOWED, 404, 405)
        ]

    assert len(requests) > 50
    assert as_nobody(knock) == []
    assert home.state() == before, "nothing was changed"
    refused = [asked(home.port, method, place, body, {}) for method, place, body in requests]
    assert refused.count(401) > 40, "they are refused for want of a login, not for a wrong name"


def test_nobody_reads_the_password(home: Home) -> None:
    password = home.login.partition(":")[2]
    processes = [home.server, *descendants(home.server)]

    def look() -> list[str]:
        seen = []
        for pid in processes:
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    if password.encode() in Path(f"/proc/{pid}/{name}").read_bytes():
                        seen.append(f"{pid}: {name}")
        for folder in Path(tempfile.gettempdir()).glob("xrt-ui-*"):
            with contextlib.suppress(OSError):
                seen += os.listdir(folder)
        return seen

    assert len(processes) > 1 and as_nobody(look) == []


def test_nobody_plants_code_where_the_winner_is_served_from(home: Home) -> None:
    root, before = home.run.paths.results.root, home.state()

    def plant() -> list[str]:
        done = []
        for path in (root, *root.rglob("*")):
            with contextlib.suppress(OSError):
                if path.is_dir():
                    (path / "evil.py").touch()
                else:
                    with path.open("ab"):
                        pass
                done.append(str(path))
            with contextlib.suppress(OSError):
                path.rename(path.with_name("evil"))
                done.append(f"{path} was renamed")
        return done

    winners = list(root.glob("mlartifacts/*/*/artifacts/winner/MLmodel"))
    assert winners, "what the commands page serves"
    assert as_nobody(plant) == []
    assert home.state() == before


def test_nobody_reads_the_folder_or_the_token_of_a_ray() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "up\n"
        processes, folder = [process.pid, *descendants(process.pid)], own_folder()

        def look() -> list[str]:
            seen = []
            with contextlib.suppress(OSError):
                seen += os.listdir(folder)
            for pid in processes:
                with contextlib.suppress(OSError):
                    seen.append(Path(f"/proc/{pid}/environ").read_text(errors="replace")[:50])
                with contextlib.suppress(OSError):
                    if "RAY_AUTH_TOKEN" in (words := Path(f"/proc/{pid}/cmdline").read_text()):
                        seen.append(words)
            return seen

        assert len(processes) > 3 and any(folder.iterdir()) and as_nobody(look) == []
        process.communicate("")


def command(line: str, results: Path) -> list[Any]:
    """Exit code and output of a command that `nobody` runs."""
    said = io.StringIO()
    for output in (out, err):
        output.file = said
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            sys.argv = ["xrt", *line.split(), "--results", str(results)]
            logging.getLogger("xrt").addHandler(logging.StreamHandler(said))
            main()
    except SystemExit as end:
        return [end.code or 0, said.getvalue()]
    return [0, said.getvalue()]


# What they say where the folder can be read, and where it is closed.
ELSEWHERE = {
    "list": (0, "finished"),
    "status {run}": (0, "finished"),
    "best {run}": (0, "adversarial"),
    "compare {run} {run}": (0, "mixed pairs"),
    "cite {run}": (0, "We compare"),
    "export {run} {mine}/exported": (0, "exported"),
    "report {run}": (2, "cannot be written (Permission denied); work on a copy of your own"),
    "export {run} {root}/exported": (2, "cannot be written (Permission denied)"),
    "sync {run}": (2, "cannot be written (Permission denied); work on a copy of your own"),
    "run mini --set search.trials=4": (2, "Permission denied"),
}


@pytest.mark.parametrize("mode", [0o755, 0o700], ids=["readable", "closed"])
def test_somebody_elses_results_are_read_or_refused_in_one_line(
    home: Home, tmp_path: Path, mode: int
) -> None:
    if not as_nobody(lambda: all(os.access(module.__file__, os.R_OK) for module in (pytest, xrt))):
        pytest.skip("the environment is closed to other accounts, which cannot give a command of it")
    root, before = home.run.paths.results.root, home.state()
    mine = Path(tempfile.mkdtemp(prefix="mine-"))
    mine.chmod(0o777)
    root.chmod(mode)
    try:
        for line, (code, part) in ELSEWHERE.items():
            words = line.format(run=home.run.name, mine=mine, root=root)
            found, said = as_nobody(lambda words=words: command(words, root))
            assert "Traceback" not in said, said
            if mode == 0o755:
                assert found == code and part in said, (words, said)
            else:
                assert "Permission denied" in said, (words, said)
                assert found == (0 if words == "list" else 2), (words, said)
    finally:
        root.chmod(0o755)
        shutil.rmtree(mine)
    assert home.state() == before


def test_an_encoder_that_only_its_owner_may_read_is_named_with_its_file(home: Home) -> None:
    encoder = home.run.paths.results.root.parent / "encoder"
    weights = encoder / "model.safetensors"
    weights.chmod(0o600)
    said = as_nobody(lambda: refusal(str(encoder)))
    weights.chmod(0o644)
    assert said == f"encoder: {weights}: cannot be read (Permission denied); its owner can: chmod +r"


def refusal(name: str) -> str:
    try:
        load_encoder(name, ("0", "1"))
    except EncoderError as error:
        return str(error)
    return ""
