"""The rows of each figure, and that every figure can be drawn from them: data are compared, not pixels."""

import csv
import itertools
import math
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.findings import worked
from xrt.errors import RecordError
from xrt.findings.findings import Findings, findings
from xrt.findings.importances import expected_best, importances
from xrt.record import Run
from xrt.report import drawing, figures, search_figures
from xrt.report.figures import Matrix
from xrt.report.gallery import write_figures
from xrt.report.search_figures import Tried
from xrt.spec.metric import Metric


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = worked.make(tmp_path_factory.mktemp("results"))
    worked.search(run)
    worked.confirm(run)
    return run


@pytest.fixture(scope="module")
def found(run: Run) -> Findings:
    return findings(run)


def test_a_matrix_is_the_mean_of_its_trials_and_the_gain_is_in_points(run: Run) -> None:
    trials = {t.id: t for t in run.trials()}
    ours = [trials[f"0004-s{seed}"] for seed in (8, 9)]
    languages = worked.TASK.languages
    matrix = figures.matrix("x", ours, worked.TASK, "test")
    assert matrix is not None
    place = languages.index("de"), languages.index("zh")
    assert matrix.values[place] == pytest.approx(np.mean([t.metrics["test/pair/de-zh"] for t in ours]))
    assert matrix.values[0, 0] == pytest.approx(np.mean([t.metrics["test/acc/en"] for t in ours]))
    gain = figures.minus("gain", matrix, matrix)
    assert gain is not None and gain.signed and not gain.values.any()
    assert figures.matrix("x", [trials["0001"]], worked.TASK, "test") is None, "a search sees no test"


def test_the_matrices_are_the_winners_and_its_gain_over_what_decides(found: Findings) -> None:
    what, shown = figures.matrices(found)
    assert what == "test, mean over 5 seeds" and len(shown) == 2
    confirmed = found.confirmation
    assert confirmed and confirmed.winner
    other = confirmed.reference(confirmed.winner)
    assert other and other.params["method"] == "plain"
    means = [
        np.mean([t.metrics["test/acc/ja"] for t in c.trials])
        for c in (confirmed.best(confirmed.winner), other)
    ]
    place = worked.TASK.languages.index("ja")
    assert shown[1].values[place, place] == pytest.approx(100 * (means[0] - means[1]))


def test_each_parameter_of_a_method_has_a_panel_for_each_encoder_pruned_trials_included(
    found: Findings,
) -> None:
    panels = search_figures.panels(found)
    assert panels is not None
    columns = [
        ("adversarial", "radius"),
        ("adversarial", "steps"),
        ("noise", "scale"),
        ("synonyms", "copies"),
    ]
    assert [(p.encoder, p.method, p.parameter) for p in panels] == [
        (encoder, *column) for encoder in ("mini-a", "mini-b") for column in columns[:3]
    ], "synonyms' only parameter does not vary"
    radius = panels[3]
    assert [(p.x, p.trial, p.pruned) for p in radius.points] == [
        *[(0.013, "0001", False), (0.04, "0003", False), (0.08, "0011", False)],
        *[(0.21, "0007", False), (0.48, "0009", True)],
    ]
    assert all(p.low < p.score < p.high for p in radius.points if not p.pruned)
    assert all(math.isnan(p.low) for p in radius.points if p.pruned), "of a pruned trial nothing is kept"
    pruned = next(p for p in radius.points if p.pruned)
    last = next(t for t in found.trials if t.id == "0009").reports[-1]
    assert pruned.score == last.metrics[worked.METRIC]
    assert [{p.trial for p in panel.plain} for panel in (panels[0], radius)] == [{"0000", "0006"}, set()]


def test_a_number_of_the_training_that_was_searched_has_a_panel_for_each_method(found: Findings) -> None:
    dropped = [
        replace(trial, params={**trial.params, "dropout": (0.1, None, 0.2)[place % 3]})
        for place, trial in enumerate(found.trials)
    ]
    panels = search_figures.panels(replace(found, trials=dropped))
    assert panels is not None
    own = [panel for panel in panels if panel.parameter == "dropout"]
    assert {panel.method for panel in own} == {trial.method for trial in found.searched if trial.reports}
    assert all({point.method for point in panel.points} <= {panel.method} for panel in own)
    assert {point.x for panel in own for point in panel.points} == {0.1, 0.2}, "null is no number"


def test_a_pruned_trial_is_drawn_as_a_cross_and_every_encoder_has_its_row(found: Findings) -> None:
    panels = search_figures.panels(found)
    assert panels is not None
    drawn = drawing.draw_panels(panels, found.spec.metric)
    labels = [axes.get_ylabel() for axes in drawn.axes if axes.get_ylabel()]
    assert [label.rpartition(", ")[2] for label in labels] == ["mini-a", "mini-b"]
    radius = next(
        axes for axes in drawn.axes if axes.get_title() == "adversarial: radius" and len(axes.lines) > 5
    )
    assert [line.get_marker() for line in radius.lines].count("x") == 1


def test_no_trial_on_the_front_is_beaten_and_every_other_is() -> None:
    rng = np.random.default_rng(0)
    points = [Tried(str(i), "plain", *rng.integers(1, 9, 2), math.nan, math.nan, False) for i in range(60)]
    front = search_figures.pareto(points)

    def beaten(p: Tried) -> bool:
        return any(q.x <= p.x and q.score >= p.score and (q.x, q.score) != (p.x, p.score) for q in points)

    assert not any(beaten(p) for p in front)
    on = {(p.x, p.score) for p in front}
    assert all(beaten(p) for p in points if (p.x, p.score) not in on)


def test_the_cost_of_pruned_trials_counts_as_far_as_they_went(run: Run, found: Findings) -> None:
    pruned = search_figures.pruning(found)
    assert pruned is not None
    full = {t.id: worked.STEPS * worked.cost_of(t.params) for t in run.trials() if t.phase == "search"}
    went = {id: full[id] for id in full if run.trial(id).reports}
    assert pruned.exhaustive == pytest.approx(sum(went.values()))
    spent = sum(cost * run.trial(id).reports[-1].share for id, cost in went.items())
    assert pruned.spent == pytest.approx(spent)
    assert pruned.share == pytest.approx(spent / sum(went.values()))
    assert [(r.step, r.reached, r.pruned) for r in pruned.rungs] == [(28, 14, 3), (83, 11, 1), (250, 10, 0)]


def test_trials_of_other_lengths_meet_at_equal_steps(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    for trial in worked.search(run):
        if trial.method == "noise":  # three times as long, and evaluated at the steps of the others
            reports = tuple(replace(r, share=r.share / 3) for r in trial.reports)
            run.save(replace(trial, reports=reports))
    pruned = search_figures.pruning(findings(run))
    assert pruned is not None and [r.step for r in pruned.rungs] == [28, 83, 250]


def test_importances_come_from_the_record_and_count_pruned_trials(found: Findings) -> None:
    rows = importances(found.spec, found.searched)
    assert rows is not None and {"method", "encoder"} <= {row.name for row in rows}
    assert sum(row.share for row in rows) == pytest.approx(1)
    finished = [t for t in found.searched if t.state == "finished"]
    assert importances(found.spec, finished) != rows, "pruned trials are evidence"
    assert importances(found.spec, found.searched[:7]) is None, "too few"
    flat = [replace(t, reports=(replace(t.reports[0], metrics={worked.METRIC: 0.5}),)) for t in finished]
    assert importances(found.spec, flat) is None, "nothing to explain"


def test_importances_of_a_parameter_that_decides_alone_are_its_own(found: Findings) -> None:
    rates = (5e-4, 1e-3, 2e-3)
    trials = []
    for i in range(24):
        params = worked.sample(i, "plain") | {"encoder": ("mini-a", "mini-b")[i // 3 % 2]}
        score = {worked.METRIC: 0.5 + 0.1 * rates.index(params["learning_rate"]) + 0.001 * (i % 2)}
        report = replace(found.ranking[0].reports[0], metrics=score)
        trials.append(replace(found.ranking[0], id=f"{i:04d}", params=params, reports=(report,)))
    rows = importances(found.spec, trials)
    assert rows is not None and rows[0].name == "learning_rate" and rows[0].share > 0.8


def test_the_expected_best_is_the_mean_of_the_largest_of_that_many_draws(found: Findings) -> None:
    courses = {c.arm.name: c for c in expected_best(found.spec, found.searched)}
    assert set(courses) == {"plain", "adversarial", "noise"}, "one trial of synonyms makes no course"
    scores = [t.score(worked.METRIC) for t in found.searched if t.method == "noise" and t.reports]
    expected = courses["noise"].expected
    assert len(expected) == len(scores) == 4 and list(expected) == sorted(expected)
    assert expected[0] == pytest.approx(np.mean(scores))
    for draws in (2, 3):
        largest = [max(drawn) for drawn in itertools.product(scores, repeat=draws)]
        assert expected[draws - 1] == pytest.approx(np.mean(largest))


def test_rules_name_what_they_would_have_chosen_and_with_whom_it_was_equal(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    for trial in worked.search(run):
        if trial.state == "finished":
            last = trial.reports[-1]
            odd = {"dev/proxy/noise": 1 - float(trial.id) / 10, "dev/acc/en": 0.9}
            run.save(
                replace(trial, reports=(*trial.reports[:-1], replace(last, metrics={**last.metrics, **odd})))
            )
    found = findings(run)
    rules = {str(rule.rule): rule for rule in found.rules}
    assert list(rules)[:3] == ["dev/mean/mixed", "dev/acc/en", "dev/proxy/noise"]
    assert rules["dev/proxy/noise"].trial.id == "0000"
    assert len(rules["dev/acc/en"].ties) == rules["dev/acc/en"].among == 10
    assert rules["dev/acc/en"].trial == rules["dev/mean/mixed"].trial, "ties go by the study's own metric"


LIES = ("distance", "along", "inside")
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
    assert figures.gaps(findings(other)) is None
    worked.confirm(other)
    assert figures.gaps(findings(other)) is None, "nothing was probed"
    other.update_meta(misalignment=PROBED)
    found = findings(other)
    words, states = figures.gaps(found) or ()
    assert (words.site, states.site, words.encoder, words.unrelated) == ("words", "states", "mini-a", 0.5)
    assert [point.language for point in words.points] == list(worked.TASK.targets)
    gained = {gain.metric.short: gain for gain in figures.gains(found) or ()}
    assert words.points[2].gain == gained["acc/fr"] and words.points[2].distance == pytest.approx(0.3)
    text = drawing.svg(lambda: drawing.draw_gaps((words, states)))
    assert "word embeddings" in text and ">zh<" in text


def test_places_are_those_of_the_winner_or_of_the_first_arm_that_was_attacked(tmp_path: Path) -> None:
    other = worked.make(tmp_path)
    worked.search(other)
    worked.confirm(other)
    assert figures.places(findings(other)) is None, "nothing was recorded"
    for trial in other.trials():
        if trial.phase == "confirm" and trial.method == "adversarial":
            lies = {f"dev/{kind}/{a}": 0.01 * trial.seed for a in worked.TASK.targets for kind in LIES}
            last = replace(trial.last, metrics={**trial.last.metrics, **lies})
            other.save(replace(trial, reports=(*trial.reports[:-1], last)))
    found = findings(other)
    placed, confirmed = figures.places(found), found.confirmation
    assert placed and confirmed and confirmed.winner
    assert placed.label == confirmed.best(confirmed.winner).label
    assert placed.radius == confirmed.best(confirmed.winner).params["adversarial.radius"]
    gained = {gain.metric.name: gain for gain in figures.gains(found) or ()}
    assert [point.language for point in placed.points] == list(worked.TASK.targets)
    assert all(point.gain == gained[point.language] for point in placed.points)
    assert placed.points[0].along == pytest.approx(0.1)  # seeds 8 to 12
    assert ">zh, 10 %<" in drawing.svg(lambda: drawing.draw_places(placed))
    plain = replace(confirmed, winner=confirmed.winner.plain)
    found.__dict__["confirmation"] = plain
    assert figures.places(found) == placed, "the winner was not attacked"


def everything(found: Findings) -> dict[str, Callable[[], Figure]]:
    _, matrices = figures.matrices(found)
    gains, panels, costs = figures.gains(found), search_figures.panels(found), search_figures.costs(found)
    shares, rungs = importances(found.spec, found.searched), search_figures.pruning(found)
    courses = expected_best(found.spec, found.searched)
    assert len(matrices) == 2 and gains and panels and costs and shares and rungs and courses
    metric = Metric.parse(worked.METRIC)
    return {
        "matrix": lambda: drawing.draw_matrices(matrices),
        "gains": lambda: drawing.draw_gains(gains),
        "panels": lambda: drawing.draw_panels(panels, metric),
        "tuning": lambda: drawing.draw_expected(courses, metric),
        "costs": lambda: drawing.draw_costs(costs),
        "importances": lambda: drawing.draw_importances(shares),
        "rungs": lambda: drawing.draw_pruning(rungs),
    }


def test_every_figure_is_an_svg_with_text_and_the_same_each_time(found: Findings) -> None:
    before = dict(matplotlib.rcParams)
    for name, draw in everything(found).items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            text = drawing.svg(draw)
            assert drawing.png(draw, 30)[:4] == b"\x89PNG"
        root = ET.fromstring(text)
        assert root.findall(".//{http://www.w3.org/2000/svg}text"), name
        assert drawing.svg(draw) == text, name
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


def test_every_figure_is_written_for_a_paper_with_the_rows_that_it_draws(
    found: Findings, tmp_path: Path
) -> None:
    names = write_figures(found, tmp_path / "new" / "figures")
    assert set(names) == {"gains", "matrix", "parameters", "tuning", "costs", "importances", "rungs"}
    written = {path.name for path in (tmp_path / "new" / "figures").iterdir()}
    assert written == {f"{name}.{kind}" for name in names for kind in ("pdf", "svg", "csv")}
    rows = {}
    for name in names:
        of = {kind: (tmp_path / "new" / "figures" / f"{name}.{kind}") for kind in ("pdf", "svg", "csv")}
        assert of["pdf"].read_bytes()[:5] == b"%PDF-" and b"/Type3" not in of["pdf"].read_bytes()
        assert ET.fromstring(of["svg"].read_text()).tag.endswith("svg")
        assert "#trial-" not in of["svg"].read_text() and "#pair-" not in of["svg"].read_text()
        rows[name] = list(csv.DictReader(of["csv"].open()))
    assert len(rows["matrix"]) == len(worked.TASK.pairs())
    pruned = [row for row in rows["parameters"] if row["trial"] == "0009" and row["parameter"] == "radius"]
    assert [(row["value"], row["pruned"], row["low"]) for row in pruned] == [("0.48", "1", "")]
    best = found.best_trial
    assert best and best.id in {row["trial"] for row in rows["costs"] if row["front"] == "1"}
    scores = [float(row["score"]) for row in rows["rungs"] if row["trial"] == best.id]
    assert scores == [pytest.approx(r.metrics[worked.METRIC], rel=1e-5) for r in best.reports]
    gained = [row for row in rows["gains"] if row["language"] == "ja"]
    gains = {gain.words: gain for gain in figures.gains(found) or ()}
    assert [float(row["gain"]) for row in gained] == [pytest.approx(gains["ja"].difference, rel=1e-5)]


def test_a_folder_for_figures_that_cannot_be_made_is_one_line(found: Findings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"--figures: .*file/figures: cannot be written"):
        write_figures(found, tmp_path / "file" / "figures")


def test_the_gain_of_a_cell_is_of_the_seeds_that_both_have(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    worked.search(run)
    worked.confirm(run)
    confirmed = findings(run).confirmation
    assert confirmed and confirmed.winner
    best = confirmed.best(confirmed.winner)
    for trial in best.trials[3:]:
        run.paths.trial(trial.id).unlink()
    found = replace(findings(run), at=(3, 5))
    _, (_, gain) = figures.matrices(found)
    drawn = (
        gain.values[0, 0],
        found.confirmation and found.confirmation.gain(confirmed.winner, Metric("acc", "en")),
    )
    assert drawn[1] and drawn[0] == pytest.approx(100 * drawn[1].mean)
