"""Where the files of a run are; no other module joins strings to paths. Knows nothing of their content.

<results>/mlflow.db, <results>/mlartifacts/        the projection (MLflow's store)
<results>/<study>/<run>/spec.yaml                  the study, resolved
                        run.json                   what the run is; written last: a run exists if it does
                        trials/0003.json           one file per trial
                        note.json                  the user's note, if any
                        report.html, report.md, figures/, table.csv, table.tex
                        optuna.log                 the search for optuna-dashboard; never read
                        tune/                      checkpoints
                        holder, tracking.lock      who works on the run, who writes to MLflow
"""

import logging
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from xrt.errors import RecordError, closest
from xrt.record.place import HOLDER, Place
from xrt.record.remote import Bucket

_log = logging.getLogger("xrt")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RUN = re.compile(r"(.*)-(\d{8}-\d{6})(?:-(\d+))?")
TAKEN = ("mlflow.db", "mlartifacts")  # names in the results folder that no study may have


@dataclass(frozen=True)
class RunPaths:
    """Names every file of one run."""

    results: "Results"
    study: str
    name: str

    @property
    def root(self) -> Path:
        return self.results.root / self.study / self.name

    @property
    def spec(self) -> Path:
        return self.root / "spec.yaml"

    @property
    def meta(self) -> Path:
        return self.root / "run.json"

    @property
    def trials(self) -> Path:
        return self.root / "trials"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def report_markdown(self) -> Path:
        return self.root / "report.md"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    @property
    def table_csv(self) -> Path:
        return self.root / "table.csv"

    @property
    def table_latex(self) -> Path:
        return self.root / "table.tex"

    @property
    def optuna(self) -> Path:
        return self.root / "optuna.log"

    @property
    def tune(self) -> Path:
        return self.root / "tune"

    @property
    def holder(self) -> Path:
        return self.root / HOLDER

    @property
    def note(self) -> Path:
        return self.root / "note.json"

    @property
    def tracking_lock(self) -> Path:
        return self.root / "tracking.lock"

    def trial(self, id: str) -> Path:
        """The record of one trial."""
        return self.trials / f"{checked(id, 'trial')}.json"


@dataclass(frozen=True)
class Results:
    """The folder that holds the runs of all studies, and the MLflow store beside them."""

    root: Path
    place: Place = field(default_factory=Place, compare=False)

    @staticmethod
    def at(folder: str | Path | None = None) -> "Results":
        """`folder`, else `XRT_RESULTS`, else ./results. It need not exist.

        `s3://bucket/path` is mirrored by a folder in the cache, which is updated here.

        Raises:
            RecordError: an SQLite URI cannot contain the path, or the bucket cannot be read.
        """
        given = str(folder or os.environ.get("XRT_RESULTS") or "results")
        if "://" in given:
            bucket = Bucket(given)
            bucket.pull()
            return Results(bucket.here, bucket)
        # Ray Tune resolves links in the names of folders.
        root = Path(os.path.realpath(os.path.expanduser(given)))
        if bad := {"?", "%"} & set(str(root)):
            raise RecordError(
                f"results: {root}: {' and '.join(sorted(bad))} cannot stand in an SQLite address; "
                "choose another folder."
            )
        return Results(root)

    @property
    def option(self) -> str:
        """`--results` for printed commands; empty if they find these results without it."""
        usual, here = os.environ.get("XRT_RESULTS") or "results", self.place.address or str(self.root)
        found = here in (usual, os.path.realpath(os.path.expanduser(usual)))
        return "" if found else f" --results {shlex.quote(here)}"

    @property
    def mlflow_db(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def mlartifacts(self) -> Path:
        return self.root / "mlartifacts"

    @property
    def tracking_uri(self) -> str:
        """The default address of the projection."""
        return f"sqlite:///{self.mlflow_db}"

    def studies(self) -> list[str]:
        """The studies that have a run, by name."""
        return sorted({paths.study for paths in self._all()})

    def runs(self, study: str | None = None, name: str | None = None) -> list[RunPaths]:
        """The runs (of one study or all, of one name or all), oldest first."""
        chosen = (p for p in self._all() if study in (None, p.study) and name in (None, _given(p.name)))
        return sorted(chosen, key=lambda p: _age(p.name))

    def find(self, name: str) -> RunPaths:
        """A run by its name; the newest run of the study of that name; or the newest of that `--name`.

        Raises:
            RecordError: there is none; the message lists the existing ones.
        """
        checked(name, "run or study")
        runs = self.runs()
        for same in (
            [p for p in runs if p.name == name],
            [p for p in runs if p.study == name],
            [p for p in runs if _given(p.name) == name],
        ):
            if same:
                return same[-1]
        if not runs:
            raise RecordError(f"{name}: {self.root} has no run to read; start one, or give --results FOLDER.")
        names = [p.name for p in runs[::-1]] + self.studies()
        raise RecordError(
            f"{name}: no run and no study of that name in {self.root}; there are {_some(names)}."
            + closest(name, names)
        )

    def create(self, study: str, now: datetime | None = None, name: str | None = None) -> RunPaths:
        """Makes the folder of a new run, `<name>-YYYYMMDD-HHMMSS` (UTC) and `-2`, ... if that is taken.

        Args:
            name: of the run; None: its study's.

        `mkdir` decides between two runs that begin in the same second, so each gets its own folder.
        """
        if checked(study, "study", longest=120) in TAKEN:
            raise RecordError(
                f"study: {study}: the results folder has its own file of that name; choose another."
            )
        self.require_own(study)
        given = checked(name, "--name", longest=120) if name else study
        stamp = f"{given}-{(now or datetime.now(UTC)).astimezone(UTC):%Y%m%d-%H%M%S}"
        try:
            (self.root / study).mkdir(parents=True, exist_ok=True)
            for numbered in _numbered(stamp):
                try:
                    RunPaths(self, study, numbered).root.mkdir()
                except FileExistsError:
                    continue
                return RunPaths(self, study, numbered)
        except OSError as error:
            raise RecordError(
                f"{self.root}: cannot be written ({error.strerror}); give --results FOLDER."
            ) from error
        raise AssertionError("unreachable: the numbers do not end")

    def require_own(self, study: str) -> None:
        """Raises if the folder of a study is a link, because runs would be written elsewhere."""
        if (self.root / study).is_symlink():
            raise RecordError(f"{self.root / study}: is a link; put there what it leads to.")

    def _all(self) -> Iterator[RunPaths]:
        for study in _folders(self.root):
            for run in _folders(study):
                paths = RunPaths(self, study.name, run.name)
                if _is_there(paths.meta):
                    yield paths


def checked(name: str, what: str, longest: int = 150) -> str:
    """The name itself, if it can be the name of a file and leads nowhere else.

    Raises:
        RecordError: it cannot.
    """
    if not NAME.fullmatch(name) or len(name) > longest:
        raise RecordError(
            f"{what}: {name[:120]!r} is not a name; letters, digits, dot, dash and underscore, "
            f"beginning with a letter or digit, at most {longest} of them."
        )
    return name


def _folders(root: Path) -> list[Path]:
    """The folders in a folder that can be studies or runs; none if it is missing, or closed to this account."""
    try:
        return sorted(path for path in root.iterdir() if NAME.fullmatch(path.name) and path.is_dir())
    except PermissionError as error:
        # Without a warning a colleague's runs would seem not to exist.
        _log.warning("%s: cannot be read (%s).", error.filename or root, error.strerror)
    except OSError:
        pass
    return []


def _is_there(path: Path) -> bool:
    """Whether a path exists, also in a folder closed to this account: reading it raises."""
    try:
        path.lstat()
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _age(name: str) -> tuple[str, int, str]:
    """Sorts runs by the time in their name; a renamed run counts as old."""
    match = RUN.fullmatch(name)
    return (match[2], int(match[3] or 1), name) if match else ("", 0, name)


def _given(name: str) -> str:
    """A run's name without its time: that of `run --name`, else its study's."""
    match = RUN.fullmatch(name)
    return match[1] if match else name


def _numbered(stamp: str) -> Iterator[str]:
    yield stamp
    number = 2
    while True:
        yield f"{stamp}-{number}"
        number += 1


def _some(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
