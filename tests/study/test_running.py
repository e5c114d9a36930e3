"""After a run's last trial the answer stands, even if MLflow fails."""

from pathlib import Path

import pytest

from tests.findings import worked
from xrt.study.running import _deliver

NOWHERE = "http://me:secret@127.0.0.1:9"


@pytest.mark.parametrize(("tracking", "again"), [(None, ""), (NOWHERE, " --tracking http://***@127.0.0.1:9")])
def test_what_mlflow_does_not_take_is_a_warning_with_the_command_that_sends_it(
    tmp_path: Path, tracking: str | None, again: str
) -> None:
    run = worked.make(tmp_path / "results")
    worked.search(run)
    worked.confirm(run)
    if tracking is None:
        run.paths.results.mlflow_db.write_text("this is no database")
    warnings: list[str] = []
    _deliver(run, tracking, warnings.append)
    [warning] = warnings
    assert warning.startswith("MLflow lacks the report or the winner's model (")
    assert warning.endswith(f"`{run.command('sync')}{again}` sends them.")
    assert "secret" not in warning and "\n" not in warning
