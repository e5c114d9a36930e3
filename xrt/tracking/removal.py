"""Deletes a removed run's entries in the MLflow store beside the results: its runs, and its versions of the model."""

from xrt.record.run import Run
from xrt.tracking.registry import CHAMPION
from xrt.tracking.store import Store, client


def is_champion(run: Run) -> bool:
    """Whether this run has the alias of the study's best model."""
    own = _versions(run)
    if not own:
        return False
    aliases = client(run.paths.results, None).get_registered_model(run.study).aliases
    return str(aliases.get(CHAMPION)) in own


def forget(run: Run) -> int:
    """Delete the run's entries with MLflow, which moves runs and their files into its bin; returns how many.

    Versions lose their aliases, which the next winner of the study gets.
    """
    if not run.paths.results.mlflow_db.exists():
        return 0
    mlflow = client(run.paths.results, None)
    for version in _versions(run):
        mlflow.delete_model_version(run.study, version)
    if mlflow.get_experiment_by_name(run.study) is None:
        return 0
    known = Store(run.paths.results, run.study, None).runs(run.meta.uid)
    for trial in sorted(known, reverse=True):  # the parent last
        mlflow.delete_run(known[trial].id)
    return len(known)


def _versions(run: Run) -> list[str]:
    if not run.paths.results.mlflow_db.exists():
        return []
    found = client(run.paths.results, None).search_model_versions(f"name = '{run.study}'")
    return [str(one.version) for one in found if one.tags.get("xrt.uid") == run.meta.uid]
