"""The notebooks of docs/notebooks are executed, name no machine, and give the stored accuracies when they run again."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from tools.make_notebooks import execute

from support import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
# Training in float32 differs in its last digits between processors, so single answers may.
ALLOWED = 0.03
_FIGURE = re.compile(r"\b[01]\.\d{3}\b")
_PATH = re.compile(r"/(?:home|root|tmp|work|usr|var|opt)/|[A-Z]:\\\\")


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def text_of(output: nbformat.NotebookNode) -> str:
    return str(output.get("text", "")) + "".join(str(value) for value in output.get("data", {}).values())


def accuracies(notebook: nbformat.NotebookNode) -> list[float]:
    """Return every figure on the printed lines that name an accuracy."""
    lines = [line for output in outputs(notebook) for line in str(output.get("text", "")).splitlines()]
    return [float(figure) for line in lines if "accuracy" in line for figure in _FIGURE.findall(line)]


def test_there_are_five() -> None:
    assert len(NOTEBOOKS) == 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_is_executed_and_names_no_machine(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert {output.output_type for output in outputs(notebook)} <= {"stream", "execute_result", "display_data"}
    assert accuracies(notebook)
    paths = [text for output in outputs(notebook) if _PATH.search(text := text_of(output))]
    assert paths == []
    assert "simulated" in notebook.cells[0].source


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_again_to_the_stored_accuracies(path: Path) -> None:
    stored = accuracies(nbformat.read(path, as_version=4))
    assert accuracies(execute(path)) == pytest.approx(stored, abs=ALLOWED)
