"""Who proposes the next trial: TPE (Bergstra et al. 2011), which knows the record and nothing else.

A proposal is a function of the search's seed, the number of the trial, and the trials so far: how often the run was
killed and resumed does not matter. Trials take turns by arm, so every arm is tuned with the same number of them. An
arm begins with points that fill its space evenly; then Optuna's TPE learns from the trials of all arms which encoders,
learning rates and training settings are good, and from those of the arm which values of its own parameters are.
"""

import random
import zlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from xrt.errors import RecordError
from xrt.record.values import TrialRecord
from xrt.spec.arms import Arm
from xrt.spec.space import Suggest
from xrt.spec.study import StudySpec

ENDED = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
# The constants below are measured by tests/bench/arms.py.
# Trials with which an arm fills its space evenly, before it learns: the encoder from all arms, very soon.
ENCODER, FILLING = 2, 8
CANDIDATES = 4  # of which TPE takes the best; Optuna's 24 crowd around the first good trials
REDRAWS, CHANCES = (
    20,
    500,
)  # by TPE, and at random, of what was tried; then the arm's space is taken to be used up
BEST, NEWEST = 20, 40  # trials that TPE is given; more of them only cost time


class Proposal(NamedTuple):
    """A trial to run: its id in the run, the id of its configuration, its parameters by flat name, its seed."""

    id: str
    configuration: str
    params: dict[str, Any]
    seed: int


def propose(spec: StudySpec, trials: Sequence[TrialRecord]) -> Proposal | None:
    """The next trial of the search; None if all have been begun.

    Args:
        trials: of the run, by id.

    Raises:
        RecordError: a trial is missing in the record.
    """
    known = [trial for trial in trials if trial.phase == "search"]
    for place, trial in enumerate(known):
        if int(trial.id) != place:
            raise RecordError(f"trials/{place:04d}.json: is missing, but later trials are there; restore it.")
    if len(known) >= spec.search.trials:
        return None
    arm, id = spec.arms[len(known) % len(spec.arms)], f"{len(known):04d}"
    tried = [trial.params for trial in known if arm.holds(trial.params)]
    params: dict[str, Any] = {}
    for params in _draws(spec, arm, known):
        if params not in tried:
            break
    return Proposal(id, id, params, spec.search.seed)


def _draws(spec: StudySpec, arm: Arm, known: Sequence[TrialRecord]) -> Iterator[dict[str, Any]]:
    """Samples of the arm, the one that we would like best first; the same for the same seed and trials."""
    number, place = len(known), len(known) // len(spec.arms)
    even = Unit(filling(spec, arm, place).__getitem__)
    study = _study(spec, known)
    for attempt in range(REDRAWS):
        study.sampler = _tpe(_mixed(spec.search.seed, number, attempt))
        learned = _Asked(study.ask())
        encoder, rest = (even if place < count else learned for count in (ENCODER, FILLING))
        yield spec.sample(OfArm(arm, encoder, rest))
    chance = random.Random(_mixed(spec.search.seed, number))
    anything = Unit(lambda name: chance.random())
    for _ in range(CHANCES):
        yield spec.sample(OfArm(arm, anything, anything))


def filling(spec: StudySpec, arm: Arm, place: int) -> dict[str, float]:
    """A point of the arm's unit cube by parameter: of a Halton sequence, scrambled (Owen 2017)."""
    # Takes more than a second to load, which every process that trains would wait for.
    from scipy.stats import qmc

    own = (f"{arm.method}.{name}" for name in spec.space.method[arm.method])
    names = ["encoder", "learning_rate", *own, *(name for name, _ in spec.training.searched())]
    sequence = qmc.Halton(len(names), rng=_mixed(spec.search.seed, arm.name))
    sequence.fast_forward(place)
    return dict(zip(names, sequence.random(1)[0].tolist(), strict=True))


def _mixed(*parts: object) -> int:
    return zlib.crc32(" ".join(map(str, parts)).encode())


def _tpe(seed: int) -> TPESampler:
    """Each parameter for itself: that is what lets arms share encoder and learning rate."""
    return TPESampler(seed=seed, n_startup_trials=1, n_ei_candidates=CANDIDATES, multivariate=False)


def _study(spec: StudySpec, known: Sequence[TrialRecord]) -> optuna.Study:
    """What TPE learns from. A trial's value at a rung is how many of its arm are better there: 0, -1, ...

    So an arm that is better as a whole does not crowd out what is best in the others.
    """
    standings: dict[str, dict[int, float]] = {}
    for arm in spec.arms:
        standings |= _standings([t for t in known if arm.holds(t.params)], spec.search.metric)

    def merit(trial: TrialRecord) -> tuple[int, float]:
        return max(standings[trial.id].items(), default=(-1, 0.0))

    best = sorted(known[:-NEWEST], key=merit, reverse=True)[:BEST]
    study = quiet_study()
    for trial in (*sorted(best, key=lambda t: t.id), *known[-NEWEST:]):
        study.add_trial(frozen(spec, trial, standings[trial.id]))
    return study


def quiet_study(**where: Any) -> optuna.Study:
    """A study of Optuna's, which would announce it on the screen."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", **where)


def _standings(arm: Sequence[TrialRecord], metric: str) -> dict[str, dict[int, float]]:
    """Trial -> rung -> how many of the arm are better there, as a negative number."""
    scores: dict[int, list[float]] = defaultdict(list)
    for trial in arm:
        for report in trial.reports:
            scores[report.rung].append(-report.metrics[metric])
    for reached in scores.values():
        reached.sort()
    return {
        t.id: {r.rung: -float(bisect_left(scores[r.rung], -r.metrics[metric])) for r in t.reports}
        for t in arm
    }


def frozen(spec: StudySpec, trial: TrialRecord, values: Mapping[int, float]) -> FrozenTrial:
    """A trial of the record as one of Optuna's: only a trained one is COMPLETE, and those that ASHA stopped are PRUNED.

    Args:
        values: by rung.
    """
    recorded = _Recorded(trial.params)
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
    """Answers what makes the arm; asks `encoder` for the encoder, and `rest` for the rest."""

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
    """Answers with numbers from 0 to 1, spread over what may be chosen."""

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


class _Asked:
    """Answers with an Optuna trial."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._trial.suggest_categorical(name, list(choices))

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        return self._trial.suggest_float(name, low, high, log=log)

    def integer(self, name: str, low: int, high: int) -> int:
        return self._trial.suggest_int(name, low, high)


class _Recorded:
    """Answers with what a trial has, and remembers the distributions."""

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
