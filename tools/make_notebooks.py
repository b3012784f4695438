"""Executes the notebooks of docs/notebooks and stores their outputs; names of notebooks after it execute those alone.

A notebook runs in an empty folder, so its outputs have no path of this machine. tests/unit/test_notebooks.py executes
them in the same way.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "docs" / "notebooks"
TIMEOUT_S = 600


def execute(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of a new execution, without times and without standard error.

    Libraries of .tflite write to standard error what they cannot run, which `prove` reports itself.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        client = NotebookClient(notebook, timeout=TIMEOUT_S, record_timing=False, coalesce_streams=True)
        client.execute(cwd=str(work), env=_environment(Path(folder)))
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [_shown(output) for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def _shown(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return an output without the text that nobody sees beside its HTML."""
    if "text/html" in output.get("data", {}):
        output["data"].pop("text/plain", None)
    return output


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `!edgewright` is this interpreter's, and nothing of the user is read."""
    settings = {name: str(folder / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    return {**os.environ, **settings, "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}


def main(names: list[str]) -> None:
    """Execute and write notebooks."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not names or path.stem in names:
            nbformat.write(execute(path), path)


if __name__ == "__main__":
    main(sys.argv[1:])
