"""The question: a study file, its search space, and the trial built from a sample of the space.

    spec = load_study("mini", ["search.trials=8"])
    trial = build(spec, spec.sample(suggest), seed=spec.search.seed)

Knows nothing of how trials are run, and loads neither torch, Ray, Optuna nor MLflow.
"""

from xrt.spec.arms import Arm
from xrt.spec.loading import find_study, known_studies, load_study
from xrt.spec.metric import Metric, metrics_of
from xrt.spec.overrides import known_fields
from xrt.spec.space import Space, Suggest
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig, build
from xrt.spec.values import Choice, Range, Scalar, Value

__all__ = [
    "Arm",
    "Choice",
    "Metric",
    "Range",
    "Scalar",
    "Space",
    "StudySpec",
    "Suggest",
    "TrialConfig",
    "Value",
    "build",
    "find_study",
    "known_fields",
    "known_studies",
    "load_study",
    "metrics_of",
]
