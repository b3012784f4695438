"""What every engine offers: the same answers, and errors of ours."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.graph.onnx_writer import to_onnx
from edgewright.runtime import catalogue, engines
from edgewright.runtime.engines import Engine
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from runtime_example import classifier, numbers, regressor

ENGINES = engines.known()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
def test_engine_keeps_the_contract(engine: Engine) -> None:
    assert engine.name in catalogue.names(engines.__name__)
    assert engine.available()
    assert engines.choose(engine.name) is engine


def test_ranks_differ_so_that_the_choice_is_one() -> None:
    assert len({engine.rank for engine in ENGINES}) == len(ENGINES)
    assert engines.choose() is ENGINES[0]
    assert any(not engine.extra for engine in ENGINES), "the base install can always answer"


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
@pytest.mark.parametrize("graph", [classifier(), regressor()], ids=lambda g: g.name)
def test_engines_answer_alike(engine: Engine, graph: Graph) -> None:
    x = numbers(7, *graph.inputs[0].shape)
    answers, reference = engine.load(to_onnx(graph))(x), ENGINES[0].load(to_onnx(graph))(x)
    assert list(answers) == [output.name for output in graph.outputs]
    for name, value in answers.items():
        assert value.shape == reference[name].shape
        assert value.dtype == reference[name].dtype
        np.testing.assert_allclose(value, reference[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
@pytest.mark.parametrize("model", [b"", b"no model", to_onnx(classifier())[:500]], ids=["empty", "text", "cut"])
def test_a_damaged_model_is_an_input_error(engine: Engine, model: bytes) -> None:
    with pytest.raises(InputError) as caught:
        engine.load(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
@pytest.mark.parametrize("shape", [(2, 9), (10,), (2, 10, 1)])
def test_another_shape_is_an_input_error(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        engine.load(to_onnx(classifier()))(np.zeros(shape, np.float32))
    assert "\n" not in str(caught.value)
