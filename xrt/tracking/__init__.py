"""MLflow as a projection of the record and the findings, and what leaves the results folder: models, exports."""
