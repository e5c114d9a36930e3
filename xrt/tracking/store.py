"""An MLflow store: reads what it has of a run, and adds to it. Knows no records.

Only `MlflowClient` is used, never MLflow's active run or global address (`registry.py` needs the latter). MLflow is
imported when a store is opened, because that takes two seconds, which `list` need not spend.
Not covered: stores of plain files, which keep a metric twice when it is sent twice.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from xrt.errors import RecordError
from xrt.record.environment import redact
from xrt.record.files import locked, refuse_links
from xrt.record.paths import Results
from xrt.record.values import Data
from xrt.tracking.projection import NOTE, TRIAL, UID, Point, Projected

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Experiment
    from mlflow.entities import Run as MlflowRun

T = TypeVar("T")

SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")
BATCH = 1000  # metrics a request may hold
SMALL_BATCH = 100  # parameters, or tags
DIGEST = 36  # characters of a data set's digest that MLflow keeps
FILES = "xrt.files"  # the tag with the digest of a run's files
SENT = "xrt.sent"  # the tag with the last step that was sent of each kind of metric
STARTED = "xrt.started"  # the tag of an experiment with the start of the run that it describes
# MLflow's page of an experiment opens on training runs, not on traces of a language model.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
# No retries of MLflow's, which last minutes and may send twice: callers retry.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@dataclass
class Stored:
    """What a store has of one MLflow run, updated by the methods that add to it.

    `sent` has the last step of each kind of metric (`dev/pair`, `train`). Points are sent in the order of their steps,
    so the store has all earlier ones.
    """

    id: str
    status: str
    ended: int | None
    tags: dict[str, str]
    params: set[str]
    sent: dict[str, int]
    data: set[tuple[str, str]]


class Store:
    """The experiment of one study in an MLflow store. Methods that change it return how much they changed."""

    def __init__(self, results: Results, study: str, uri: str | None) -> None:
        self._client = client(results, uri)
        server = (uri or "").startswith("http")  # a server has its own place for artifacts
        self.experiment = _experiment(self._client, study, None if server else results.mlartifacts / study)
        # In a store that came with somebody else's results, any address may lead anywhere.
        self._own = None if uri else results.mlartifacts / study
        if self._own:
            _require_here(results, [self._client.get_experiment(self.experiment)])

    def runs(self, uid: str) -> dict[str, Stored]:
        """The MLflow runs of the run with that uid, by trial id; the parent under "".

        If a trial has two MLflow runs, because a server died before its response, the fuller one stays.
        """
        found: dict[str, Stored] = {}

        def emptiness(run: MlflowRun) -> tuple[int, str]:
            return -len(run.data.metrics) - len(run.data.params), run.info.run_id

        for run in sorted(self._search(uid), key=emptiness):
            key = run.data.tags.get(TRIAL, "")
            if key in found:
                self._client.delete_run(run.info.run_id)
            else:
                found[key] = _stored(run)
        return found

    def create(self, wanted: Projected) -> Stored:
        """Makes the MLflow run together with its tags, so that it is found again after a kill."""
        return _stored(self._client.create_run(self.experiment, wanted.started, wanted.tags, wanted.name))

    def add_points(self, stored: Stored, points: Sequence[Point]) -> int:
        """Sends the points that are newer than the last sent step of their kind.

        The tag with that step is written after the points. After a kill in between they are sent again with the same
        steps and times, which changes nothing.
        """
        from mlflow.entities import Metric

        new = [p for p in points if p.step > stored.sent.get(_kind(p.key), -1)]
        for some in _chunks(new, BATCH):
            self._client.log_batch(stored.id, metrics=[Metric(p.key, p.value, p.time, p.step) for p in some])
        if new:
            for point in new:
                stored.sent[_kind(point.key)] = max(point.step, stored.sent.get(_kind(point.key), -1))
            stored.tags[SENT] = json.dumps(stored.sent)
            self._client.set_tag(stored.id, SENT, stored.tags[SENT])
        return len(new)

    def add_params(self, stored: Stored, params: Mapping[str, str]) -> int:
        """Sends the missing ones; MLflow forbids changing the others."""
        from mlflow.entities import Param

        new = [(key, value) for key, value in params.items() if key not in stored.params]
        for some in _chunks(new, SMALL_BATCH):
            self._client.log_batch(stored.id, params=[Param(*item) for item in some])
            stored.params.update(key for key, _ in some)
        return len(new)

    def set_tags(self, stored: Stored, tags: Mapping[str, str]) -> int:
        """Sends the tags that differ, and removes our outdated ones."""
        from mlflow.entities import RunTag

        new = [(key, value) for key, value in tags.items() if stored.tags.get(key) != value]
        for some in _chunks(new, SMALL_BATCH):
            self._client.log_batch(stored.id, tags=[RunTag(*item) for item in some])
            stored.tags.update(some)
        gone = [key for key in stored.tags if key.startswith("xrt.") and key not in (*tags, FILES, SENT)]
        for key in gone:
            self._client.delete_tag(stored.id, key)
            del stored.tags[key]
        return len(new) + len(gone)

    def add_data(self, stored: Stored, data: Sequence[Data]) -> int:
        new = [d for d in data if _data_key(d) not in stored.data]
        if new:
            self._client.log_inputs(stored.id, [_dataset_input(d) for d in new])
            stored.data.update(_data_key(d) for d in new)
        return len(new)

    def add_files(self, stored: Stored, files: Sequence[tuple[Path, str | None]], digest: str) -> int:
        """Sends files, each into a folder of the run's artifacts, unless the store has those of that digest."""
        if stored.tags.get(FILES) == digest:
            return 0
        for path, folder in files:
            self._client.log_artifact(stored.id, str(path), folder)
        self._client.set_tag(stored.id, FILES, digest)  # last, after all files
        stored.tags[FILES] = digest
        return len(files)

    def describe(self, text: str, started: int) -> int:
        """Sets the description of the experiment, which is that of the study's newest run."""
        known = self._client.get_experiment(self.experiment).tags
        if known.get(NOTE) == text or int(known.get(STARTED, 0)) > started:
            return 0
        # The time first, because after a kill in between the next sync replaces the older text.
        self._client.set_experiment_tag(self.experiment, STARTED, str(started))
        self._client.set_experiment_tag(self.experiment, NOTE, text)
        return 1

    def set_status(self, stored: Stored, status: str, ended: int | None) -> int:
        """Sets status and end. MLflow cannot remove an end, so a resumed run keeps its old one until it ends again."""
        if ended is None and stored.status != status:
            self._client.update_run(stored.id, status=status)
        elif ended is not None and (stored.status, stored.ended) != (status, ended):
            self._client.set_terminated(stored.id, status=status, end_time=ended)
        else:
            return 0
        stored.status, stored.ended = status, ended
        return 1

    def _search(self, uid: str) -> Iterator[MlflowRun]:
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment], f"tags.`{UID}` = '{uid}'", max_results=BATCH, page_token=token
            )
            for run in page:
                there = Path(os.path.normpath(_path_of(run.info.artifact_uri)))
                if self._own and not there.is_relative_to(os.path.realpath(self._own)):
                    raise RecordError(
                        f"MLflow notes {there} for files of run {run.info.run_id}; {self._own} is right."
                    )
                yield run
            token = page.token
            if not token:
                return


def client(results: Results, uri: str | None) -> MlflowClient:
    """A client of a store; makes a missing local store.

    Raises:
        RecordError: this kind of address cannot store a projection.
    """
    if uri is not None and uri.split(":")[0].split("+")[0] not in SCHEMES:
        raise RecordError(
            f"--tracking: {redact(uri)} is not allowed; http://HOST:PORT of an MLflow server, "
            f"or the address of a database ({', '.join(SCHEMES[2:])})."
        )
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):  # they log every table that they make
        logging.getLogger(name).setLevel(logging.WARNING)
    if uri is None:
        refuse_store_links(results)
        _make_store(results)
    made = mlflow.MlflowClient(uri or results.tracking_uri)
    if uri is None:
        _require_here(results, [one for one in made.search_experiments() if _is_ours(one)])
    return made


def refuse_store_links(results: Results) -> None:
    """Raises if the store beside the results leads out of the results folder."""
    refuse_links(*results.root.glob("*mlflow.*"), results.mlartifacts, what="MLflow writes there")


def _place_of(results: Results, experiments: Sequence[Experiment]) -> Path | None:
    """The results folder where MLflow, which notes absolute paths, would write files of these experiments, if it is
    another.
    """
    for experiment in experiments:
        noted = Path(_path_of(experiment.artifact_location))
        if os.path.realpath(noted) != os.path.realpath(results.mlartifacts / experiment.name):
            return noted.parent.parent
    return None


def noted(results: Results) -> tuple[Path | None, set[str]]:
    """The folder that the store belongs to, if another, and its runs. Reads a copy: MLflow keeps stores open."""
    from mlflow import MlflowClient

    with TemporaryDirectory() as folder:
        copy = Path(folder) / "mlflow.db"
        # Not `backup`, which waits for ever if a stopped process holds the store.
        with closing(sqlite3.connect(results.mlflow_db)) as store:
            store.execute("VACUUM INTO ?", (str(copy),))
        client = MlflowClient(f"sqlite:///{copy}")
        ours = [one for one in client.search_experiments() if _is_ours(one)]
        old = _place_of(results, ours)
        known, token = set[str](), None
        while old and ours:
            ids = [one.experiment_id for one in ours]
            page = client.search_runs(ids, max_results=BATCH, page_token=token)
            known |= {run.data.tags.get(UID, "") for run in page}
            token = page.token
            if not token:
                break
    return old, known


def _require_here(results: Results, experiments: Sequence[Experiment]) -> None:
    """Raises if the store belongs to another folder; `moved.py` rebuilds it before anything is written."""
    if old := _place_of(results, experiments):
        raise RecordError(
            f"{results.mlflow_db}: belongs to {old}; the results folder was moved or copied, and MLflow would write "
            "there. `python -m xrt.study ui` makes the store again from the records."
        )


def _path_of(address: str) -> str:
    return unquote(urlsplit(address).path)


def _make_store(results: Results) -> None:
    """Makes a missing local store, whole or not at all. That takes MLflow seconds; two runs doing so at the same time,
    or a kill in between, would leave one that cannot be opened.
    """
    import mlflow

    results.root.mkdir(parents=True, exist_ok=True)
    with locked(results.root / ".mlflow.lock", patience=120.0):
        if results.mlflow_db.exists():
            return
        part = results.root / ".mlflow.db.tmp"
        part.unlink(missing_ok=True)
        mlflow.MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1)
        os.replace(part, results.mlflow_db)


def of_another_version(error: Exception, address: str) -> str | None:
    """What to do about a store that another version of MLflow wrote; None if the error is of another kind.

    MLflow does not say which of the two is older.
    """
    if "out-of-date database schema" not in str(error):
        return None
    return (
        f"{address}: another version of MLflow wrote this store (here is {version('mlflow')}). If that one was older, "
        f"copy the store, then: mlflow db upgrade {address}. If it was newer, install it. Or move the store away: "
        "`sync` makes it again from the records."
    )


def tables(results: Results) -> dict[str, str]:
    """Study -> address of its runs in MLflow; the experiment's own address opens a page for language models.

    Raises:
        RecordError: MLflow cannot read its store, for example because a newer version has written it.
    """
    from mlflow import MlflowClient

    try:
        found = MlflowClient(results.tracking_uri).search_experiments(order_by=["last_update_time DESC"])
    except Exception as error:  # SQLite, SQLAlchemy and MLflow all raise their own
        if cure := of_another_version(error, results.tracking_uri):
            raise RecordError(cure) from error
        reason = str(error).strip().partition("\n")[0]
        raise RecordError(f"{results.mlflow_db}: MLflow cannot read its store: {reason}") from error
    return {one.name: f"#/experiments/{one.experiment_id}/runs" for one in found if _is_ours(one)}


def _is_ours(experiment: Experiment) -> bool:
    return set(EXPERIMENT_TAGS) <= set(experiment.tags)


def _experiment(client: MlflowClient, study: str, artifacts: Path | None) -> str:
    """The id of the study's experiment, which is made or restored from the bin if necessary."""
    from mlflow import MlflowException

    found = client.get_experiment_by_name(study)
    if found is None:
        try:
            location = artifacts.as_uri() if artifacts else None
            return str(client.create_experiment(study, location, dict(EXPERIMENT_TAGS)))
        except MlflowException:  # another run of the study may have just made it
            found = client.get_experiment_by_name(study)
            if found is None:
                raise
    if (
        artifacts
        and not (there := Path(unquote(urlsplit(found.artifact_location).path)).parent.parent).exists()
    ):
        raise RecordError(
            f"MLflow notes {there} for the files of {study}, and that folder is gone; bring it back, or give another "
            "--tracking."
        )
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    for key in EXPERIMENT_TAGS.keys() - found.tags.keys():  # the store of an earlier version lacks them
        client.set_experiment_tag(found.experiment_id, key, EXPERIMENT_TAGS[key])
    return str(found.experiment_id)


def _stored(run: MlflowRun) -> Stored:
    return Stored(
        id=run.info.run_id,
        status=run.info.status,
        ended=run.info.end_time,
        tags=dict(run.data.tags),
        params=set(run.data.params),
        sent=json.loads(run.data.tags.get(SENT, "{}")),
        data={(d.dataset.name, d.dataset.digest) for d in (run.inputs.dataset_inputs if run.inputs else [])},
    )


def _kind(key: str) -> str:
    """`dev/mean` of `dev/mean/mixed`: metrics that are recorded together. Probes of encoders come one by one."""
    return key.rpartition("/")[0]


def _data_key(data: Data) -> tuple[str, str]:
    """The name and digest by which MLflow tells data sets apart."""
    return f"{data.name}/{data.split}", data.digest[:DIGEST]


def _dataset_input(data: Data) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    name, digest = _data_key(data)
    dataset = Dataset(
        name=name,
        digest=digest,
        source_type="local" if (data.origin or "").startswith("/") else "code",
        source=json.dumps({"uri": data.origin or data.name}),
        profile=json.dumps({"num_rows": data.rows}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", data.context)])


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
