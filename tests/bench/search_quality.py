"""How good is the search? `python -m tests.bench.search_quality [SEEDS] [JOBS] [FIRST]`; from the grid, untrained.

Each search may spend a quarter of what the whole grid of `mini` costs, with two trials at once; a proposed
configuration is looked up at its nearest neighbour in the grid, its cost is its training's. Printed for each
strategy: how far the configuration that it ends with is below the best one, by the mixed mean on the whole dev split.
`as seen` compares within the training seed that the search saw, `over seeds` by the mean over all recorded seeds,
which no search of one seed can know. The parts are the real ones: our proposer, Ray's ASHA, Ray's OptunaSearch.
"""

import heapq
import logging
import math
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import optuna
from ray.tune.schedulers import TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from tests.bench.mini_grid import Grid, load
from xrt.search import sampler
from xrt.search.pruning import Asha
from xrt.search.sampler import OptunaProposer, Outcome, _Suggest, make_sampler
from xrt.spec import StudySpec, load_study

BUDGET, WORKERS, METRIC, WHOLE = 0.25, 2, "dev/mean/mixed", "final/mean/mixed"
SPEC = ["search.trials=100000", "space.method.adversarial.steps=[1, 3]"]  # steps: those of the grid


class Searching(Protocol):
    """A way to propose, as our proposer has it; `sample` of None: no more."""

    def propose(self) -> tuple[str, dict[str, Any]]: ...

    def reported(self, trial: str, rung: int, value: float) -> None: ...

    def ended(self, trial: str, outcome: Outcome, value: float) -> None: ...


class Ours:
    """The proposer of xrt, with its own sampler or another in its place."""

    def __init__(
        self, spec: StudySpec, folder: Path, make: Callable[[int], optuna.samplers.BaseSampler]
    ) -> None:
        sampler.make_sampler = make
        self._proposer = OptunaProposer(spec, folder / "journal")
        self.reported, self.ended = self._proposer.reported, self._proposer.ended

    def propose(self) -> tuple[str, dict[str, Any]]:
        proposal = self._proposer.propose()
        assert proposal is not None
        return proposal.id, proposal.sample


class Rays:
    """Ray's OptunaSearch with the same sampler; it tells Optuna COMPLETE of trials that ASHA stopped."""

    def __init__(self, spec: StudySpec) -> None:
        self._names, self._count = {}, 0

        def space(trial: optuna.Trial) -> None:
            self._sample = spec.space.sample(_Suggest(trial, lambda name: None))

        sampler = make_sampler(spec.search.seed)
        self._search = OptunaSearch(space, metric=METRIC, mode="max", sampler=sampler)

    def propose(self) -> tuple[str, dict[str, Any]]:
        id, self._count = f"{self._count:04d}", self._count + 1
        self._search.suggest(id)
        return id, self._sample

    def reported(self, trial: str, rung: int, value: float) -> None:
        self._search.on_trial_result(trial, {METRIC: value, "training_iteration": rung})

    def ended(self, trial: str, outcome: Outcome, value: float) -> None:
        self._search.on_trial_complete(trial, {METRIC: value})  # whatever the outcome was


Make = Callable[[StudySpec, Path], Searching]
STRATEGIES: dict[str, tuple[Make, bool]] = {  # (how it proposes, whether ASHA prunes)
    "TPE + ASHA (xrt)": (partial(Ours, make=make_sampler), True),
    "random + ASHA": (partial(Ours, make=optuna.samplers.RandomSampler), True),
    "TPE alone": (partial(Ours, make=make_sampler), False),
    "Ray's OptunaSearch + ASHA": (lambda spec, folder: Rays(spec), True),
}


@dataclass
class World:
    """The grid as one search meets it: with one training seed."""

    grid: Grid
    seed: int

    def nearest(self, sample: dict[str, Any]) -> int:
        """The configuration of the grid that is nearest: same encoder and method, then by the logarithms."""
        own = {k: v for k, v in sample.items() if k != "encoder"}

        def distance(there: dict[str, Any]) -> float:
            if any(there[k] != sample[k] for k in ("encoder", "method")):
                return math.inf
            steps = 100.0 * (there.get("adversarial.steps") != sample.get("adversarial.steps"))
            return steps + sum(
                abs(math.log(there[k] / v)) for k, v in own.items() if isinstance(v, float) and k in there
            )

        return min(range(len(self.grid.configurations)), key=lambda c: distance(self.grid.configurations[c]))

    def at(self, metric: str, configuration: int, rung: int) -> float:
        return float(self.grid.values[metric][configuration, self.seed, rung])

    @property
    def budget(self) -> float:
        return BUDGET * float(np.nansum(self.grid.values["train/cost"][:, self.seed, -1]))


@dataclass
class Search:
    """One search on a clock of plain steps: WORKERS trials at once, each as long as its training."""

    world: World
    how: Searching
    asha: Asha | None
    spent: float = 0.0
    trials: dict[str, int] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    _events: list[tuple[float, str, int]] = field(default_factory=list)

    def run(self) -> int | None:
        """The configuration that the search ends with: the best finished one on the whole dev split."""
        for _ in range(WORKERS):
            self._begin(0.0)
        last = len(self.world.grid.shares) - 1
        while self._events:
            now, id, rung = heapq.heappop(self._events)
            self.spent += self._cost(id, rung)
            if self.spent > self.world.budget:
                break
            value = self.world.at(METRIC, self.trials[id], rung)
            if np.isnan(value):
                self.how.ended(id, "failed", 0.0)
            else:
                self.how.reported(id, rung, value)
                if self._goes_on(id, rung, value) and rung < last:
                    self._next(now, id, rung + 1)
                    continue
                if rung == last:
                    self.finished[id] = self.trials[id]
                outcome: Outcome = "finished" if rung == last else "pruned"
                self.how.ended(id, outcome, self._value(id, rung))
            self._begin(now)
        final = partial(self.world.at, WHOLE, rung=last)
        return max(self.finished.values(), key=final, default=None)

    def _value(self, id: str, rung: int) -> float:
        """What a trial is told to have reached: on the whole dev split, where it has been trained to the end."""
        whole = self.world.at(WHOLE, self.trials[id], rung)
        return self.world.at(METRIC, self.trials[id], rung) if np.isnan(whole) else whole

    def _begin(self, now: float) -> None:
        id, sample = self.how.propose()
        self.trials[id] = self.world.nearest(sample)
        if self.asha:
            self.asha.on_trial_add(None, _tunes(id))
        self._next(now, id, 0)

    def _next(self, now: float, id: str, rung: int) -> None:
        heapq.heappush(self._events, (now + self._cost(id, rung), id, rung))

    def _cost(self, id: str, rung: int) -> float:
        """Of the training up to a rung from the one before."""
        done = self.world.at("train/cost", self.trials[id], rung - 1) if rung else 0.0
        return float(np.nan_to_num(self.world.at("train/cost", self.trials[id], rung) - done))

    def _goes_on(self, id: str, rung: int, value: float) -> bool:
        if self.asha is None:
            return True
        told = {"budget": self.asha.budget(self.world.grid.shares[rung]), METRIC: value}
        return self.asha.on_trial_result(None, _tunes(id), told) == TrialScheduler.CONTINUE


def _tunes(id: str) -> Any:
    """All that our ASHA looks at of Tune's trial."""
    return SimpleNamespace(config={"id": id})


@cache
def recorded() -> Grid:
    """The grid at the rungs of the study; read once a process."""
    grid = load()
    kept = [grid.shares.index(share) for share in load_study("mini", SPEC).rungs]
    values = {name: there[:, :, kept] for name, there in grid.values.items()}
    return replace(grid, shares=tuple(grid.shares[k] for k in kept), values=values)


def one(strategy: str, seed: int) -> tuple[float, float, int]:
    """Regret as seen and over seeds, in points, and how many trials were begun."""
    quiet()
    how, pruned = STRATEGIES[strategy]
    grid = recorded()
    spec = load_study("mini", [*SPEC, f"search.seed={seed}"])
    with TemporaryDirectory() as folder:
        search = Search(
            World(grid, seed % len(grid.seeds)), how(spec, Path(folder)), Asha(spec) if pruned else None
        )
        found = search.run()
    final = 100 * grid.values[WHOLE][:, :, -1]
    seen, means = final[:, seed % len(grid.seeds)], final.mean(1)
    if found is None:
        return math.inf, math.inf, len(search.trials)
    return (
        float(np.nanmax(seen) - seen[found]),
        float(np.nanmax(means) - means[found]),
        len(search.trials),
    )


def quiet() -> None:
    """Ray and Optuna tell of every trial."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.disable(logging.INFO)


def main(seeds: int = 100, jobs: int = 2, first: int = 0) -> None:
    print(f"{seeds} searches each, {BUDGET:.0%} of the exhaustive cost, {WORKERS} trials at once")
    print(f"{'':28} trials  within 0.5 as seen: share, median, worst   over seeds: median")
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for name in STRATEGIES:
            seen, over, trials = np.array(list(pool.map(partial(one, name), range(first, first + seeds)))).T
            print(
                f"{name:28} {trials.mean():6.0f} {np.mean(seen <= 0.5):26.0%} {np.median(seen):7.2f} "
                f"{seen.max():6.2f} {np.median(over):20.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
