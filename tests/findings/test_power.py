"""What a study will be able to see is said before it runs."""

from pathlib import Path

import pytest

from tests.findings import worked
from xrt.findings.findings import findings
from xrt.findings.power import sight


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


def test_without_a_confirmation_nothing_can_be_seen() -> None:
    assert sight(worked.SPEC.model_copy(update={"confirm": None}), 100) is None
