"""What do a trial's rungs cost, in time? `python -m tests.bench.rung_cost [STUDY] [OVERRIDE ...]`

One whole trial of each method, here, on one thread. CPU seconds of training alone, of the rungs before the last, of the
evaluation at the end, and the rungs' share of the plain training: at most a tenth (design: the rule of cost).
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from xrt.robust.methods import METHODS
from xrt.search import scoring
from xrt.search.trial import begin, use_threads
from xrt.spec import load_study
from xrt.spec.trial import build

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "adversarial": {"radius": 0.1, "steps": 1},
    "noise": {"scale": 0.6},
    "synonyms": {},
    "free": {"radius": 0.1, "steps": 2},
}


def timed(spent: dict[str, float], name: str) -> Callable[..., Any]:
    """`Scoring`'s method of that name, adding its seconds to `spent`."""
    method = getattr(scoring.Scoring, name)

    def measured(*arguments: Any) -> Any:
        began = time.process_time()
        found = method(*arguments)
        spent[name] += time.process_time() - began
        return found

    return measured


def main(study: str = "mini", *overrides: str) -> int:
    spec, spent = load_study(study, list(overrides)), {"sampled": 0.0, "whole": 0.0}
    use_threads(1)
    for name in spent:
        setattr(scoring.Scoring, name, timed(spent, name))
    plain, worst = 0.0, 0.0
    print("method        training    rungs      end   rungs / plain training")
    for method in METHODS:
        own = {f"{method}.{name}": value for name, value in SETTINGS[method].items()}
        encoder = str(spec.space.encoder.options[0])  # type: ignore[union-attr]
        sample = {"encoder": encoder, "learning_rate": 1e-3, "method": method, **own}
        spent.update(sampled=0.0, whole=0.0)
        began = time.process_time()
        for _ in begin(build(spec, sample, spec.search.seed)):
            pass
        training = time.process_time() - began - sum(spent.values())
        plain = plain or training
        share = spent["sampled"] / plain
        worst = max(worst, share)
        print(
            f"{method:12} {training:8.1f} s {spent['sampled']:6.2f} s {spent['whole']:6.2f} s {share:12.1%}",
            flush=True,
        )
    print(f"at most 10 %: {'yes' if worst <= 0.1 else 'NO'}")
    return int(worst > 0.1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
