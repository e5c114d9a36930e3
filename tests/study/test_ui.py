"""MLflow's pages: on this machine, and for those who ask this machine for them."""

import http.client
import subprocess
import sys
import time

import pytest

from tests.faults.inject import free_port
from xrt.record import Results
from xrt.tracking.tracker import check


@pytest.mark.slow
def test_the_pages_are_refused_to_a_page_that_calls_this_machine_by_another_name(tmp_path):
    check(Results.at(tmp_path))
    port = free_port()
    words = ["ui", "--results", str(tmp_path), "--port", str(port)]
    server = subprocess.Popen([sys.executable, "-m", "xrt.study", *words], start_new_session=True)
    try:
        asked = {name: answer(port, name) for name in (f"127.0.0.1:{port}", "localhost:5001", "evil.example")}
    finally:
        server.terminate()
        server.wait(30)
    assert asked == {f"127.0.0.1:{port}": 200, "localhost:5001": 200, "evil.example": 403}


def answer(port: int, name: str, limit: float = 90.0) -> int:
    """The status of a request that calls the server by that name; waits until it listens."""
    end = time.monotonic() + limit
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/", headers={"Host": name})
            return connection.getresponse().status
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.3)
        finally:
            connection.close()
