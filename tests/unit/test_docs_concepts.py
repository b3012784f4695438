"""The table of what works where says "no" where the code refuses."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from edgewright.core.errors import DecisionError
from edgewright.core.prediction.objects import MAPPED, refuse_objects

TEXT = (Path(__file__).parents[2] / "docs" / "concepts.md").read_text(encoding="utf-8")


def cells(name: str) -> list[str]:
    """Return the entries of a row of the table."""
    line = next(line for line in TEXT.splitlines() if line.startswith(f"| {name}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.mark.parametrize(("task", "name"), [("detection", "objects in pictures"), ("anomaly", "odd pictures")])
def test_tasks_that_are_refused_are_listed_so(task: str, name: str) -> None:
    assert task in MAPPED and cells(name)[4:] == ["no"] * 3
    with pytest.raises(DecisionError):
        refuse_objects(task, "here")


@pytest.mark.parametrize(
    ("kind", "name"),
    [("forecaster", "forecasters, language"), ("language model", "forecasters, language"), ("denoiser", "denoisers")],
)
def test_models_of_other_kinds_are_exported_where_the_table_says(kind: str, name: str) -> None:
    targets = {
        to: importlib.import_module(f"edgewright.export.targets.{to}").TARGET for to in ("onnx", "tflite", "c99")
    }
    assert [kind in targets[to].writers for to in ("onnx", "tflite")] == [cells(name)[0] == "yes"] * 2
    assert (kind in targets["c99"].writers) == (cells(name)[1] == "yes")
