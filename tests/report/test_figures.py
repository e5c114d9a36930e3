"""The rows of each figure, and that every figure can be drawn from them: data are compared, not pixels."""

import math
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tests.findings import worked
from xrt.report import drawing, figures, search_figures
from xrt.answers.confirmed import confirmation
from xrt.answers.figures import Matrix, Tried
from xrt.record import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = worked.make(tmp_path_factory.mktemp("results"))
    worked.search(run)
    worked.confirm(run, seeds=3)
    return run


def test_a_matrix_is_the_mean_of_its_trials_and_the_gain_is_in_points(run: Run) -> None:
    trials = {t.id: t for t in run.trials()}
    ours = [trials[f"0004-s{seed}"] for seed in (8, 9)]
    languages = worked.TASK.languages
    matrix = figures.matrix("x", ours, languages, "test")
    assert matrix is not None
    place = languages.index("de"), languages.index("zh")
    assert matrix.values[place] == pytest.approx(np.mean([t.metrics["test/pair/de-zh"] for t in ours]))
    assert matrix.values[0, 0] == pytest.approx(np.mean([t.metrics["test/acc/en"] for t in ours]))
    gain = figures.difference("gain", matrix, matrix)
    assert gain is not None and gain.signed and not gain.values.any()
    assert figures.matrix("x", [trials["0001"]], languages, "test") is None, "a search sees no test"


def test_each_parameter_of_a_method_has_a_panel_with_its_finished_trials(run: Run) -> None:
    panels = figures.panels(run)
    assert panels is not None
    assert [(p.method, p.parameter) for p in panels] == [
        ("adversarial", "radius"),
        ("adversarial", "steps"),
        ("noise", "scale"),
    ]
    radius = panels[0]
    assert [p.x for p in radius.points] == [0.013, 0.04, 0.08, 0.11, 0.21], "trial 9 was pruned"
    assert all(p.low < p.accuracy < p.high for p in radius.points)
    assert {p.trial for p in radius.plain} == {"0000", "0006"}


def test_nobody_on_the_front_is_beaten_and_everybody_off_it_is() -> None:
    rng = np.random.default_rng(0)
    points = [Tried(str(i), "plain", *rng.integers(1, 9, 2), math.nan, math.nan) for i in range(60)]
    front = figures.pareto(points)

    def beaten(p: Tried) -> bool:
        return any(
            q.x <= p.x and q.accuracy >= p.accuracy and (q.x, q.accuracy) != (p.x, p.accuracy) for q in points
        )

    assert not any(beaten(p) for p in front)
    on = {(p.x, p.accuracy) for p in front}
    assert all(beaten(p) for p in points if (p.x, p.accuracy) not in on)


def test_the_cost_of_pruned_trials_counts_as_far_as_they_went(run: Run) -> None:
    found = figures.pruning(run)
    assert found is not None
    full = {t.id: worked.STEPS * worked.cost_of(t.params) for t in run.trials() if t.phase == "search"}
    went = {id: full[id] for id in full if run.trial(id).reports}
    assert found.exhaustive == pytest.approx(sum(went.values()))
    spent = sum(cost * run.trial(id).reports[-1].share for id, cost in went.items())
    assert found.spent == pytest.approx(spent)
    assert [(r.reached, r.pruned) for r in found.rungs] == [(14, 3), (11, 1), (10, 0)]


def test_importances_come_from_optunas_journal_and_need_enough_trials(run: Run, tmp_path: Path) -> None:
    rows = figures.importances(run)
    assert rows is not None and {"adversarial.radius", "method"} <= {row.name for row in rows}
    assert sum(row.share for row in rows) == pytest.approx(1)
    few = worked.make(tmp_path)
    assert figures.importances(few) is None
    worked.search(few, worked.SAMPLES[:4])
    assert figures.importances(few) is None
    few.paths.optuna.write_text("torn {")
    assert figures.importances(few) is None


def test_rules_name_their_winner_and_its_regret_on_test(run: Run) -> None:
    confirmed = confirmation(run)
    assert confirmed is not None
    rules = {rule.name: rule for rule in figures.rules(run, confirmed)}
    assert list(rules) == ["dev/mean/mixed", "dev/acc/en", "dev/mean/targets"]
    assert rules["dev/mean/mixed"].used and not rules["dev/acc/en"].used
    best = max(line.accuracy.mean for line in confirmed.lines)
    for rule in rules.values():
        assert rule.regret == pytest.approx(best - rule.test["mean/mixed"], nan_ok=True)
    assert rules["dev/acc/en"].trial == max(
        (t for t in run.trials() if t.phase == "search" and t.state == "finished"),
        key=lambda t: t.metrics["final/acc/en"],
    ).id  # fmt: skip


def test_a_proxy_that_trials_report_becomes_a_rule(run: Run, tmp_path: Path) -> None:
    other = worked.make(tmp_path)
    for trial in worked.search(other)[:8]:
        if trial.state == "finished":
            last = replace(
                trial.reports[-1], metrics={**trial.metrics, "final/en_noise": 1 - float(trial.id) / 10}
            )
            other.save(replace(trial, reports=(*trial.reports[:-1], last)))
    rule = figures.rules(other, None)[-1]
    assert (rule.name, rule.trial, math.isnan(rule.regret)) == ("dev/en_noise", "0000", True)


PROBED = {
    "mini-a": {
        site: {
            "distance": {a: i / 10 for i, a in enumerate(worked.TASK.targets, 1)},
            "unrelated": 0.5,
            "norm": 2.0,
        }
        for site in ("words", "states")
    }
}


def test_gaps_put_each_targets_gain_beside_its_distance_under_the_winners_encoder(tmp_path: Path) -> None:
    other = worked.make(tmp_path)
    worked.search(other)
    assert figures.gaps(other, None) is None
    worked.confirm(other, seeds=2)
    confirmed = confirmation(other)
    assert figures.gaps(other, confirmed) is None, "nothing was probed"
    other.update_meta(extra={"misalignment": PROBED})
    words, states = figures.gaps(other, confirmed) or ()
    assert (words.site, states.site, words.encoder, words.unrelated) == ("words", "states", "mini-a", 0.5)
    assert [point.language for point in words.points] == list(worked.TASK.targets)
    gained = {gain.name: gain for gain in figures.gains(confirmed, other.meta.languages) or ()}
    assert words.points[2].gain == gained["acc/fr"] and words.points[2].distance == pytest.approx(0.3)
    text = drawing.svg(lambda: drawing.draw_gaps((words, states)))
    assert "word embeddings" in text and ">zh<" in text


def everything(run: Run) -> dict[str, object]:
    confirmed = confirmation(run)
    assert confirmed is not None and confirmed.winner is not None
    languages = run.meta.languages
    matrix = figures.matrix("winner", confirmed.winner.configuration.trials, languages, "test")
    assert matrix is not None
    gains, panels, costs = figures.gains(confirmed, languages), figures.panels(run), figures.costs(run)
    shares, rungs = figures.importances(run), figures.pruning(run)
    assert gains and panels and costs and shares and rungs
    gain = figures.difference("gain", matrix, matrix)
    assert gain
    return {
        "matrix": lambda: drawing.draw_matrices([matrix, gain]),
        "gains": lambda: drawing.draw_gains(gains),
        "panels": lambda: drawing.draw_panels(panels, worked.METRIC),
        "costs": lambda: drawing.draw_costs(costs),
        "importances": lambda: drawing.draw_importances(shares),
        "rungs": lambda: drawing.draw_pruning(rungs),
    }


def test_every_figure_is_an_svg_with_text_and_the_same_each_time(run: Run) -> None:
    before = dict(matplotlib.rcParams)
    for name, draw in everything(run).items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            text = drawing.svg(draw)  # type: ignore[arg-type]
            assert drawing.png(draw, 30)[:4] == b"\x89PNG"  # type: ignore[arg-type]
        root = ET.fromstring(text)
        assert root.findall(".//{http://www.w3.org/2000/svg}text"), name
        assert drawing.svg(draw) == text, name  # type: ignore[arg-type]
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("size", [1, 2, 15])
def test_matrices_of_any_size_and_with_holes_are_drawn(size: int) -> None:
    values = np.random.default_rng(0).random((size, size))
    if size > 1:
        values[0, 1] = np.nan
    matrix = Matrix("x", tuple(f"l{i}" for i in range(size)), values, signed=False)
    text = drawing.svg(lambda: drawing.draw_matrices([matrix, matrix._replace(signed=True)]))
    assert text.count(f"{100 * values[0, 0]:.1f}<") == 1


def test_methods_differ_by_marker_and_not_only_by_colour() -> None:
    from xrt.robust.methods import METHODS

    looks = [drawing.look(method) for method in METHODS]
    assert len({marker for _, marker in looks}) == len(METHODS)
    assert len({colour for colour, _ in looks}) == len(METHODS)
