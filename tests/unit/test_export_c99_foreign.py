"""Models of other tools as C99: trees, linear models and networks from PyTorch, Keras, scikit-learn and LightGBM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from c99_examples import load_together
from c99_stages import need_compiler
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_graph.recognition import TREES, with_walks
from edgewright.export.c99_host.host import STRICT, CModel, load_c99
from edgewright.graph.from_onnx import read_model

MODELS = Path(__file__).resolve().parent.parent / "fixtures" / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.onnx"))


@pytest.fixture(autouse=True)
def compiler() -> None:
    """Skip the tests where no compiler is installed."""
    need_compiler()


@pytest.fixture(scope="module")
def graphs() -> dict[str, Graph]:
    """Return every foreign model by a name that C allows."""
    return {c_name(name): read_model((MODELS / f"{name}.onnx").read_bytes()) for name in NAMES}


@pytest.fixture(scope="module")
def models(graphs: dict[str, Graph], tmp_path_factory: pytest.TempPathFactory) -> dict[str, CModel]:
    """Return every foreign model, compiled together."""
    need_compiler()
    files = {name: write_c99(graph, CodeOptions(name)) for name, graph in graphs.items()}
    return load_together(files, tmp_path_factory.mktemp("foreign"), flags=(*STRICT, "-O1", "-ffp-contract=off"))


def c_name(name: str) -> str:
    """Return the name of a file as a name that C allows."""
    return name.replace("-", "_").replace(".", "_")


@pytest.mark.parametrize("name", NAMES)
def test_a_foreign_model_in_c_answers_as_its_graph(
    name: str, graphs: dict[str, Graph], models: dict[str, CModel]
) -> None:
    x = np.load(MODELS / f"{name}.npz")["x"].astype(np.float32)
    graph, outputs = graphs[c_name(name)], models[c_name(name)].predict(x).outputs
    for output, expected in compile_graph(graph)(x).items():
        field = output if output in outputs else "prediction"
        atol = 2e-6 * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(outputs[field].ravel(), expected.ravel(), rtol=1e-5, atol=atol)


@pytest.mark.parametrize("name", ["sklearn-forest", "lightgbm"])
def test_trees_are_walked_in_one_loop_also_over_missing_values(name: str, tmp_path: Path) -> None:
    graph = read_model((MODELS / f"{name}.onnx").read_bytes())
    assert [node.op for node in with_walks(graph).nodes].count(TREES) >= 1
    files = write_c99(graph, CodeOptions("trees"))
    assert files["trees.c"].count("level < ") == 1
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, *graph.inputs[0].shape)).astype(np.float32) * 3
    x[rng.uniform(size=x.shape) < 0.2] = np.nan
    outputs = load_c99(files, tmp_path, flags=(*STRICT, "-O1")).predict(x).outputs
    expected = compile_graph(graph)(x)
    np.testing.assert_allclose(outputs["probabilities"], expected["probabilities"], atol=1e-6)
    np.testing.assert_array_equal(outputs["label"], expected["label"].ravel())
