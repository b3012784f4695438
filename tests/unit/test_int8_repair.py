"""An int8 form that loses too much gets the first repair within the limit; where there is none, float is packaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.default.forms import write
from benchmarks.default.sets import SETS

from c99_stages import use_one_compiler
from edgewright.core.package import model_file, read_package
from edgewright.pipeline.config import checked
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.workflows.proof.workflow import prove_place

LINEAR = {"kind": "linear", "layers": []}


def ramp(folder: Path) -> Path:
    """Write a table of two columns and an amount."""
    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 600))
    lines = [f"{x:.4f},{y:.4f},{2 * x - y:.4f}" for x, y in zip(a, b, strict=True)]
    (folder / "rows.csv").write_text("\n".join(["a,b,y", *lines]))
    return folder / "rows.csv"


def run(folder: Path, data: Path, target: str, model: dict[str, Any], **compression: object) -> RunResult:
    table = {
        "name": "small", "data": {"kind": "csv", "path": str(data), "target": target},
        "stages": [{"kind": "scale", "method": "standard"}], "model": model, "compression": compression,
        "training": {"epochs": 20, "batch": 32, "learning_rate": 0.02}, "split": {"by": "row"},
    }  # fmt: skip
    return run_pipeline(checked(table, "small"), out=folder / "runs", force=True)


def forms(result: RunResult) -> list[str]:
    assert result.package is not None, result.refused
    return [name for name in ("float", "int8") if model_file(name) in read_package(result.package).files]


def note(result: RunResult) -> str:
    assert result.trace.compression is not None
    return next(text for text in result.trace.compression.notes if text.startswith("int8 "))


def test_spectra_that_int8_cannot_hold_are_packaged_as_float(tmp_path: Path) -> None:
    data, _ = write("spectra", SETS["tecator"].read(tmp_path), tmp_path)
    # Fewer rows than columns: weights that cancel each other are the best.
    data.write_text("\n".join(data.read_text().splitlines()[:111]) + "\n")
    result = run(tmp_path, data, "label", LINEAR)
    assert forms(result) == ["float"]
    assert "the package stays float" in note(result)
    refused = run(tmp_path, data, "label", LINEAR, repair=False)
    assert (refused.package, "int8 loses" in refused.refused) == (None, True)


@pytest.mark.slow
def test_training_with_its_rounding_follows_a_scale_per_channel_and_the_refit_does_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_one_compiler(monkeypatch)
    layers = {"layers": [{"kind": "dense", "units": 16}]}
    result = run(tmp_path, ramp(tmp_path), "y", layers, max_drop=1.0, method="percentile", percentile=98.0)
    text = note(result)
    assert text.index("a scale per channel loses") < text.index("training with its rounding")
    assert ", and is taken: " in text
    assert forms(result) == ["float", "int8"]
    assert result.trace.refit is not None and result.trace.refit.kept
    assert prove_place(str(result.folder), rows=30).passed


def test_a_form_within_the_limit_is_left_as_it_is(tmp_path: Path) -> None:
    layers = {"layers": [{"kind": "dense", "units": 16}]}
    result = run(tmp_path, ramp(tmp_path), "y", layers, max_drop=1.0)
    assert result.trace.compression is not None
    assert not any(text.startswith("int8 ") for text in result.trace.compression.notes)
    assert forms(result) == ["float", "int8"]
