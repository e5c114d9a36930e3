"""All that a run leaves behind, but for clocks: two runs of the same study must leave the same, whatever struck one.

Of each trial its predictions and weights, of the run its report and the paper's tables, of MLflow every series and the
winner. Each is one digest under a name, so that what differs can be said.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from safetensors.torch import load_file

from tests.faults.small import CLOCK, Study, duplicates, mlflow_runs, table
from xrt.record.run import Run
from xrt.robust.predictions import Predictions
from xrt.search import checkpoints

# The run's command and commit, its name, dates and durations, which no two runs have in common.
MASKED = (
    r"(?s)```[a-z]*\npython -.*?\n```",
    r"\| commit \|.*",
    r"\d+ (?:s|min|h)\b",
    r"\d{4}-\d\d-\d\d(?: \d\d:\d\d)?(?: UTC)?",
    r"[\d.,]+ (?:examples|tokens) (?:a|per) second",
)
WINNER = "winner/model/model.safetensors"


@dataclass(frozen=True)
class Seen:
    """What a run has come to.

    Attributes:
        table: each trial's sample, end, and reports.
        left: digests of what it left behind, by name.
    """

    table: dict[str, tuple]
    left: dict[str, str]

    @classmethod
    def of(cls, study: Study) -> "Seen":
        assert study.run is not None
        return cls(table(study.run), left_behind(study.run, study.tracking))


@dataclass(frozen=True)
class Outcome:
    """A row of the closing table."""

    fault: str
    injected: int
    lost: int  # trials of the undisturbed run that are not there, or ended otherwise
    metrics_lost: int  # values that it reported and this one did not, or not the same
    duplicates: int  # trials, reports, MLflow runs and points that are there twice
    equal: bool  # table, predictions, weights, report, and all that MLflow has
    differences: tuple[str, ...] = ()  # a line for each thing that differs

    @property
    def whole(self) -> bool:
        return self.equal and not (self.lost or self.metrics_lost or self.duplicates)


def compare(fault: str, injected: int, reference: Seen, study: Study) -> Outcome:
    """A disturbed run against the undisturbed one."""
    assert study.run is not None
    seen, rows = Seen.of(study), reference.table
    lost = sum(id not in seen.table or seen.table[id][:4] != row[:4] for id, row in rows.items())
    missing = sum(
        seen.table.get(id, [{}] * 5)[4].get(key) != value
        for id, row in rows.items()
        for key, value in row[4].items()
    )
    told = (*differences(rows, seen.table), *unlike(reference.left, seen.left))
    twice = duplicates(study.run, study.tracking)
    return Outcome(fault, injected, lost, missing, twice, seen == reference, told)


def differences(reference: dict[str, tuple], found: dict[str, tuple]) -> Iterator[str]:
    """A line for each trial whose row is not the same: where to begin to look."""
    for id in sorted(reference.keys() | found.keys()):
        one, other = reference.get(id), found.get(id)
        if one is None or other is None:
            yield f"{id}: {'there too' if one is None else 'missing'}"
        elif one[:4] != other[:4]:
            yield f"{id}: {other[:4]} instead of {one[:4]}"
        elif apart := [
            key for key in sorted(one[4].keys() | other[4].keys()) if one[4].get(key) != other[4].get(key)
        ]:
            first = apart[0]
            yield f"{id}: {len(apart)} metrics, {first}: {other[4].get(first)} instead of {one[4].get(first)}"


def unlike(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[str]:
    """A line for each thing that was left behind and is not the same."""
    for name in sorted(one.keys() | other.keys()):
        if name not in other:
            yield f"{name}: missing"
        elif one.get(name) != other[name]:
            yield f"{name}: {'another' if name in one else 'there too'}"


def left_behind(run: Run, tracking: str | None = None) -> dict[str, str]:
    """Name -> digest of each thing that an ended run has left."""
    found = {name: _digest(parts) for name, parts in _of_trials(run)}
    for file in (run.paths.table_csv, run.paths.table_latex):
        found[file.name] = _digest([_masked(file.read_text(), run)])
    found["report.md"] = _digest([_masked(run.paths.report_markdown.read_text(), run)])
    return found | {name: _digest(parts) for name, parts in _of_mlflow(run, tracking)}


def _of_trials(run: Run) -> Iterator[tuple[str, Iterable[bytes | str]]]:
    for trial in run.trials():
        for folder in checkpoints.whole(run.paths, trial.id)[:1]:
            for split in ("dev", "test"):
                if (file := folder / f"predictions-{split}.arrow").exists():
                    yield f"{trial.id}: predictions on {split}", [Predictions.open(file).predicted.tobytes()]
            if (file := folder / "weights.safetensors").exists():
                yield f"{trial.id}: weights", _tensors(file)


def _of_mlflow(run: Run, tracking: str | None) -> Iterator[tuple[str, Iterable[bytes | str]]]:
    client = MlflowClient(tracking or run.paths.results.tracking_uri)
    for one in mlflow_runs(client, run.study):
        if one.data.tags["xrt.uid"] != run.meta.uid:
            continue
        trial = one.data.tags.get("xrt.trial", "")
        for name in sorted(one.data.metrics.keys() - set(CLOCK)):
            if not name.startswith("system/"):
                points = client.get_metric_history(one.info.run_id, name)
                yield f"{trial or 'run'}: MLflow's {name}", [repr(sorted((p.step, p.value) for p in points))]
        if not trial:
            yield "the registered winner", _tensors(Path(client.download_artifacts(one.info.run_id, WINNER)))


def _tensors(file: Path) -> Iterator[bytes]:
    """The tensors of a file in the order of their names: its header says whose they are."""
    for name, tensor in sorted(load_file(file).items()):
        yield name.encode() + tensor.numpy().tobytes()


def _masked(text: str, run: Run) -> str:
    for pattern in (re.escape(run.name), *MASKED):
        text = re.sub(pattern, "…", text)
    return text


def _digest(parts: Iterable[bytes | str]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else part.encode())
    return found.hexdigest()
