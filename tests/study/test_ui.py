"""MLflow's pages: only with the password, on this machine, and not for requests by another name."""

import base64
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.study.test_commands import EXAMPLES, on_the_toy
from xrt.record.paths import Results
from xrt.record.run import Run

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"


@pytest.fixture(scope="module")
def served(finished) -> Iterator[tuple[int, str]]:
    """The port of the pages of the finished study, by the example of `ui`, and the `USER:PASSWORD` that it prints."""
    [words] = [words for name, words in EXAMPLES if name == "ui"]
    command = [sys.executable, "-m", "xrt.study", *on_the_toy(words, "toy")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=finished.folder)
    assert server.stdout
    login = next(line for line in server.stdout if "password" in line).replace(",", "").split()
    port, link = int(command[-1]), server.stdout.readline().strip()
    try:
        assert link == f"toy: http://127.0.0.1:{port}/#/experiments/1/runs"
        with socket.create_connection(("127.0.0.1", port)):
            pass  # it listens once it has said where
        yield port, f"{login[1]}:{login[3]}"
    finally:
        server.terminate()
        assert server.wait() == 0
    assert not (finished.folder / "mlruns").exists() and not (finished.folder / "mlartifacts").exists()


@pytest.mark.slow
def test_the_run_and_its_report_are_served(finished, served):
    port, login = served
    run = Run.open(Results.at(finished.folder / "results"), "toy")
    wanted = {"experiment_ids": ["1"], "filter": "tags.`xrt.outcome` = 'finished'"}
    runs = json.loads(body(port, "/api/2.0/mlflow/runs/search", login, json.dumps(wanted)))["runs"]
    [parent] = [r for r in runs if r["info"]["run_name"] == run.name]
    page = body(port, f"/get-artifact?path=report.html&run_uuid={parent['info']['run_id']}", login)
    assert page == (run.paths.root / "report.html").read_bytes()


@pytest.mark.slow
def test_the_pages_and_all_that_is_behind_them_ask_for_the_password(served):
    port, login = served
    assert answer(port, "/", login) == 200 and answer(port, SEARCH, login) == 200
    for place in ("/", SEARCH, "/get-artifact", "/graphql", "/ajax-api/2.0/mlflow/runs/create"):
        assert answer(port, place) == 401
        assert answer(port, place, "xrt:guessed") == 401


@pytest.mark.slow
def test_the_pages_are_refused_to_a_page_that_calls_this_machine_by_another_name(served):
    port, login = served
    names = {f"127.0.0.1:{port}": 200, "localhost:5001": 200, "evil.example": 403}
    assert {name: answer(port, "/", login, name) for name in names} == names


def answer(port: int, place: str, login: str | None = None, name: str = "localhost") -> int:
    """The status of a request to the server by that name."""
    return asked(port, place, login, name).status


def body(port: int, place: str, login: str, content: str | None = None) -> bytes:
    """What the server answers; with content, to a POST."""
    response = asked(port, place, login, content=content)
    assert response.status == 200
    return response.read()


def asked(
    port: int, place: str, login: str | None, name: str = "localhost", content: str | None = None
) -> http.client.HTTPResponse:
    """Waits until the server listens."""
    headers = {"Host": name, "Content-Type": "application/json"}
    if login:
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("POST" if content else "GET", place, content, headers)
            return connection.getresponse()
        except (ConnectionRefusedError, TimeoutError):
            time.sleep(0.3)
