"""Folders of TSV files as tests need them, the real sample where it is, and a hub on this machine."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from xrt.data.tasks import Task

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def two() -> Task:
    """A task of two languages, small enough to write out."""
    return Task("two", ("en", "de"), ("no", "yes"))


@pytest.fixture
def real_pawsx() -> Path:
    """The sample of real PAWS-X sentences, which lies beside the repository and never in it."""
    folder = REAL / "pawsx"
    if not folder.is_dir():
        pytest.skip(f"the real PAWS-X sample is not at {folder}")
    return folder


@pytest.fixture
def real_sick() -> Path:
    """SICK in four languages, whose licence keeps it out of the repository."""
    folder = REAL / "sick"
    if not folder.is_dir():
        pytest.skip(f"the real SICK files are not at {folder}")
    return folder


@pytest.fixture
def real_neighbours() -> Path:
    file = REAL / "counterfitted_neighbors.json"
    if not file.is_file():
        pytest.skip(f"the published neighbours are not at {file}")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name has what shells dislike."""
    folder = tmp_path / 'my data\'s "tsv"'
    folder.mkdir()
    return folder


@pytest.fixture
def write(folder: Path) -> Callable[[str, str | bytes], Path]:
    """Writes a file below `folder`."""

    def written(name: str, content: str | bytes) -> Path:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return written


@pytest.fixture
def serve() -> Iterator[Callable[[Mapping[str, bytes]], str]]:
    """Serves `path -> content` at the address that it returns."""
    servers: list[ThreadingHTTPServer] = []

    def serving(files: Mapping[str, bytes]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(lambda method, path: files.get(path), {}))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serving
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def hub() -> Iterator[Callable[[Mapping[str, Mapping[str, bytes]]], ThreadingHTTPServer]]:
    """A hub with the data sets `repository -> file -> content`; it has only what reading needs."""
    servers: list[ThreadingHTTPServer] = []

    def serving(repositories: Mapping[str, Mapping[str, bytes]]) -> ThreadingHTTPServer:
        answer = _hub_answers(repositories)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer, {"X-Repo-Commit": COMMIT}))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield serving
    for server in servers:
        server.shutdown()
        server.server_close()


Answer = Callable[[str, str], bytes | None]


def _handler(answer: Answer, headers: Mapping[str, str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length).decode()
            path = self.path.partition("?")[0]
            content = answer(self.command, f"{path}\n{body}" if body else path)
            self.send_response(404 if content is None else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            if content is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("ETag", f'"{hashlib.sha256(content or b"").hexdigest()}"')
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content or b"")

        do_GET = do_HEAD = do_POST = _respond

        def log_message(self, format: str, *args: object) -> None:
            """Suppresses the server's log."""

    return Handler


def _hub_answers(repositories: Mapping[str, Mapping[str, bytes]]) -> Answer:
    def answer(method: str, request: str) -> bytes | None:
        path, _, body = request.partition("\n")
        for repo, files in repositories.items():
            if path.startswith(f"/datasets/{repo}/resolve/"):
                return files.get(path.removeprefix(f"/datasets/{repo}/resolve/").partition("/")[2])
            api = f"/api/datasets/{repo}"
            if path == api or path.startswith(f"{api}/revision/"):
                return _info(repo, files)
            if path.startswith(f"{api}/tree/"):
                return _tree(files, path.removeprefix(f"{api}/tree/").partition("/")[2])
            if path.startswith(f"{api}/paths-info/"):
                return _paths_info(files, body)
        return None

    return answer


def _info(repo: str, files: Mapping[str, bytes]) -> bytes:
    siblings = [{"rfilename": name} for name in files]
    return json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings, "private": False}).encode()


def _entry(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


def _tree(files: Mapping[str, bytes], folder: str) -> bytes | None:
    inside = [name for name in files if not folder or name.startswith(f"{folder}/")]
    folders = {name.rpartition("/")[0] for name in inside} - {"", folder}
    entries = [_entry(name, files[name]) for name in inside]
    entries += [{"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in sorted(folders)]
    return json.dumps(entries).encode() if entries else None


def _paths_info(files: Mapping[str, bytes], body: str) -> bytes:
    from urllib.parse import parse_qs

    asked = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body).get("paths", [])
    found = [_entry(name, files[name]) for name in asked if name in files]
    found += [
        {"type": "directory", "path": name, "size": 0, "oid": "0" * 40}
        for name in asked
        if any(file.startswith(f"{name}/") for file in files)
    ]
    return json.dumps(found).encode()
