"""Makes a study happen: the only folder that knows Ray and, with `findings/importances.py`, Optuna."""

import os

# Ray reads it when it is imported: under `uv run` it would pack the working folder, hundreds of megabytes, for every
# machine, and install there what is installed already.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
