"""How MLflow's pages open: on the table of a study's runs, with the columns that answer its question.

The columns are a "shared view", which MLflow keeps in a tag of the experiment and opens by an address.
"""

import json
from typing import Any

from xrt.robust.methods import METHODS

VIEW = "xrt"
COLUMNS = (
    *(f"params.`{name}`" for name in ("method", "encoder", "learning_rate")),
    *(f"params.`{m}.{p}`" for m, kind in METHODS.items() for p in kind.parameters),
    *(f"metrics.`{name}`" for name in ("final/mean/mixed", "final/mean/targets", "final/acc/en")),
    "metrics.`train/cost`",
    "tags.`xrt.outcome`",
)
_STATE: dict[str, Any] = {
    "selectedColumns": COLUMNS,
    "orderByKey": "metrics.`final/mean/mixed`",
    "orderByAsc": False,
}
EXPERIMENT_TAGS = {
    # training runs, not traces of a language model
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{VIEW}": json.dumps(_STATE),
}


def table_of(experiment: str) -> str:
    """The address, within MLflow's pages, of the table of an experiment's runs."""
    return f"#/experiments/{experiment}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"
