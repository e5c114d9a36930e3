"""Who proposes the next trial: Optuna, told the truth about the last ones.

Ray's own OptunaSearch tells Optuna that a trial stopped by ASHA is COMPLETE with its early value, so that TPE
compares first-rung values with full-budget ones. Here such a trial is PRUNED, with its intermediate values. The
persistent storage is the whole memory: a resumed study asks it, and `optuna-dashboard` opens it. Knows no Ray.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from xrt.spec.study import StudySpec

Outcome = Literal["finished", "pruned", "failed"]
STATES = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


@dataclass(frozen=True)
class Proposal:
    """A trial to run: its id within the run, its sample of the space by flat name, and its seed."""

    id: str
    sample: dict[str, Any]
    seed: int


class Proposer(Protocol):
    """Proposes trials until it has none left (None), and hears how they went. Values are of the study's metric."""

    def propose(self) -> Proposal | None: ...

    def reported(self, trial: str, rung: int, value: float) -> None: ...

    def ended(self, trial: str, outcome: Outcome, value: float | None) -> None: ...


class OptunaProposer:
    """TPE (Bergstra et al. 2011) over the conditional space, in a storage that outlives the process.

    Args:
        storage: the file of Optuna's journal, made when it is not there.
    """

    def __init__(self, spec: StudySpec, storage: Path) -> None:
        self._space, self._trials, self._seed = spec.space, spec.search.trials, spec.search.seed
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = JournalStorage(JournalFileBackend(str(storage)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study = optuna.create_study(
                storage=self._storage,
                sampler=make_sampler(spec.search.seed + (storage.stat().st_size if storage.exists() else 0)),
                direction="maximize",
                study_name=spec.study,
                load_if_exists=True,
            )
        if not self._study.trials and len(spec.space.method) > 1:
            for method in spec.space.method:  # each is tried at least once, the baseline among them
                self._study.enqueue_trial({"method": method})
        self._interrupted = [t.number for t in self._study.trials if t.state == TrialState.RUNNING]

    def propose(self) -> Proposal | None:
        """The next trial; those that an earlier process left unfinished come first, with their own values."""
        if self._interrupted:
            trial = self._known(self._interrupted.pop(0))
        elif self._begun() < self._trials:
            trial = self._study.ask()
        else:
            return None
        return Proposal(f"{trial.number:04d}", self._space.sample(_Suggest(trial)), self._seed)

    def reported(self, trial: str, rung: int, value: float) -> None:
        """Hand an intermediate value to Optuna."""
        self._known(int(trial)).report(value, rung)

    def ended(self, trial: str, outcome: Outcome, value: float | None) -> None:
        """Tell Optuna how the trial went: only a trial at full budget is COMPLETE."""
        state = STATES[outcome] if outcome != "finished" or value is not None else TrialState.FAIL
        final = value if state == TrialState.COMPLETE else None
        self._study.tell(int(trial), final, state=state, skip_if_finished=True)

    def _begun(self) -> int:
        trials = self._study.get_trials(deepcopy=False)
        return sum(t.state != TrialState.WAITING for t in trials)

    def _known(self, number: int) -> optuna.Trial:
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        return optuna.Trial(
            self._study, self._storage.get_trial_id_from_study_id_trial_number(study_id, number)
        )


def make_sampler(seed: int) -> optuna.samplers.BaseSampler:
    """TPE for a conditional space and several trials at once, with its draws from `seed`."""
    return optuna.samplers.TPESampler(
        seed=seed % 2**32, multivariate=True, group=True, constant_liar=True, n_startup_trials=STARTUP
    )


STARTUP = 10  # random trials before TPE has something to go by


class _Suggest:
    """An Optuna trial in the words of `xrt.spec.space.Suggest`."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._trial.suggest_categorical(name, list(choices))

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        return self._trial.suggest_float(name, low, high, log=log)

    def integer(self, name: str, low: int, high: int) -> int:
        return self._trial.suggest_int(name, low, high)
