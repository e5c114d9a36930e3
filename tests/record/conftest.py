"""A study whose runs are recorded."""

from xrt.spec import StudySpec

SPEC = StudySpec.model_validate(
    {
        "study": "mini",
        "task": "mini",
        "data": {"source": "embedded"},
        "space": {
            "encoder": "mini-a",
            "learning_rate": 1e-3,
            "method": {"plain": {}, "noise": {"scale": 0.3}},
        },
    }
)
