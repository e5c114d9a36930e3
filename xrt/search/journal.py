"""Optuna's journal of a search, for `optuna-dashboard`, written from the record. Only the ids of trials are read from
it, to notice those that the record has lost.

It is rewritten when a run starts or resumes, and each trial is added when it ends. An error (a full disk, for example)
ends the journal, not the study: the next start makes another journal.
"""

import logging
from contextlib import suppress

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from xrt.record.run import Listener, Run, TrialRecord
from xrt.search.sampler import ENDED, frozen, quiet_study

_log = logging.getLogger("xrt")


def known_trials(run: Run) -> set[str]:
    """The ended trials of the search that the journal of an earlier start holds; none if it cannot be read."""
    if not run.paths.optuna.is_file():
        return set()
    try:
        lock = JournalFileOpenLock(str(run.paths.optuna))
        storage = JournalStorage(JournalFileBackend(str(run.paths.optuna), lock_obj=lock))
        study = optuna.load_study(study_name=run.study, storage=storage)
        return {str(t.user_attrs["trial"]) for t in study.get_trials() if "trial" in t.user_attrs}
    except Exception:  # a truncated or foreign line makes Optuna raise errors of any kind
        return set()


class Dashboard(Listener):
    """Writes the journal, as a listener of a search."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._study: optuna.Study | None = None
        file = run.paths.optuna
        for old in (file, file.with_name(f"{file.name}.lock")):  # the lock of a process that was killed
            with suppress(OSError):
                old.unlink()
        try:
            # Not the default lock, which is a link: runs that contain links are refused.
            backend = JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file)))
            storage = JournalStorage(backend)
            self._study = quiet_study(storage=storage, study_name=run.study)
        except OSError as error:
            self._give_up(error)
        for trial in run.trials():
            self.trial_ended(trial)

    def trial_ended(self, trial: TrialRecord) -> None:
        """Add the trial with its reports."""
        if self._study is None or trial.phase != "search" or trial.state not in ENDED:
            return
        values = {report.rung: report.metrics[self._run.meta.metric] for report in trial.reports}
        try:
            self._study.add_trial(frozen(self._run.spec, trial, values))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        _log.warning(
            "%s: %s; optuna-dashboard will not see the rest.", self._run.paths.optuna, error.strerror
        )
        self._study = None
