"""ASHA (Li et al. 2020) on the share of training done, which goes on after a kill as if there had been none.

Its memory is the record: all reports are told to a new scheduler in the order in which they came, so that it decides
again what it had decided, also about a trial whose end the kill has prevented.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from xrt.record.values import Report, TrialRecord
from xrt.spec.study import StudySpec


class Asha(AsyncHyperBandScheduler):
    """ASHA that knows trials by their id in the record: by that of Tune a resumed one would count twice."""

    def __init__(self, spec: StudySpec) -> None:
        assert spec.pruning is not None
        self.first = spec.rungs[0]
        self.stopped: set[str] = set()  # before their end
        super().__init__(
            metric=spec.search.metric,
            mode="max",
            time_attr="budget",
            max_t=self.budget(1.0),
            grace_period=1,
            reduction_factor=spec.pruning.reduction,
        )

    def budget(self, share: float) -> int:
        """A share of training as a whole number, in units of the first rung's: what ASHA counts in."""
        return round(share / self.first)

    def replay(self, trials: Sequence[TrialRecord]) -> set[str]:
        """Hear the reports of a search again; returns the ids of the trials that ASHA did not let go on."""
        said: list[tuple[Report, str]] = [(r, t.id) for t in trials if t.phase == "search" for r in t.reports]
        nobody: Any = None
        for id in {id for _, id in said}:
            super().on_trial_add(nobody, _known(id))
        for report, id in sorted(said, key=lambda entry: (entry[0].time, entry[1])):
            self._decide(nobody, id, {"budget": self.budget(report.share), **report.metrics})
        return self.stopped

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        super().on_trial_add(tune_controller, _known(trial.config["id"]))

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        return self._decide(tune_controller, str(trial.config["id"]), result)

    def _decide(self, tune_controller: Any, id: str, result: dict[str, Any]) -> str:
        decision = super().on_trial_result(tune_controller, _known(id), result)
        if decision == TrialScheduler.STOP and result["budget"] < self.budget(1.0):
            self.stopped.add(id)
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        super().on_trial_complete(tune_controller, _known(trial.config["id"]), result)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        super().on_trial_remove(tune_controller, _known(trial.config["id"]))

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The first that waits, among those that are not over: Ray would look through all, several times a report.

        One whose process died before Tune had stopped it waits too, for Tune forgets the decision: it is stopped now.
        """
        waiting = [trial for trial in tune_controller.get_live_trials() if trial.status == Trial.PENDING]
        for trial in waiting:
            if trial.config["id"] in self.stopped:
                tune_controller.stop_trial(trial)
        waiting = [trial for trial in waiting if trial.status == Trial.PENDING]
        return min(waiting, key=lambda trial: str(trial.config["id"]), default=None)


def _known(id: str) -> Any:
    """All that ASHA looks at of a trial."""
    return SimpleNamespace(trial_id=id)
