"""LSTM and GRU as PyTorch and Keras themselves export them, with the answers that the frameworks gave.

`tools/make_recurrent.py` made the files; docs/importing.md has the versions.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core.executor import compile_graph
from edgewright.core.integer.fusion import compile_fused
from edgewright.core.integer.qdq import integer_network
from edgewright.graph.from_onnx import read_model
from edgewright.graph.onnx_writer import to_onnx
from foreign import absent_forms, answers

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "recurrent"
GRAPHS = sorted(path.name for path in MODELS.glob("*.onnx"))
# What Softmax is left out of comes before it in the order of outputs.
ANSWERS = ("probabilities", "prediction")


@cache
def given(framework: str) -> dict[str, NDArray[Any]]:
    """Windows `x`, and answers by the beginning of a file's name."""
    with np.load(MODELS / f"{framework}.npz") as data:
        return dict(data)


def framework_of(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return windows, and what the framework answered to them."""
    data = given(name.partition("-")[0])
    (key,) = (key for key in data if name.startswith(key) and "-" in key)
    return data["x"], data[key]


def answer(found: dict[str, Any]) -> NDArray[Any]:
    made: NDArray[Any] = next(found[name] for name in ANSWERS if name in found)
    return made


@pytest.mark.parametrize("name", GRAPHS)
def test_a_model_gives_the_answers_of_its_framework(name: str) -> None:
    x, wanted = framework_of(name)
    graph = read_model(MODELS / name)
    np.testing.assert_allclose(answer(compile_graph(graph)(x)), wanted, rtol=1e-5, atol=1e-6)
    outputs = [value.name for value in graph.outputs]
    written = dict(zip(outputs, answers(to_onnx(graph), x), strict=True))
    np.testing.assert_allclose(answer(written), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_layer_of_a_model_becomes_bytes(name: str) -> None:
    x, wanted = framework_of(name)
    made = quantise(read_model(MODELS / name), x)
    kinds = {operator.kind for operator in integer_network(made, "litert").operators}
    head = "conv" if "-every" in name else "dense"
    assert head in kinds and kinds & {"lstm", "gru"}
    assert np.abs(answer(compile_fused(made)(x)) - wanted).max() < 0.05 * np.ptp(wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GRAPHS if "-mean" not in name])
def test_a_model_is_proven_in_every_form(name: str, tmp_path: Path) -> None:
    assert absent_forms((MODELS / name).read_bytes(), tmp_path) == {}
