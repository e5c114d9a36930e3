"""The table of runs in MLflow's pages shows what a study is about without being told."""

import json

import mlflow
import pytest

from tests.answers.conftest import METRIC, fill
from xrt.answers.pages import EXPERIMENT_TAGS, VIEW
from xrt.answers.store import tables
from xrt.answers.tracking import sync
from xrt.errors import RecordError
from xrt.record import Run


def test_a_studys_table_opens_with_columns_that_the_runs_have(run: Run) -> None:
    fill(run)
    sync(run)
    assert tables(run.paths.results) == {
        "mini": f"#/experiments/1/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"
    }
    client = mlflow.MlflowClient(run.paths.results.tracking_uri)
    view = json.loads(client.get_experiment("1").tags[f"mlflow.sharedViewState.{VIEW}"])
    runs = client.search_runs(["1"])
    has = {f"params.`{name}`" for one in runs for name in one.data.params}
    has |= {f"metrics.`{name}`" for one in runs for name in one.data.metrics}
    assert {"params.`method`", "params.`encoder`", "params.`noise.scale`"} <= has & set(
        view["selectedColumns"]
    )
    assert view["orderByKey"] in view["selectedColumns"]
    assert METRIC.startswith("dev/") and f"metrics.`{METRIC.replace('dev', 'final')}`" == view["orderByKey"]


def test_an_experiment_of_an_earlier_version_gets_them_too(run: Run) -> None:
    fill(run)
    sync(run)
    client = mlflow.MlflowClient(run.paths.results.tracking_uri)
    for key in EXPERIMENT_TAGS:
        client.delete_experiment_tag("1", key)
    assert tables(run.paths.results) == {}
    sync(run)
    assert "mini" in tables(run.paths.results)


def test_a_store_that_mlflow_cannot_read_is_named(run: Run) -> None:
    run.paths.results.mlflow_db.write_bytes(b"no database " * 100)
    with pytest.raises(RecordError, match=r"mlflow\.db: MLflow cannot read its store: .*not a database"):
        tables(run.paths.results)
