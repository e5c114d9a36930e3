"""All problems of the data are reported at once, before a run exists."""

from pathlib import Path

import pytest

from tests.study.conftest import write_split
from xrt.errors import XrtError
from xrt.spec import StudySpec
from xrt.study.before import checked_survey

PLAIN = {"plain": {}, "noise": {"scale": 1.0}}


def study(folder: Path, **data: object) -> StudySpec:
    return StudySpec.model_validate(
        {
            "study": "looking",
            "task": {"name": "three", "languages": ["en", "de", "fr"], "labels": ["0", "1"]},
            "data": {"source": "folder", "path": str(folder), **data},
            "space": {"encoder": ["mini-a"], "learning_rate": 1e-3, "method": PLAIN},
            "pruning": None,
        }
    )


def written(folder: Path) -> None:
    write_split(folder, "train", ["en"], 96)
    for split in ("dev", "test"):
        write_split(folder, split, ["en", "de", "fr"], 40)


def test_problems_of_files_and_of_rows_of_all_splits_come_in_one_answer(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "test-fr.tsv").unlink()
    for name in ("train-en", "dev-de", "test-de"):
        file = tmp_path / f"{name}.tsv"
        file.write_text(file.read_text().replace("\t1\n", "\tyes\n"))
    with pytest.raises(XrtError) as refused:
        checked_survey(study(tmp_path))
    labels, *rest = sorted(refused.value.problems, key=lambda line: "missing" in line)
    assert (
        "train-en.tsv, line " in labels
        and "and 2 more places" in labels
        and 'label "yes" is not one' in labels
    )
    assert len(rest) == 1 and rest[0].startswith(f"{tmp_path}/test-fr.tsv: missing.")


def test_what_is_unusual_is_a_warning_of_the_record(tmp_path: Path) -> None:
    written(tmp_path)
    lines = (tmp_path / "dev-fr.tsv").read_text().splitlines()
    turned = [line[:-1] + str(1 - int(line[-1])) for line in lines[:6]] + lines[6:]
    (tmp_path / "dev-fr.tsv").write_text("\n".join(turned) + "\n")
    _, dropped, warnings = checked_survey(study(tmp_path))
    assert [line for line in warnings if "labels differ from those of en in fr (15%: 6 of 40)" in line]
    assert [line for line in dropped if "6 label conflicts with en" in line]


def test_rows_that_are_not_there_in_all_languages_are_refused_before_the_run(tmp_path: Path) -> None:
    written(tmp_path)
    file = tmp_path / "test-de.tsv"
    file.write_text(
        "".join("NS\t" + line.partition("\t")[2] + "\n" for line in file.read_text().splitlines()[:20])
        + "".join(line + "\n" for line in file.read_text().splitlines()[20:])
    )
    with pytest.raises(XrtError) as refused:
        checked_survey(study(tmp_path, test_rows=30))
    assert refused.value.problems == [
        "data.test_rows: 30, and only 20 examples of test are there in all languages; at most 20, or null for all 40."
    ]
