"""The candidates of a search over training settings too."""

import pytest

from xrt.findings.candidates import candidates
from xrt.findings.importances import importances
from xrt.record.values import Report, TrialRecord
from xrt.spec import StudySpec, build, load_study
from xrt.spec.arms import Arm

METRIC = "dev/mean/mixed"
PLAIN, NOISE = Arm("plain"), Arm("noise")


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    return load_study(
        "mini",
        [
            "training.dropout=[null, 0.1]",
            "training.epochs=[9, 54]",
            "space={encoder: mini-a, learning_rate: 1e-3, method: {plain: {}, noise: {scale: 0.3}}}",
        ],
    )


def trial(number: int, score: float, **params: object) -> TrialRecord:
    common = {"encoder": "mini-a", "learning_rate": 1e-3}
    reports = (Report(0, 1.0, 9, float(number), {METRIC: score}),)
    id = f"{number:04d}"
    return TrialRecord(id, common | params, {}, 7, id, state="finished", reports=reports)


def test_the_ablation_is_plain_at_the_same_training_settings(spec: StudySpec) -> None:
    settings = {"dropout": None, "epochs": 54.0}
    found = candidates(
        spec,
        [
            trial(0, 0.6, method="plain", dropout=0.1, epochs=9.0),
            trial(1, 0.8, method="noise", **{"noise.scale": 0.3}, **settings),
            trial(2, 0.7, method="noise", **{"noise.scale": 0.3}, dropout=0.1, epochs=9.0),
        ],
    )
    assert (found.best[PLAIN], found.best[NOISE], found.ablation[NOISE]) == ("0000", "0001", "0001-plain")
    ablation = found.params["0001-plain"]
    assert ablation == {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain", **settings}
    built = build(spec, ablation, 8, confirm=True)
    assert (built.method, built.dropout, built.epochs) == ("plain", None, 54.0)


def test_a_plain_trial_with_those_settings_is_the_ablation(spec: StudySpec) -> None:
    settings = {"dropout": None, "epochs": 54.0}
    found = candidates(
        spec,
        [
            trial(0, 0.6, method="plain", **settings),
            trial(1, 0.8, method="noise", **{"noise.scale": 0.3}, **settings),
        ],
    )
    assert found.ablation[NOISE] == found.best[PLAIN] == "0000"


def test_a_training_setting_that_decides_alone_has_all_the_importance(spec: StudySpec) -> None:
    trials = []
    for n in range(24):
        settings = {"dropout": (None, 0.1)[n % 2], "epochs": (9.0, 54.0)[n % 3 % 2]}
        trials.append(trial(n, 0.5 + 0.1 * (n % 2) + 0.001 * n, method="plain", **settings))
    rows = importances(spec, trials)
    assert rows is not None
    shares = {row.name: row.share for row in rows}
    assert shares["dropout"] > 0.8 and "epochs" in shares
