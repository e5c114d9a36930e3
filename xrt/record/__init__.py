"""The run on disk: records what happened. It knows neither Ray nor MLflow, and decides nothing."""

from xrt.record.paths import Results, RunPaths
from xrt.record.run import Data, Listener, Meta, Report, Run, TrialRecord

__all__ = ["Data", "Listener", "Meta", "Report", "Results", "Run", "RunPaths", "TrialRecord"]
