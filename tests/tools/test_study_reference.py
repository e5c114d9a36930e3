"""The reference of study files is that of the program."""

from tests.conftest import ROOT
from tools.study_reference import reference, sections
from xrt.spec.study import StudySpec


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")
    assert page == reference(), "python -m tools.study_reference > docs/study-file.md"


def test_every_field_of_a_study_file_is_on_it() -> None:
    page = reference()
    assert {"study", "task", "compare", "space", *sections()} == set(StudySpec.model_fields)
    for name, model in sections().items():
        part = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert all(f"| `{field}` |" in part for field in model.model_fields)
        assert ("`null` skips it" in part) == (name in ("pruning", "confirm", "evaluation"))
