"""What is said about a store that cannot be used."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from xrt.errors import RecordError
from xrt.record.paths import Results
from xrt.tracking.store import tables
from xrt.tracking.tracker import check


@pytest.mark.parametrize("ask", [check, tables])
def test_a_store_of_another_version_of_mlflow_is_one_line_with_the_command_and_its_address(
    ask, empty_store: Path, tmp_path: Path
) -> None:
    results = Results(tmp_path)
    shutil.copy(empty_store, results.mlflow_db)
    with sqlite3.connect(results.mlflow_db) as store:
        store.execute("UPDATE alembic_version SET version_num = '39d1c3be5f05'")
    with pytest.raises(RecordError) as caught:
        ask(results)
    [said] = caught.value.problems
    assert f"mlflow db upgrade sqlite:///{results.mlflow_db.absolute()}" in said and "another version" in said
    assert "\n" not in said
