"""The commands that read a run answer at once: they load neither torch nor Ray, MLflow or transformers."""

import subprocess
import sys

import pytest

from tests.findings import worked
from xrt.record import Run

HEAVY = {"torch", "transformers", "datasets", "ray", "mlflow"}
DRAWING = {"matplotlib", "optuna", "scipy.stats", "pandas"}  # for the report alone
CALL = """
import sys
from xrt.study.__main__ import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print("LOADED", *sorted(sys.modules))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = worked.make(tmp_path_factory.mktemp("results"))
    worked.search(run)
    worked.confirm(run)
    return run


@pytest.mark.parametrize(
    ("words", "said", "more"),
    [
        (["list"], "adversarial (radius 0.11, steps 1)", DRAWING),
        (["status", "mini"], "is better than plain", DRAWING),
        (["best", "mini"], "is better than plain", DRAWING),
        (["compare", "mini", "mini"], "No reliable difference", DRAWING),
        (["report", "mini"], "report.html", set()),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_that_reads_loads_nothing_big(
    run: Run, words: list[str], said: str, more: set[str]
) -> None:
    words = [*words, "--results", str(run.paths.results.root)]
    done = subprocess.run([sys.executable, "-c", CALL, *words], capture_output=True, text=True, check=True)
    text, _, loaded = done.stdout.rpartition("LOADED")
    assert said in " ".join(text.split())
    assert (HEAVY | more) & set(loaded.split()) == set()
