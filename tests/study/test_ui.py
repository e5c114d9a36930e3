"""MLflow's pages: for whoever knows the password, on this machine, and not for pages that call it by another name."""

import base64
import http.client
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.faults.inject import free_port
from xrt.record import Results
from xrt.tracking.tracker import check

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[int, str]]:
    """The port of the pages of an empty store, and what `USER:PASSWORD` the command prints."""
    results, port = tmp_path_factory.mktemp("results"), free_port()
    check(Results.at(results))
    words = ["ui", "--results", str(results), "--port", str(port)]
    command = [sys.executable, "-m", "xrt.study", *words]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=results)
    assert server.stdout
    login = next(line for line in server.stdout if "password" in line).replace(",", "").split()
    try:
        yield port, f"{login[1]}:{login[3]}"
    finally:
        server.terminate()
        assert server.wait() == 0
    assert not list(results.glob("mlruns")) and not list(results.glob("*.ini"))


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
    """The status of a request that calls the server by that name; waits until it listens."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Host": name}
        if login:
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        try:
            connection.request("GET", place, headers=headers)
            return connection.getresponse().status
        except ConnectionRefusedError:
            time.sleep(0.3)
        finally:
            connection.close()
