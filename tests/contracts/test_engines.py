"""What every engine offers: the same answers, and errors of ours."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core import catalogue, engines
from edgewright.core.engines import Engine
from edgewright.core.errors import InputError, SampleShapeError
from edgewright.core.integer.network import run_integer, to_integers, to_reals
from edgewright.core.records.network import Graph
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.extract import integer_network
from edgewright.graph.onnx_writer import to_onnx
from integer_networks import ROWS, small
from runtime_example import classifier, numbers, regressor

pytestmark = pytest.mark.numbers

ENGINES = tuple(engine for engine in engines.known() if engine.available())
# Those that run any ONNX model; the others need a file of another kind, or one that was compiled of the model.
ANY = tuple(engine for engine in ENGINES if engine.suits(to_onnx(classifier())))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
def test_engine_keeps_the_contract(engine: Engine) -> None:
    assert engine.name in catalogue.names(engines.__name__)
    assert engine.available()
    assert engines.choose(engine.name) is engine


def test_all_engines_are_installed_here() -> None:
    assert engines.known() == ENGINES


def test_one_engine_is_first_and_every_choice_is_one_that_suits() -> None:
    assert len({engine.call for engine in ENGINES}) == len(ENGINES)
    assert all(engine.start > 0 and engine.call > 0 for engine in ENGINES)
    assert engines.choose() is ANY[0]
    assert engines.choose(model=to_onnx(classifier())) in ANY
    assert any(not engine.extra for engine in ANY), "the base install can always answer"


def test_a_file_of_litert_is_for_litert_alone() -> None:
    model = b"\x1c\0\0\0TFL3"
    assert [engine.name for engine in ENGINES if engine.suits(model)] == ["litert"]
    assert engines.choose(model=model).name == "litert"


@pytest.mark.parametrize("engine", ANY, ids=lambda e: e.name)
@pytest.mark.parametrize("graph", [classifier(), regressor()], ids=lambda g: g.name)
def test_engines_answer_alike(engine: Engine, graph: Graph) -> None:
    x = numbers(7, *graph.inputs[0].shape)
    answers, reference = engine.load(to_onnx(graph))(x), ANY[0].load(to_onnx(graph))(x)
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


@pytest.mark.parametrize("engine", ANY, ids=lambda e: e.name)
@pytest.mark.parametrize("shape", [(2, 9), (10,), (2, 10, 1)])
def test_another_shape_is_an_input_error(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(SampleShapeError) as caught:
        engine.load(to_onnx(classifier()))(np.zeros(shape, np.float32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("float_ends", [False, True], ids=["int8", "float ends"])
def test_litert_answers_bit_by_bit_as_the_network(float_ends: bool) -> None:
    network = integer_network(small("dense"))
    answer = engines.get("litert").load(to_tflite(network, float_ends=float_ends))
    x = ROWS[:40]
    boundary = network.values[network.input]
    (given,) = answer(x).values()
    wanted = to_reals(network.values[network.output], run_integer(network, to_integers(boundary, x)))
    assert given.dtype == np.float32
    # LiteRT's fast kernels may round a step differently from its reference kernels.
    assert np.abs(given - wanted).max() <= network.values[network.output].scale * 1.001
    assert {name: len(value) for name, value in answer(x[:0]).items()} == dict.fromkeys(answer(x), 0)
    with pytest.raises(SampleShapeError):
        answer(np.zeros((1, 11), np.float32))
