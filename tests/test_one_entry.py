"""A new mean is one entry in `MEANS`, a new method one in `METHODS`: no other file changes for either."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.findings import worked
from tools.study_reference import reference
from xrt.findings.findings import Findings, findings
from xrt.record import Run
from xrt.report import drawing, search_figures
from xrt.report.figures import gains
from xrt.report.page import write_report
from xrt.report.paper import paper_table
from xrt.robust.methods import METHODS, MethodKind, Parameter
from xrt.robust.objective import Perturbed
from xrt.robust.perturb import Noise
from xrt.spec import StudySpec, build
from xrt.spec.metric import MEANS, Mean
from xrt.tracking import projection

WORDS = "mixed pairs without a source language"
FAR = Mean(WORDS, lambda pair, sources: pair[0] != pair[1] and not set(pair) & set(sources))
LOUD = MethodKind(
    {"level": Parameter(float, 0.0)}, lambda given, norm: Perturbed(Noise(2 * given["level"] * norm))
)


def study(**changes: object) -> StudySpec:
    return StudySpec.model_validate(worked.SPEC.to_plain() | changes)


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Findings]:
    """A finished study that selects by a mean that `MEANS` did not have before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MEANS, "far", FAR)
        run = worked.make(
            tmp_path_factory.mktemp("far"), study(search={"trials": 15, "metric": "dev/mean/far"})
        )
        worked.search(run)
        worked.confirm(run)
        write_report(run)
        yield findings(run)


def test_a_new_mean_is_selected_by_and_reported_by_every_trial(far: Findings) -> None:
    assert far.spec.metric.words == WORDS
    scores = {t.id: t.score("dev/mean/far") for t in far.searched if t.state == "finished"}
    assert far.ranking[0].id == max(scores, key=lambda id: scores[id])
    languages = [a for a in worked.TASK.languages if a != "en"]
    pairs = [f"dev/pair/{a}-{b}" for a in languages for b in languages if a != b]
    for trial in far.ranking:
        assert trial.score("dev/mean/far") == pytest.approx(sum(map(trial.score, pairs)) / len(pairs))
        assert trial.score("dev/se/far") > 0


def test_a_new_mean_has_its_name_in_the_answer_the_report_the_figures_and_the_paper(far: Findings) -> None:
    assert f"on {WORDS}" in far.answer.sentence
    page = far.paths.report.read_text("utf-8")
    assert f"test: {WORDS}, %" in page and f"dev: {WORDS}, %" in page
    assert WORDS in [gain.words for gain in gains(far) or ()]
    panels = search_figures.panels(far)
    assert panels is not None
    labels = [axes.get_ylabel() for axes in drawing.draw_panels(panels, far.spec.metric).axes]
    assert f"{WORDS} (dev), mini-a" in labels
    table = paper_table(far)
    assert table is not None and WORDS in table.columns
    assert WORDS in far.paths.table_csv.read_text() and WORDS in far.paths.table_latex.read_text()


def test_a_new_mean_is_in_mlflow(far: Findings) -> None:
    parent = {point.key for point in projection.parent(far, {}, "#").points}
    assert {"best/dev/mean/far", "test/mean/far", "gain/mean/far", "gain/mean/far/low"} <= parent
    child = {point.key for point in projection.child(far.meta, far.ranking[0], "p").points}
    assert {"dev/mean/far", "dev/se/far"} <= child


@pytest.fixture
def loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished search over a method that `METHODS` did not have before."""
    monkeypatch.setitem(METHODS, "loud", LOUD)
    methods = {"plain": {}, "loud": {"level": {"log": [0.1, 1.0]}}}
    run = worked.make(tmp_path, study(space=worked.SPEC.to_plain()["space"] | {"method": methods}))
    samples = [
        worked.sample(i, "loud", level=0.1 * (i + 1)) if i % 2 else worked.sample(i, "plain")
        for i in range(8)
    ]
    worked.search(run, samples)
    worked.confirm(run)
    return run


def test_a_new_method_is_an_arm_with_fields_parameters_and_panels_of_its_own(loud: Run) -> None:
    found = findings(loud)
    assert [arm.name for arm in found.spec.arms] == ["plain", "loud"]
    assert "| `loud` | `level` | a number, at least 0 | must be given |" in reference()
    best = next(t for t in found.ranking if t.method == "loud")
    config = build(found.spec, best.params, seed=1)
    assert config.parameters == {"level": best.params["loud.level"]} and config.site == "word"
    panels = search_figures.panels(found)
    assert panels is not None and ("loud", "level") in [(p.method, p.parameter) for p in panels]
    assert drawing.look("loud") not in drawing.LOOKS.values()
    assert any(line.startswith("loud (level ") for line in found.answer.arms)
    assert projection.child(found.meta, best, "p").params["loud.level"] == str(best.params["loud.level"])
    table = paper_table(found)
    assert table is not None and [row.configuration.split()[0] for row in table.rows] == ["plain", "loud"]
