"""Every stage as C99 gives what ONNX Runtime gives, within the last digits."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from c99_stages import CASES, fitted, in_onnxruntime, need_compiler, share_of_tolerance
from edgewright.export._c_host import STRICT, compile_c99, load_c99
from edgewright.export.c99 import write_c99
from edgewright.graph.onnx_writer import to_onnx


@pytest.fixture(autouse=True)
def compiler() -> None:
    """These tests compile what they write."""
    need_compiler()


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_a_stage_in_c_gives_what_onnx_runtime_gives(room: str, kind: str, number: int, tmp_path: Path) -> None:
    graph, _, X = fitted(room, kind, number)
    files = write_c99(graph, name="stage")
    model = load_c99(files, tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off"))
    found = model.predict(X)
    assert share_of_tolerance(in_onnxruntime(to_onnx(graph), X), found.outputs["prediction"]) <= 1.0
    # Without taps, and by another compiler where there is one, it compiles without a warning too.
    other = "clang" if shutil.which("clang") else ""
    assert compile_c99(files, tmp_path / "plain", flags=(*STRICT, "-O0"), compiler=other, taps=False).exists()
    np.testing.assert_array_equal(
        found.stages[kind].ravel(), found.outputs["prediction"].ravel(), err_msg="the tap is not the output"
    )
