"""MLflow's pages on this machine, behind a login, because other accounts of the machine reach its loopback too.

The login is MLflow's own (its `basic-auth` app). Anybody who can write into the store could put code
behind `models:/STUDY@champion`, which the owner then loads.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from xrt.record.paths import Results

USER = "xrt"
# Without the cache, the check of the password alone takes about a second for each of a page's many requests.
LOGIN = """\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{folder}/users.db
admin_username = {user}
admin_password = {password}
auth_cache_ttl_seconds = 3600
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@contextmanager
def pages(results: Results, host: str, port: int, password: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that serves MLflow's pages on the store of `results` to those who know the password.

    The login is in a folder that only its owner can open, and is removed with the process.
    """
    with TemporaryDirectory(prefix="xrt-ui-") as folder:
        login = Path(folder) / "login.ini"
        login.touch(mode=0o600)
        login.write_text(LOGIN.format(folder=folder, user=USER, password=password))
        process = subprocess.Popen(_command(results, host, port), env={**os.environ, **_environment(login)})
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def new_password() -> str:
    """A random password, valid while the pages are served."""
    return secrets.token_urlsafe(18)


def _command(results: Results, host: str, port: int) -> list[str]:
    # MLflow answers only to these names, so that no foreign page can reach it through the browser.
    names = dict.fromkeys(("localhost", "127.0.0.1", host))
    # A tunnel may use another port.
    allowed = ",".join(name + end for name in names for end in ("", ":*"))
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += ["--host", host, "--port", str(port), "--allowed-hosts", allowed]
    # Show files where they are, and do not accept uploads, which would go into the current folder.
    command += ["--no-serve-artifacts", "--default-artifact-root", results.mlartifacts.as_uri()]
    # For one user: four processes would only start later, and a line per request would bury the password.
    command += ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    return [*command, "--backend-store-uri", results.tracking_uri]


def _environment(login: Path) -> dict[str, str]:
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(login),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
        # Ten processes for pages that evaluate language models; nothing here uses them.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
    }


def wait_for_pages(process: subprocess.Popen[bytes], address: str) -> None:
    """Return when the server answers, or has ended."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while process.poll() is None:
        with suppress(OSError), opener.open(f"{address}/health", timeout=5):
            return
        time.sleep(0.2)


def wait(process: subprocess.Popen[bytes]) -> int:
    """Wait until the server ends, by itself, by Ctrl-C or by SIGTERM; returns the exit code."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        return process.wait()
    except KeyboardInterrupt:
        return 0
