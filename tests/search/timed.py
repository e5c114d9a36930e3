"""A result of `timings` with seconds that are easy to calculate with."""

from xrt.search.timing import Step, Timing
from xrt.spec.study import StudySpec

PLAIN_STEP, EVALUATION = 0.25, 0.125  # seconds, of the first encoder; of the next twice that


def timed(spec: StudySpec, **steps: Step) -> dict[str, Timing]:
    """Steps cost in seconds what they cost by the rule, where `steps` says nothing else of a method."""
    usual = {method: Step(PLAIN_STEP, 1.0) for method in ("plain", *spec.space.method)} | steps
    return {
        name: Timing(
            2,
            {method: Step(step.seconds * times, step.cost) for method, step in usual.items()},
            EVALUATION * times,
            2**30,
            0.0,
        )
        for times, name in enumerate(spec.space.encoders, 1)
    }
