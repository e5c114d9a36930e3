"""What a study sends to a bucket, and what that costs its driver: `python -m tests.bench.bucket_traffic`

Studies of 100, 200 and 400 trials go through the book and the record with two rungs of 60 metrics; nobody trains. The
bucket is moto's S3 in a process of its own. Printed: bytes and writing requests, where each word of a trial is sent
before the next; then the reports that the driver's main thread takes in a second, where every request waits for 25 ms,
as in a bucket far away. Ends with 1 where 400 trials send more than 1.1 times what four studies of 100 send, where a
file takes more than one request, or where the driver takes fewer than 5 reports a second: the first edition took 1.3.
"""

import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.search.book import Book, Rung
from xrt.search.journal import Dashboard
from xrt.search.sampler import Proposal
from xrt.spec import load_study

TRIALS = (100, 200, 400)
DELAY = 0.025  # seconds a request
MOST_GROWTH, MOST_REQUESTS, LEAST_REPORTS = (
    1.1,
    1.05,
    5.0,
)  # the second: and the lease, which says that it lives
METRICS = {f"dev/pair/x{i}-y": 0.5 for i in range(59)} | {"dev/mean/mixed": 0.5}
RUNGS = (1 / 3, 1.0)
PARAMS = {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain"}
Counter = Any  # multiprocessing's shared numbers have no public generic type


def serve(delay: float, port: Counter, writes: Counter, sent: Counter) -> None:
    """The bucket; counts requests that write, and their bytes."""
    bucket = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(delay)
        if environ["REQUEST_METHOD"] in ("PUT", "POST"):
            with writes.get_lock():
                writes.value += 1
                length = environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH") or environ.get("CONTENT_LENGTH")
                sent.value += int(length or 0)
        answer: Iterable[bytes] = bucket(environ, respond)
        return answer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    port.value = server.server_port
    server.serve_forever()


@contextmanager
def bucket(delay: float) -> Iterator[tuple[str, Counter, Counter]]:
    """An address in a bucket, and what was written to it: requests and bytes."""
    port, writes, sent = (multiprocessing.Value("q", 0) for _ in range(3))
    process = multiprocessing.Process(target=serve, args=(delay, port, writes, sent), daemon=True)
    process.start()
    while not port.value:
        time.sleep(0.1)
    host = f"127.0.0.1:{port.value}"
    boto3.client("s3", endpoint_url=f"http://{host}").create_bucket(Bucket="results")
    try:
        yield f"s3://results/xrt?endpoint_override={host}&scheme=http&region=us-east-1", writes, sent
    finally:
        process.kill()


def study(run: Run, trials: int, then: Callable[[], None]) -> int:
    """Take a run's trials through the book, with an action after each report; the files written."""
    ids = iter(range(trials))

    def propose(*_: Any) -> Proposal | None:
        number = next(ids, None)
        return None if number is None else Proposal(f"{number:04d}", f"{number:04d}", PARAMS, number)

    book, files = Book(run, [Dashboard(run)], "search", propose), 0
    while task := book.next():
        then()
        book.started(task.id, "here")
        then()
        for rung, share in enumerate(RUNGS):
            book.reported(task.id, Rung(rung, share, 10 * (rung + 1), METRICS))
            then()
        files += 3 + len(RUNGS)  # proposed, started, each rung, ended
    return files


@contextmanager
def opened(trials: int, delay: float) -> Iterator[tuple[Run, Counter, Counter]]:
    """A run in a bucket that is held, and the counters of its writing requests and their bytes."""
    spec = load_study("mini", [f"search.trials={trials}", "pruning=null", "confirm=null"])
    with bucket(delay) as (address, writes, sent), tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        run = Run.create(Results.at(address), spec)
        with run.hold():
            writes.value = sent.value = 0
            yield run, writes, sent


def sending(trials: int) -> tuple[int, float]:
    """Bytes sent, and requests per file."""
    with opened(trials, 0.0) as (run, writes, sent):
        files = study(run, trials, run.paths.results.place.flush)
        return sent.value, writes.value / files


def rate(trials: int) -> float:
    """Reports per second that the main thread handles."""
    with opened(trials, DELAY) as (run, *_):
        began = time.perf_counter()
        study(run, trials, lambda: None)
        return trials * len(RUNGS) / (time.perf_counter() - began)


def main() -> int:
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    print("| trials | MB sent | kB a trial | requests a file |\n|---:|---:|---:|---:|")
    rows = []
    for trials in TRIALS:
        size, requests = sending(trials)
        rows.append((size / trials, requests))
        print(f"| {trials} | {size / 1e6:.2f} | {size / 1e3 / trials:.1f} | {requests:.2f} |", flush=True)
    growth, reports = rows[-1][0] / rows[0][0], rate(TRIALS[0])
    print(f"bytes a trial: {growth:.2f} times as many with {TRIALS[-1]} trials as with {TRIALS[0]}")
    print(f"reports a second: {reports:.1f}")
    slow = max(requests for _, requests in rows) > MOST_REQUESTS or reports < LEAST_REPORTS
    return int(growth > MOST_GROWTH or slow)


if __name__ == "__main__":
    sys.exit(main())
