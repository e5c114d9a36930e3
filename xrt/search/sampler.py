"""Who proposes the next trial: Optuna, told the truth about the last ones.

Ray's own OptunaSearch tells Optuna that a trial stopped by ASHA is COMPLETE with its early value, so that TPE
compares first-rung values with full-budget ones. Here such a trial is PRUNED, with its intermediate values.
`optuna-dashboard` opens the storage (`journal.py`); what it lacks after a kill is filled in from the record.
What is proposed depends on seed, trial and the outcomes so far, not on how often the study was resumed. Knows no Ray.
"""

import math
import random
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from xrt.errors import RecordError
from xrt.record.values import TrialRecord
from xrt.search.journal import Journal
from xrt.spec.study import StudySpec
from xrt.spec.tasks import whole_dev

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
        storage: the file of Optuna's journal, made when it is not there. This process alone writes to it.
        known: the search's trials by the record, which is believed where the two differ.
    """

    def __init__(self, spec: StudySpec, storage: Path, known: Sequence[TrialRecord] = ()) -> None:
        self._space, self._trials, self._seed = spec.space, spec.search.trials, spec.search.seed
        self._metric = spec.search.metric
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = JournalStorage(Journal(storage))
        self._study = optuna.create_study(
            storage=self._storage, direction="maximize", study_name=spec.study, load_if_exists=True
        )
        for record in sorted(known, key=lambda record: int(record.id)):
            self._believe(record)
        for sample in first(spec)[len(self._study.trials) :]:
            self._study.enqueue_trial(sample)
        self._interrupted = [t.number for t in self._study.trials if t.state == TrialState.RUNNING]

    def propose(self) -> Proposal | None:
        """The next trial; those that an earlier process left unfinished come first, with their own values."""
        if self._interrupted:
            number = self._interrupted.pop(0)
            self._draw_for(number)
            trial = self._known(number)
        elif self._begun() < self._trials:
            self._draw_for(self._next())
            trial = self._study.ask()
        else:
            return None
        suggest = _Suggest(trial, lambda name: self._draw_for(trial.number, name))
        return Proposal(f"{trial.number:04d}", self._space.sample(suggest), self._seed)

    def reported(self, trial: str, rung: int, value: float) -> None:
        """Hand an intermediate value to Optuna; the first of a rung stays."""
        known = self._known(int(trial))
        if rung not in self._storage.get_trial(known._trial_id).intermediate_values:
            known.report(value, rung)

    def ended(self, trial: str, outcome: Outcome, value: float | None) -> None:
        """Tell Optuna how the trial went: only a trial at full budget is COMPLETE."""
        state = STATES[outcome]
        if state == TrialState.COMPLETE and (value is None or math.isnan(value)):
            state = TrialState.FAIL
        final = value if state == TrialState.COMPLETE else None
        self._study.tell(int(trial), final, state=state, skip_if_finished=True)

    def _believe(self, record: TrialRecord) -> None:
        """Give the journal what the record has of a trial: a kill fell between the two, or cut the journal's end."""
        trial = self._begin(int(record.id))
        if trial.state.is_finished():
            return
        recorded = _Recorded(record.params)
        self._space.sample(recorded)
        for name, distribution in recorded.distributions.items():
            if name not in trial.params:
                value = distribution.to_internal_repr(record.params[name])
                self._storage.set_trial_param(trial._trial_id, name, value, distribution)
        for report in record.reports:
            self.reported(record.id, report.rung, report.metrics[self._metric])
        if record.state == "finished" or record.state == "pruned" or record.state == "failed":
            self.ended(record.id, record.state, told(record, self._metric))

    def _begin(self, number: int) -> FrozenTrial:
        """The trial of that number, begun if the journal did not know that it had."""
        trials = self._study.get_trials(deepcopy=False)
        if number > len(trials):
            raise RecordError(
                f"trials/{len(trials):04d}.json: is missing, but later trials are there; restore it."
            )
        if number == len(trials):
            self._storage.create_new_trial(self._study._study_id)
        elif trials[number].state == TrialState.WAITING:
            self._storage.set_trial_state_values(trials[number]._trial_id, TrialState.RUNNING)
        return self._study.get_trials(deepcopy=False)[number]

    def _draw_for(self, number: int, name: str = "") -> None:
        """Draws are a function of seed, trial and parameter, so that a kill does not change those that follow."""
        self._study.sampler = make_sampler(zlib.crc32(f"{self._seed} {number} {name}".encode()))

    def _next(self) -> int:
        """The number that Optuna will give to the next trial."""
        trials = self._study.get_trials(deepcopy=False)
        return next((t.number for t in trials if t.state == TrialState.WAITING), len(trials))

    def _begun(self) -> int:
        trials = self._study.get_trials(deepcopy=False)
        return sum(t.state != TrialState.WAITING for t in trials)

    def _known(self, number: int) -> optuna.Trial:
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        return optuna.Trial(
            self._study, self._storage.get_trial_id_from_study_id_trial_number(study_id, number)
        )


def first(spec: StudySpec) -> list[dict[str, Any]]:
    """The samples that a search begins with, before TPE has something to go by: random ones, far from each other.

    The first try each method once, the baseline among them. Of several draws each is the one that has least in
    common with those before it, by the share of parameters in which they differ.
    """
    chance = random.Random(spec.search.seed)
    chosen: list[dict[str, Any]] = []
    methods = list(spec.space.method)
    for number in range(min(STARTUP, spec.search.trials)):
        drawn = [spec.space.sample(_Chance(chance)) for _ in range(DRAWS * len(methods))]
        if number < len(methods):
            drawn = [one for one in drawn if one["method"] == methods[number]] or drawn
        chosen.append(max(drawn, key=lambda one: min((_apart(one, other) for other in chosen), default=0.0)))
    return chosen


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    names = one.keys() | other.keys()
    return sum(one.get(name) != other.get(name) for name in names) / len(names)


def told(record: TrialRecord, metric: str) -> float | None:
    """A trial's value: at its end that on the whole dev split, which is surer than the sample of a rung."""
    return record.metrics.get(whole_dev(metric), record.metrics.get(metric))


class Unrepeated(optuna.samplers.TPESampler):
    """TPE that does not try a sample twice: same values and same seed are the same numbers once more.

    That matters where a space has choices alone. What is drawn again is drawn anew, at last by chance.
    """

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return super().infer_relative_search_space(cast(optuna.Study, _Kinds(study)), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        tried = [one.params for one in study.get_trials(deepcopy=False) if one.params]
        drawn = super().sample_relative(study, trial, search_space)
        for attempt in range(DRAWS + CHANCES):
            if not drawn or not any(_same(drawn, params) for params in tried):
                break
            if attempt < DRAWS:
                drawn = super().sample_relative(study, trial, search_space)
            else:
                chance = self._random_sampler.sample_independent
                drawn = {name: chance(study, trial, name, kind) for name, kind in search_space.items()}
        return drawn


class _Kinds:
    """A study in which there is one trial of each kind: which parameters go together, the others say again.

    Optuna would take the space apart once more for every trial, which is a fifth of what a proposal costs.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study, self._study_id = study, study._study_id

    def _get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        kinds: dict[frozenset[str], FrozenTrial] = {}
        for trial in self._study._get_trials(*args, **kwargs):
            kinds.setdefault(frozenset(trial.params), trial)
        return list(kinds.values())


def _same(drawn: Mapping[str, Any], tried: Mapping[str, Any]) -> bool:
    """Whether a draw is a trial's sample; of the other methods' parameters something is drawn too, and not used."""
    return all(drawn.get(name, value) == value for name, value in tried.items())


DRAWS, CHANCES = 20, 500  # of TPE, and at random; then the space is taken to be used up


def make_sampler(seed: int) -> optuna.samplers.BaseSampler:
    """TPE for a conditional space and several trials at once, with its draws from `seed`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return Unrepeated(
            seed=seed,
            multivariate=True,
            group=True,
            constant_liar=True,
            n_startup_trials=STARTUP,
            n_ei_candidates=CANDIDATES,
        )


STARTUP = 10  # random trials before TPE has something to go by
# TPE takes the most promising of so many draws. Optuna's 24 crowd around the first good trials, although another seed
# would have ranked them otherwise: measured by tests/bench/search_quality.py.
CANDIDATES = 4


class _Suggest:
    """An Optuna trial in the words of `xrt.spec.space.Suggest`; `before` is told the name of what is asked next."""

    def __init__(self, trial: optuna.Trial, before: Callable[[str], None]) -> None:
        self._trial, self._before = trial, before

    def categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self._before(name)
        return self._trial.suggest_categorical(name, list(choices))

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        self._before(name)
        return self._trial.suggest_float(name, low, high, log=log)

    def integer(self, name: str, low: int, high: int) -> int:
        self._before(name)
        return self._trial.suggest_int(name, low, high)


class _Chance:
    """Answers at random."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._source.choice(choices)

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        if log:
            drawn = math.exp(self._source.uniform(math.log(low), math.log(high)))
            return min(high, max(low, drawn))  # rounding
        return self._source.uniform(low, high)

    def integer(self, name: str, low: int, high: int) -> int:
        return self._source.randint(low, high)


class _Recorded:
    """A recorded sample as one that is asked: answers what it holds, and remembers the distributions."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self.distributions: dict[str, BaseDistribution] = {}

    def categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._is(name, CategoricalDistribution(list(choices)))

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        return float(self._is(name, FloatDistribution(low, high, log=log)))

    def integer(self, name: str, low: int, high: int) -> int:
        return int(self._is(name, IntDistribution(low, high)))

    def _is(self, name: str, distribution: BaseDistribution) -> Any:
        self.distributions[name] = distribution
        return self._params[name]
