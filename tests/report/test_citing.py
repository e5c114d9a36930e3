"""The methods paragraph and its BibTeX say what the record says."""

import re
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.findings.findings import findings
from xrt.record import Run
from xrt.report import citing
from xrt.spec import known_studies, load_study


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return worked.make(tmp_path / "results")


def test_the_paragraph_has_the_numbers_that_a_checklist_asks_for(run: Run) -> None:
    trials = worked.search(run)
    worked.confirm(run, seeds=2)
    text = citing.paragraph(findings(run))
    for said in (
        "plain, adversarial, noise",
        "42 mixed pairs",
        f"({len(trials)} in all, search seed {run.spec.search.seed})",
        "(dev/mean/mixed)",
        f"pruned {sum(t.state == 'pruned' for t in trials)} trials",
        "seeds 8, 9)",
        "200 aligned examples",
        "hours of trials (trained on NVIDIA T4; platform",
        f"torch {run.meta.versions['torch']}",
        run.name,
    ):
        assert said in text, said
    plain = re.sub(r" \\cite\{[a-z0-9,-]+\}", "", text)
    assert not re.search(r"(?<!\\)[_%&#$]|[{}]", plain), "LaTeX would take them for its own"
    assert r"x86\_64" in text or "x86" not in text


def test_the_paragraph_cites_each_entry_that_it_comes_with(run: Run) -> None:
    worked.search(run)
    worked.confirm(run, seeds=2)
    found = findings(run)
    cited = re.findall(r"\\cite\{([^}]+)\}", citing.paragraph(found))
    assert {key for keys in cited for key in keys.split(",")} == set(citing.keys(found))


def test_a_run_without_a_confirmation_says_so(run: Run) -> None:
    worked.search(run)
    text = citing.paragraph(findings(run))
    assert "nothing was confirmed on test" in text
    assert text.startswith("[This run is running: the numbers below will change.]")


def test_every_key_that_any_study_needs_is_an_entry_and_every_entry_can_be_needed(run: Run) -> None:
    text = Path(citing.__file__).with_name("references.bib").read_text("utf-8")
    entries = re.findall(r"^@\w+\{([^,]+),", text, re.MULTILINE)
    needed = {key for keys in citing.METHODS.values() for key in keys}
    needed |= {*citing.ALWAYS, *citing.TASKS.values(), *citing.ENCODERS.values()}
    assert sorted({*needed, "li-2020-asha", "lan-1983-discrete", "zhang-2019-trades"}) == sorted(entries)
    assert all(line.count("{") == line.count("}") for line in text.splitlines())
    assert {"pawsx", "xnli"} <= set(known_studies()) and load_study("pawsx", []).task.name in citing.TASKS


def test_only_what_was_used_is_cited(run: Run) -> None:
    worked.search(run)
    text = citing.bibtex(findings(run))
    assert "madry-2018-towards" in text and "freelb" not in text and "XNLI" not in text
