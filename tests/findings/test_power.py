"""The power of a study is known before it runs."""

from pathlib import Path

import pytest

from tests.findings import worked
from xrt.findings.findings import findings
from xrt.findings.power import Sight, detectable_words, sight


def test_more_seeds_and_more_groups_see_smaller_differences() -> None:
    spec = worked.SPEC.model_copy(
        update={"confirm": worked.SPEC.confirm.model_copy(update={"seeds": (3, 10)})}
    )
    few, many = sight(spec, 100), sight(spec, 2000)
    assert few and many
    assert few.most < few.fewest and many.most < few.most
    assert many.basis == "assuming 0.6 points between seeds and 2,000 example groups"


def test_an_earlier_run_gives_the_spread(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    worked.search(run)
    worked.confirm(run)
    found = findings(run)
    told = sight(run.spec, 100, found)
    assert told and told.basis == f"with the spread of {run.name}"
    assert found.confirmation
    seen = max(claim.detectable() for claim in found.confirmation.claims)
    assert told.most == pytest.approx(seen, rel=0.3)


@pytest.mark.parametrize(
    ("fewest", "most", "said"),
    [
        (1.4, 1.2, "no difference, with so few seeds: raise confirm.seeds (X)"),
        (
            1.4,
            0.03,
            "a true difference of 3.0 (most seeds) to none (fewest) points is found in 80 % of such studies, X",
        ),
        (0.05, 0.05, "a true difference of 5.0 points is found in 80 % of such studies, X"),
    ],
)
def test_a_plan_promises_no_difference_that_no_accuracy_can_have(
    fewest: float, most: float, said: str
) -> None:
    assert detectable_words(Sight(fewest, most, "X")) == said


def test_without_a_confirmation_nothing_can_be_seen() -> None:
    assert sight(worked.SPEC.model_copy(update={"confirm": None}), 100) is None
