"""The time left of a study, at its pace so far. It knows records, no screen.

The unit is a whole training; a pruned trial counts as the share of its training that it completed.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from xrt.record.values import OVER, Pace, TrialRecord
from xrt.search.pruning import trained_share
from xrt.spec.study import StudySpec

LEAST = 0.5  # of a training, before a pace is one
STEADY = 2.0  # trainings, after which the start of Ray and of the first processes hardly counts
ENOUGH = 3  # trials that have ended, before their mean share says more than the pruning rule


def seconds_left(
    spec: StudySpec,
    trials: Sequence[TrialRecord],
    spent: float,
    before: float,
    confirming: int,
    paces: Mapping[str, Pace] = MappingProxyType({}),
) -> float | None:
    """Seconds left of search and confirmation; None while no pace is known.

    The pace is that of the running trials until `STEADY` trainings are done. Then it is that of the whole run, which
    includes the evaluations. If no trial says its pace, that of the whole run counts once `LEAST` trainings are done.

    Args:
        spent: seconds that the process has worked on the run.
        before: trainings that earlier processes of a resumed run have done.
        confirming: trials of the confirmation up to its next look; 0: not known yet.
        paces: of trials that run, by id.
    """
    reached = {t.id: max(share(t), paces[t.id].share if t.id in paces else 0.0) for t in trials}
    done = sum(reached.values()) - before
    now = sum(pace.share_per_second for pace in paces.values())
    rate = now if now and done < STEADY else done / spent if done >= LEAST else 0.0
    if not rate:
        return None
    search = [t for t in trials if t.phase == "search"]
    shares = [share(t) for t in search if t.state in OVER]
    usual = sum(shares) / len(shares) if len(shares) >= ENOUGH else trained_share(spec)
    left = sum(max(0.0, usual - reached[t.id]) for t in search if t.state not in OVER)
    left += max(0, spec.search.trials - len(search)) * usual
    confirmed = sum(t.phase == "confirm" and t.state in OVER for t in trials)
    left += max(0, (confirming or _usually_confirmed(spec)) - confirmed)
    return left / rate


def share(trial: TrialRecord, until: float = math.inf) -> float:
    """The share of its training that a trial had reported before the time `until`."""
    return max((report.share for report in trial.reports if report.time < until), default=0.0)


def _usually_confirmed(spec: StudySpec) -> int:
    """The best of every arm, and an ablation of every robust one, with the fewest seeds."""
    return 2 * len(spec.arms) * spec.confirm.seeds[0] if spec.confirm else 0
