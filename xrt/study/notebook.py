"""Runs in a notebook or a script: `import xrt`, then `xrt.open`, `xrt.run`, `xrt.compare`. Tables are of pandas."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Console

from xrt.findings.findings import Findings, findings
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.report.figures import matrix as matrix_of
from xrt.report.gallery import Plate, of_languages, of_search
from xrt.spec.loading import load_study
from xrt.study.app import opened_run

__all__ = ["Opened", "compare_runs", "open_run", "run_study"]


class Opened:
    """A run as it stands on disk; each access reads what is new."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def name(self) -> str:
        return self._run.name

    @property
    def findings(self) -> Findings:
        """What the run means: `.answer.sentence`, `.ranking`, `.confirmation`, `.champion`."""
        return findings(self._run, partly=True)

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial, by id: its parameters by flat name, then the metrics of its last report, from 0 to 1.

        `dev/...` of a finished trial is measured on the whole dev split, of any other on its last rung's sample. For
        pairs of languages see `matrix`.
        """
        return pd.DataFrame([_row(trial) for trial in self.findings.trials]).set_index("trial")

    def matrix(self, trial: str | int, split: str = "dev") -> pd.DataFrame:
        """Accuracies of a trial (language of sentence 1, language of sentence 2); NaN where it was not evaluated.

        Of a task of single sentences one row. On dev, a trial that has not finished has its last rung's sample.

        Args:
            trial: its id, `"0027"` or 27.

        Raises:
            RecordError: the run has no such trial.
        """
        task, id = self._run.spec.task, trial if isinstance(trial, str) else f"{trial:04d}"
        found = matrix_of(id, [self._run.trial(id)], task, split)
        rows = task.languages if task.sentences > 1 else ("accuracy",)
        return pd.DataFrame(
            found.values if found else float("nan"), rows, found.languages if found else task.languages
        )

    @property
    def figures(self) -> dict[str, Plate]:
        """The figures of the report by name, which a notebook shows; each with its `.caption` and `.rows`."""
        found = self.findings
        return {plate.name: plate for plate in (*of_languages(found), *of_search(found))}

    def __repr__(self) -> str:
        return f"{self.name}: {self.findings.answer.sentence}"


def open_run(name: str, results: str | None = None) -> Opened:
    """The run of that name, or the newest run of the study of that name.

    Args:
        results: folder of all runs, or s3://bucket/path; ./results or XRT_RESULTS by default.

    Raises:
        RecordError: there is none, or its record is damaged.
    """
    return Opened(opened_run(name, results))


def run_study(
    study: str, overrides: Sequence[str] = (), results: str | None = None, tracking: str | None = None
) -> Opened:
    """Run a study to its end, as the command `run` does, and open the run.

    Args:
        study: a name or a YAML file.
        overrides: as for `--set`: `["search.trials=8"]`.
        tracking: address of MLflow, or `later`; a store in the results folder by default.

    Raises:
        XrtError: the study, the data or the machine cannot be used; nothing was started.
    """
    from xrt.study.running import start

    return Opened(start(load_study(study, list(overrides)), Results.at(results), Console(), tracking))


def compare_runs(names: Sequence[str], results: str | None = None) -> pd.DataFrame:
    """One row per run: its study, its winner with its accuracy by each primary metric, and its answer.

    Accuracies of a confirmed winner are means over its seeds, on the split in the column `split`; otherwise they are
    those of the search's best trial, on dev.
    """
    all_names = [names] if isinstance(names, str) else names
    return pd.DataFrame([_summary(open_run(name, results).findings) for name in all_names]).set_index("run")


def _row(trial: TrialRecord) -> dict[str, Any]:
    row = {
        "trial": trial.id,
        "configuration": trial.configuration or trial.id,
        "phase": trial.phase,
        "state": trial.state,
        "seed": trial.seed,
        "reason": trial.reason,
        "seconds": trial.seconds,
        "step": trial.last.step if trial.last else 0,
        "share": trial.last.share if trial.last else 0.0,
    }
    return row | trial.params | {n: v for n, v in trial.metrics.items() if "/pair/" not in n}


def _summary(found: Findings) -> dict[str, Any]:
    confirmed, first = found.confirmation, found.best_trial
    winner = confirmed.winner if confirmed else None
    row: dict[str, Any] = {"run": found.meta.name, "study": found.meta.study, "status": found.meta.status}
    if confirmed and winner:
        best = confirmed.best(winner)
        row |= {"winner": best.id, **best.params, "split": confirmed.split, "seeds": len(best.trials)}
        row |= {metric.short: confirmed.accuracy(winner, metric).mean for metric in found.metrics}
    elif first:
        row |= {"winner": first.id, **first.params, "split": "dev", "seeds": 1}
        row |= {metric.short: first.score(str(metric.on("dev"))) for metric in found.metrics}
    return row | {"answer": found.answer.sentence}
