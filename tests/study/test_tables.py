"""Tables of trials at the width of a terminal: two lines per trial, searched parameters, the important first."""

import io
from itertools import pairwise

import pytest
from rich.console import Console, RenderableType

from tests.findings import worked
from xrt.findings.findings import findings
from xrt.record import Report, TrialRecord
from xrt.spec import StudySpec, load_study
from xrt.study.tables import confirmed_table, parameters, trial_table

ENCODERS = ("bert-base-multilingual-cased", "microsoft/mdeberta-v3-base", "xlm-roberta-base")


def printed(what: RenderableType, width: int) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(what)
    return [line.rstrip() for line in console.export_text().splitlines()]


def pawsx() -> tuple[list[TrialRecord], StudySpec]:
    """Trials of the longest configurations that the study of the paper has."""
    spec = load_study("pawsx", ["training.dropout=[null, 0.1, 0.2]", "training.weight_decay=[0.0, 0.01]"])
    trials = []
    for place, encoder in enumerate(ENCODERS * 3):
        params = {"encoder": encoder, "learning_rate": 2.34e-5, "method": "adversarial"}
        params |= {"adversarial.radius": 0.0123, "adversarial.steps": 3, "dropout": 0.1, "weight_decay": 0.01}
        trial = TrialRecord(f"{place:04d}", params, {"rungs": [1 / 9, 1 / 3, 1]}, 7, state="finished")
        metrics = {"dev/mean/mixed": 0.812, "dev/acc/en": 0.934, "dev/mean/targets": 0.853}
        trials.append(trial.reported(Report(2, 1.0, 9, 0.0, metrics)))
    return trials, spec


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_trial_takes_two_lines_at_most_and_none_is_broken(width: int) -> None:
    trials, spec = pawsx()
    lines = printed(trial_table(trials, spec), width)
    assert max(map(len, lines)) <= width
    begin = [place for place, line in enumerate(lines) if line[:4].isdigit()]
    assert len(begin) == len(trials)
    assert all(after - before <= 2 for before, after in pairwise([*begin, len(lines)]))
    assert all("finished" in lines[place] and "81.2" in lines[place] for place in begin)


def test_columns_are_left_out_from_the_least_important_on() -> None:
    trials, spec = pawsx()
    whole = ["trial", "configuration", "rung", "mixed", "en", "targets", "state"]
    widths = range(60, 101, 2)
    heads = [printed(trial_table(trials, spec), width)[0].split() for width in widths]
    gone = [[head for head in ("targets", "en", "rung") if head not in shown] for shown in heads]
    assert [len(one) for one in gone] == sorted((len(one) for one in gone), reverse=True)
    assert {tuple(one) for one in gone} == {("targets", "en", "rung"), ("targets", "en"), ("targets",), ()}
    assert all([head for head in whole if head in shown] == shown for shown in heads)


def test_at_80_columns_no_configuration_of_the_paper_is_cut() -> None:
    trials, spec = pawsx()
    text = " ".join(printed(trial_table(trials, spec), 80))
    assert "…" not in text and text.count("dropout=0.1") == text.count("decay=0.01") == len(trials)


def test_a_configuration_says_what_is_searched_alone() -> None:
    trials, spec = pawsx()
    about = parameters(trials[1].params, spec)
    assert about == ("adversarial radius=0.0123 steps=3 dropout=0.1 decay=0.01 lr=2.34e-05 mdeberta-v3-base")
    fixed = load_study("pawsx", ["space.encoder=[xlm-roberta-base]", "space.learning_rate=1e-5"])
    assert parameters(trials[1].params, fixed) == "adversarial radius=0.0123 steps=3"
    same = load_study("pawsx", ["space.encoder=[a/base, b/base]"])
    assert parameters({"method": "plain", "encoder": "b/base"}, same).endswith("b/base")


def test_a_confirmation_fits_80_columns_too(tmp_path) -> None:
    run = worked.make(tmp_path)
    worked.search(run)
    worked.confirm(run)
    table = confirmed_table(found := findings(run))
    assert table is not None
    lines = printed(table, 80)
    assert max(map(len, lines)) <= 80 and len(lines) <= 1 + 2 * len(found.candidates.params)
    assert lines[0].split()[-4:] == ["test", "mixed", "test", "targets"]
