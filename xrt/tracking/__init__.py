"""MLflow as a projection of the record and the findings; models that leave the results folder."""
