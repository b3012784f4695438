"""Models of other tools as C99: trees, linear models and networks from PyTorch, Keras, scikit-learn and LightGBM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from c99_stages import need_compiler
from edgewright.export._c_host import STRICT, load_c99
from edgewright.export._c_trees import OP, with_walks
from edgewright.export.c99 import write_c99
from edgewright.graph.from_onnx import read_model
from edgewright.runtime.executor import compile_graph

MODELS = Path(__file__).resolve().parent.parent / "fixtures" / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.onnx"))


@pytest.fixture(autouse=True)
def compiler() -> None:
    """These tests compile what they write."""
    need_compiler()


@pytest.mark.parametrize("name", NAMES)
def test_a_foreign_model_in_c_answers_as_its_graph(name: str, tmp_path: Path) -> None:
    graph = read_model((MODELS / f"{name}.onnx").read_bytes())
    x = np.load(MODELS / f"{name}.npz")["x"].astype(np.float32)
    model = load_c99(write_c99(graph, name="model"), tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off"))
    found = model.predict(x).outputs
    for output, expected in compile_graph(graph)(x).items():
        field = output if output in found else "prediction"
        atol = 2e-6 * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found[field].ravel(), expected.ravel(), rtol=1e-5, atol=atol)


@pytest.mark.parametrize("name", ["sklearn-forest", "lightgbm"])
def test_trees_are_walked_in_one_loop_also_over_missing_values(name: str, tmp_path: Path) -> None:
    graph = read_model((MODELS / f"{name}.onnx").read_bytes())
    assert [node.op for node in with_walks(graph).nodes].count(OP) >= 1
    files = write_c99(graph, name="trees")
    assert files["trees.c"].count("level < ") == 1
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, *graph.inputs[0].shape)).astype(np.float32) * 3
    x[rng.uniform(size=x.shape) < 0.2] = np.nan
    found = load_c99(files, tmp_path, flags=(*STRICT, "-O1")).predict(x).outputs
    expected = compile_graph(graph)(x)
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-6)
    np.testing.assert_array_equal(found["label"], expected["label"].ravel())
