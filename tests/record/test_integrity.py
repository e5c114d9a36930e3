"""A record is read only as it was written: valid content that was changed is refused, with its file."""

import random
import shutil
from pathlib import Path

import pytest

from tests.record.conftest import SPEC
from xrt.errors import RecordError, XrtError
from xrt.record import Report, Results, Run, TrialRecord


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create(Results.at(tmp_path / "results"), SPEC)
    trial = TrialRecord("0000", {"method": "plain", "learning_rate": 1e-3}, {"epochs": 4.0}, 7).begun(5.0)
    made.save(trial.reported(Report(0, 1.0, 10, 6.0, {"dev/mean/mixed": 0.76, "dev/acc/en": float("nan")})))
    return made


def state(run: Run) -> list[str]:
    """Read all of a run."""
    fresh = Run.open(run.paths.results, run.name)
    return [repr(fresh.meta), fresh.spec.to_yaml(), *map(repr, fresh.trials())]


@pytest.mark.parametrize("name", ["run.json", "spec.yaml", "trials/0000.json"])
def test_a_turned_bit_is_noticed_or_changes_nothing(name: str, run: Run) -> None:
    before, path, draw = state(run), run.paths.root / name, random.Random(name)
    raw, noticed = path.read_bytes(), 0
    for bit in [draw.randrange(8 * len(raw)) for _ in range(150)]:
        turned = bytearray(raw)
        turned[bit // 8] ^= 1 << bit % 8
        path.write_bytes(turned)
        try:
            assert state(run) == before, bytes(turned)
        except XrtError as error:
            noticed += 1
            assert path.name in str(error) or "run" in str(error)
    assert noticed > 90


def test_a_score_that_was_changed_by_hand_is_refused(run: Run) -> None:
    path = run.paths.trial("0000")
    path.write_text(path.read_text().replace("0.76", "0.96"))
    with pytest.raises(RecordError, match=r"0000\.json: is damaged, or was changed by hand"):
        Run(run.paths).trials()


def test_another_study_in_the_place_of_the_runs_own_is_refused(run: Run) -> None:
    run.paths.spec.write_text(run.paths.spec.read_text().replace("seed: 7", "seed: 8"))
    with pytest.raises(RecordError, match=r"spec\.yaml: is damaged, or was changed after the run began"):
        assert Run(run.paths).spec


def test_a_trial_of_another_run_is_refused(run: Run) -> None:
    other = Run.create(run.paths.results, SPEC)
    shutil.copy(run.paths.trial("0000"), other.paths.trial("0000"))
    with pytest.raises(RecordError, match=f"is a trial of another run \\({run.meta.uid}\\)"):
        other.trials()


def test_a_record_of_before_there_were_checksums_is_read(run: Run) -> None:
    before = state(run)
    for path in (run.paths.meta, run.paths.trial("0000")):
        lines = [line for line in path.read_text().splitlines() if "checksum" not in line]
        lines[-2] = lines[-2].rstrip(",")
        path.write_text("\n".join(lines))
    assert state(run) == before
