"""Every stage as C99 gives what ONNX Runtime gives, within the last digits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from c99_stages import in_onnxruntime, need_compiler, share_of_tolerance
from edgewright.export._c_host import STRICT, compile_c99, load_c99
from edgewright.export.c99 import write_c99
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import emit
from edgewright.runtime.catalogue import find, listing
from edgewright.schema.graph import Graph
from stage_examples import EXAMPLES, Floats, arriving, targets

ROOMS = ("edgewright.preprocessing", "edgewright.features")
CASES = [(room, kind, n) for room in ROOMS for kind in listing(room, "STAGE") for n in range(len(EXAMPLES[kind]))]


@pytest.fixture(autouse=True)
def compiler() -> None:
    """These tests compile what they write."""
    need_compiler()


def fitted(room: str, kind: str, number: int) -> tuple[Graph, Any, Floats]:
    """The graph of a fitted stage, the stage, and its samples."""
    stage = find(room, kind, "STAGE", "stage")
    words, table = EXAMPLES[kind][number]
    X, context = arriving(words)
    estimator = stage.build(msgspec.convert(table, stage.config), context).fit(X, targets(X))
    builder = Builder("stage", X.shape[1:])
    value = emit(estimator, builder, builder.input)
    builder.stage(kind, value)
    return builder.finish({"prediction": (value, "float32", estimator.transform(X[:2]).shape[1:])}), estimator, X


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
