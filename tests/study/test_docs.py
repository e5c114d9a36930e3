"""The notebook of the docs, executed on the finished toy study; and the docs as a site."""

import nbformat
from nbclient import NotebookClient

from tests.conftest import ROOT
from tests.study.conftest import Toy

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def test_the_notebook_runs_and_shows_answer_trials_matrix_figure_and_comparison(finished: Toy) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    [opening] = [cell for cell in notebook.cells if 'study = "mini"' in cell.source]
    opening.source = opening.source.replace('"mini"', '"toy"')
    NotebookClient(notebook, resources={"metadata": {"path": str(finished.folder)}}).execute()
    shown = {
        cell.source.splitlines()[-1]: cell.outputs[-1].data
        for cell in notebook.cells
        if cell.cell_type == "code"
    }
    answer = shown["run.findings"]["text/plain"]
    assert shown["run"]["text/plain"].endswith(answer) and answer.endswith(".")
    assert "<th>adversarial</th>" in shown[")"]["text/html"]
    assert "<th>fr</th>" in shown["run.matrix(best).round(3)"]["text/html"]
    assert shown['figures["matrix"]']["image/png"].startswith("iVBOR")
    assert "<th>winner</th>" in shown["xrt.compare([study, run.name]).T"]["text/html"]


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert len(cells) >= 5 and not any(cell.outputs or cell.execution_count for cell in cells)
