"""Every model of rows, found by listing the folder: Python, ONNX, C99 and .tflite answer the same."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from c99_examples import load_together
from c99_stages import need_compiler
from edgewright.core.catalogue import find, listing
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import InputError
from edgewright.core.records.config import ModelConfig, TrainingConfig
from edgewright.core.records.data import Column
from edgewright.core.records.network import Graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import STRICT, CModel
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models._plain import PlainModel
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.plan import MODELS
from edgewright.pipeline.run_folder.store import pack, unpack
from tflite_files import answers

Floats = NDArray[np.float32]
RNG = np.random.default_rng(8)
X = RNG.normal(size=(240, 5)).astype(np.float32)
# Rows that no model was fitted on, some of them far outside.
NEW = np.concatenate([RNG.normal(size=(60, 5)), RNG.normal(size=(20, 5)) * 6]).astype(np.float32)
AMOUNT = (np.sin(X[:, 0] * 2) + X[:, 1] + 0.5 * X[:, 1] * X[:, 2]).astype(np.float64)
TARGETS: dict[str, NDArray[Any]] = {
    "classification": np.array(["high", "low", "middle"])[np.digitize(AMOUNT, (-0.5, 0.6))],
    "two": np.where(AMOUNT > 0.2, "on", "off"),
    "regression": AMOUNT,
}
PLAIN = [
    kind
    for kind in listing(MODELS, "MODEL")
    if isinstance(
        find(MODELS, kind, "MODEL", "model").build(ModelConfig(), TrainingConfig(), "regression", 0), PlainModel
    )
]
CASES = [(kind, target) for kind in PLAIN for target in TARGETS]


def build(kind: str, target: str) -> Any:  # noqa: ANN401 - any model of the room
    task = "regression" if target == "regression" else "classification"
    return find(MODELS, kind, "MODEL", "model").build(ModelConfig(kind=kind), TrainingConfig(), task, 0)


PLAIN = [kind for kind in listing(MODELS, "MODEL") if isinstance(build(kind, "regression"), PlainModel)]
CASES = [(kind, target) for kind in PLAIN for target in TARGETS]


@cache
def fitted(kind: str, target: str) -> tuple[Any, Graph]:
    model = build(kind, target).fit(X, TARGETS[target])
    return model, graph_of([("model", model)], (5,), kind, tuple(Column(name=f"x{n}") for n in range(5)))


def expected(kind: str, target: str, rows: Floats = NEW) -> tuple[str, Floats]:
    """Return the name of the output that the model's own answers stand under, and these answers."""
    model, _ = fitted(kind, target)
    if target == "regression":
        return "prediction", np.asarray(model.predict(rows), np.float32)
    return "probabilities", np.asarray(model.predict_proba(rows), np.float32)


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CModel]:
    """Return every model as C, compiled together."""
    need_compiler()
    sources = {f"{kind}_{target}": fitted(kind, target)[1] for kind, target in CASES}
    files = {name: write_c99(graph, CodeOptions(name)) for name, graph in sources.items()}
    return load_together(files, tmp_path_factory.mktemp("models"), flags=(*STRICT, "-O1", "-ffp-contract=off"))


@pytest.mark.parametrize(("kind", "target"), CASES)
def test_onnx_runtime_answers_as_the_model(kind: str, target: str) -> None:
    name, wanted = expected(kind, target)
    values = open_session(to_onnx(fitted(kind, target)[1])).run([name], {"input": NEW})[0]
    np.testing.assert_allclose(values, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "target"), CASES)
def test_c_answers_as_the_model(kind: str, target: str, in_c: dict[str, CModel]) -> None:
    name, wanted = expected(kind, target)
    outputs = in_c[f"{kind}_{target}"].predict(NEW).outputs
    np.testing.assert_allclose(outputs[name].reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5)
    if target != "regression":
        np.testing.assert_array_equal(outputs["label"].ravel(), outputs["probabilities"].argmax(axis=1))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "target"), CASES)
def test_a_tflite_file_answers_as_the_model_or_is_refused_by_operator(kind: str, target: str) -> None:
    name, wanted = expected(kind, target)
    try:
        outputs, _ = answers(fitted(kind, target)[1], None, NEW, "litert")
    except InputError as error:
        assert "operator" in str(error)
        return
    np.testing.assert_allclose(outputs[name].reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "target"), CASES)
def test_a_stored_model_answers_as_the_fitted_one(kind: str, target: str) -> None:
    model, _ = fitted(kind, target)
    arrays: dict[str, NDArray[Any]] = {}
    restored = build(kind, target)
    for key in find(MODELS, kind, "MODEL", "model").state:
        setattr(restored, key, unpack(pack(getattr(model, key), arrays, key), arrays))
    np.testing.assert_array_equal(restored.predict(NEW), model.predict(NEW))
    record = restored.layer_records()[0]
    assert record.parameters == sum(array.size for array in restored.arrays().values())
    assert record.formula


@pytest.mark.parametrize("kind", sorted(set(PLAIN) - {"majority"}))
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_model_learns_more_than_the_majority(kind: str, target: str) -> None:
    model, _ = fitted(kind, target)
    right = (model.predict(X) - AMOUNT) if target == "regression" else model.predict(X) != TARGETS[target]
    chance, _ = fitted("majority", target)
    wrong = (chance.predict(X) - AMOUNT) if target == "regression" else chance.predict(X) != TARGETS[target]
    assert np.square(right.astype(np.float64)).sum() < np.square(wrong.astype(np.float64)).sum()
