"""The trials of an earlier run that lie in a new run's space, for the new run's sampler.

They are copied into the new run's record, so that it needs the earlier run only once. A trial counts by its rank within
its own run, so the two runs may use different examples and rungs. Trials on other data count for less: they do not
replace the trials that fill the space evenly.
"""

from collections.abc import Sequence
from dataclasses import replace

from xrt.errors import SpecError
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import Data, Earlier, TrialRecord
from xrt.search.sampler import Recorded, frozen
from xrt.spec.study import StudySpec
from xrt.spec.trial import meant_before


def earlier(
    spec: StudySpec, data: Sequence[Data], results: Results, origin: Run | None = None
) -> Earlier | None:
    """The trials of the run that `search.after` names; None if it names none.

    Args:
        data: the data that the new run trains and selects on.
        origin: the run that the new one repeats, and whose earlier trials it takes, whatever the name means now.

    Raises:
        RecordError: there is no such run, or it is damaged.
        SpecError: none of its trials lies in the space.
    """
    if spec.search.after is None:
        return None
    if origin and origin.spec.search.after == spec.search.after:
        return origin.meta.after
    run = Run.open(results, spec.search.after)
    there = [t for t in run.trials() if t.phase == "search"]
    taken = tuple(_short(t, spec.search.metric) for t in there if _fits(spec, t))
    if not taken:
        raise SpecError(
            f"search.after: {run.name}: none of its {len(there)} trials came to its end, reported {spec.search.metric} "
            "at every rung, and lies in this space; name another run, or leave it out."
        )
    used = {d.digest for d in data if d.split != "test"}
    same = used <= {d.digest for d in run.meta.data}
    return Earlier(run.name, run.meta.uid, len(there), same, taken)


def summary(known: Earlier) -> str:
    """What the new run takes from the earlier one, in words."""
    known_of = f"search.after: the sampler knows {len(known.trials)} of {known.there} trials of {known.run}."
    others = " The others did not come to their end, or lie outside this space."
    weight = " They were trained or evaluated on other data, so they count for less."
    left_out = known.there > len(known.trials)
    return known_of + (others if left_out else "") + ("" if known.same else weight)


def _fits(spec: StudySpec, trial: TrialRecord) -> bool:
    """Whether it ended, reported the metric at every rung, and could be proposed by the present space."""
    if trial.state not in ("finished", "pruned") or meant_before(trial.config):
        return False
    if any(spec.search.metric not in report.metrics for report in trial.reports):
        return False
    try:
        frozen(spec, trial, {report.rung: 0.0 for report in trial.reports})
        return spec.sample(Recorded(trial.params)) == trial.params
    except (KeyError, ValueError):
        # Our space lacks the method, or Optuna's range ends before the value.
        return False


def _short(trial: TrialRecord, metric: str) -> TrialRecord:
    """The parts of it that the sampler needs."""
    reports = tuple(replace(r, metrics={metric: r.metrics[metric]}) for r in trial.reports)
    return replace(trial, config={}, reports=reports, checkpoint=None, node=None, reason=None)
