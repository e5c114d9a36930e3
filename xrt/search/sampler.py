"""Proposes the next trial by TPE (Bergstra et al. 2011), from the record alone.

A proposal is a function of the search's seed, the number of the trial, and the trials so far, so it does not depend on
kills and resumptions. Trials take turns by arm, so every arm is tuned with the same number of them. An
arm begins with points that fill its space evenly; then Optuna's TPE learns from the trials of all arms which encoders,
learning rates and training settings are good, and from those of the arm which values of its own parameters are.
"""

import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import nlargest
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from xrt.errors import RecordError
from xrt.record.values import Earlier, TrialRecord
from xrt.search.standings import Standings
from xrt.spec.arms import Arm
from xrt.spec.space import Suggest
from xrt.spec.study import StudySpec

ENDED = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
# The constants below are measured by tests/bench/arms.py.
# Trials with which an arm fills its space evenly before it learns. The encoder is learned from all arms, so earlier.
ENCODER, FILLING = 2, 8
CANDIDATES = 4  # per proposal of TPE; Optuna's 24 crowd around the first good trials
# Draws by TPE, then at random, that repeat a trial; after that the arm's space counts as used up.
REDRAWS, CHANCES = 20, 500
BEST, NEWEST = 20, 40  # trials that TPE learns from; more only cost time


class Proposal(NamedTuple):
    """A trial to run: its id in the run, the id of its configuration, its parameters by flat name, its seed."""

    id: str
    configuration: str
    params: dict[str, Any]
    seed: int


def propose(
    spec: StudySpec,
    trials: Sequence[TrialRecord],
    standings: Standings | None = None,
    earlier: Earlier | None = None,
) -> Proposal | None:
    """The next trial of the search; None if all have begun.

    Args:
        trials: of the run, by id.
        standings: with every report of these trials; by default they are read from all trials again.
        earlier: trials of an earlier run.

    Raises:
        RecordError: a trial is missing in the record.
    """
    known = [trial for trial in trials if trial.phase == "search"]
    if known and int(known[-1].id) >= len(known):
        place = next(place for place, trial in enumerate(known) if int(trial.id) != place)
        raise RecordError(f"trials/{place:04d}.json: is missing, but later trials exist; restore it.")
    if len(known) >= spec.search.trials:
        return None
    arm, id = spec.arms[len(known) % len(spec.arms)], f"{len(known):04d}"
    tried = [trial.params for trial in known]
    params: dict[str, Any] = {}
    for params in _draws(spec, arm, known, standings or Standings(spec, known), earlier):
        if params not in tried:
            break
    return Proposal(id, id, params, spec.search.seed)


def _draws(
    spec: StudySpec,
    arm: Arm,
    known: Sequence[TrialRecord],
    standings: Standings,
    earlier: Earlier | None,
) -> Iterator[dict[str, Any]]:
    """Samples of the arm, the preferred one first; the same for the same seed and trials."""
    number, place = len(known), len(known) // len(spec.arms)
    even = Unit(filling(spec, arm, place).__getitem__)
    before = earlier.trials if earlier else ()
    # If an earlier run on the same data has filled the arm's space, the arm learns at once.
    filled = place + sum(arm.holds(t.params) for t in before if earlier and earlier.same)
    study = _study(spec, known, standings, before)
    for attempt in range(REDRAWS):
        study.sampler = _tpe(_mixed(spec.search.seed, number, attempt))
        learned = _Suggested(study.ask())
        encoder, rest = (even if filled < count else learned for count in (ENCODER, FILLING))
        yield spec.sample(OfArm(arm, encoder, rest))
    chance = random.Random(_mixed(spec.search.seed, number))
    anything = Unit(lambda name: chance.random())
    for _ in range(CHANCES):
        yield spec.sample(OfArm(arm, anything, anything))


def filling(spec: StudySpec, arm: Arm, place: int) -> dict[str, float]:
    """A point of the arm's unit cube by parameter: of a Halton sequence, scrambled (Owen 2017)."""
    # Loading it takes more than a second, which every training process would pay.
    from scipy.stats import qmc

    own = (f"{arm.method}.{name}" for name in spec.space.method[arm.method])
    names = ["encoder", "learning_rate", *own, *(name for name, _ in spec.training.searched())]
    sequence = qmc.Halton(len(names), rng=_mixed(spec.search.seed, arm.name))
    sequence.fast_forward(place)
    return dict(zip(names, sequence.random(1)[0].tolist(), strict=True))


def _mixed(*parts: object) -> int:
    return zlib.crc32(" ".join(map(str, parts)).encode())


def _tpe(seed: int) -> TPESampler:
    """TPE of each parameter by itself, so that arms can share encoder and learning rate."""
    return TPESampler(seed=seed, n_startup_trials=1, n_ei_candidates=CANDIDATES, multivariate=False)


def _study(
    spec: StudySpec, known: Sequence[TrialRecord], standings: Standings, earlier: Sequence[TrialRecord]
) -> optuna.Study:
    """The trials that TPE learns from. A trial's value at a rung is minus the number of better ones of its run and arm.

    So an arm that is better as a whole does not crowd out the best of the others, nor one run the other.
    """
    everyone, theirs = [*earlier, *known], Standings(spec, earlier)
    newest = max(0, len(everyone) - NEWEST)

    def its(place: int) -> Standings:
        return theirs if place < len(earlier) else standings

    best = nlargest(BEST, range(newest), key=lambda place: its(place).merit(everyone[place].id))
    study = quiet_study()
    for place in (*sorted(best), *range(newest, len(everyone))):
        trial, rivals = everyone[place], its(place)
        study.add_trial(frozen(spec, trial, {r.rung: -float(rivals.better(trial, r)) for r in trial.reports}))
    return study


def quiet_study(**where: Any) -> optuna.Study:
    """An Optuna study, without Optuna's message about it."""
    # Setting it takes milliseconds, which each proposal would pay.
    if optuna.logging.get_verbosity() != optuna.logging.WARNING:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", **where)


def frozen(spec: StudySpec, trial: TrialRecord, values: Mapping[int, float]) -> FrozenTrial:
    """A recorded trial as an Optuna trial: finished ones are COMPLETE, pruned ones PRUNED, failed ones FAIL.

    Args:
        values: by rung.
    """
    recorded = Recorded(trial.params)
    spec.sample(recorded)
    state = ENDED.get(trial.state, TrialState.RUNNING)
    return create_trial(
        state=state,
        value=values[trial.reports[-1].rung] if state == TrialState.COMPLETE else None,
        params={name: trial.params[name] for name in recorded.distributions},
        distributions=recorded.distributions,
        intermediate_values=dict(values),
        user_attrs={"trial": trial.id},
    )


class OfArm:
    """Returns the values that define the arm; takes the encoder from `encoder`, everything else from `rest`."""

    def __init__(self, arm: Arm, encoder: Suggest, rest: Suggest) -> None:
        self._fixed = {"method": arm.method, "encoder": arm.encoder}
        self._encoder, self._rest = encoder, rest

    def categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._fixed.get(name) or self._of(name).categorical(name, choices)

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        return self._of(name).floating(name, low, high, log)

    def integer(self, name: str, low: int, high: int) -> int:
        return self._of(name).integer(name, low, high)

    def _of(self, name: str) -> Suggest:
        return self._encoder if name == "encoder" else self._rest


class Unit:
    """Takes its values from numbers between 0 and 1."""

    def __init__(self, draw: Callable[[str], float]) -> None:
        self._draw = draw

    def categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return choices[int(self._draw(name) * len(choices))]

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        share = self._draw(name)
        drawn = low * (high / low) ** share if log else low + (high - low) * share
        return float(min(high, max(low, drawn)))  # rounding

    def integer(self, name: str, low: int, high: int) -> int:
        return low + int(self._draw(name) * (high - low + 1))


class _Suggested:
    """Takes its values from an Optuna trial."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._trial.suggest_categorical(name, list(choices))

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        return self._trial.suggest_float(name, low, high, log=log)

    def integer(self, name: str, low: int, high: int) -> int:
        return self._trial.suggest_int(name, low, high)


class Recorded:
    """Takes its values from a recorded trial, and remembers the distributions."""

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
