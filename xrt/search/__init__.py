"""Makes a study happen: the only place that knows Ray and, with `answers`, Optuna."""
