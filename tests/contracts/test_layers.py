"""Every layer, found by listing the folder: JAX, ONNX and int8 agree with what it declares, gradients flow."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
import pytest

from edgewright.compression.int8 import quantise
from edgewright.compression.weights import float_layers
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import InputError, LayerSettingsError
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import Layer, Shape
from edgewright.models.architecture import architecture, layer_of
from edgewright.training.contract import Tree
from layer_examples import CASES, KINDS, ROW, WINDOW, built_layer

# JAX compiles each case: the first of a layer is fast, but for those that take seconds.
COMPILED_LONG = {"gru", "inverted_residual", "lstm"}
FIRST_FAST = [
    pytest.param(kind, settings, marks=[pytest.mark.slow] * (kind in COMPILED_LONG or CASES[number - 1][0] == kind))
    for number, (kind, settings) in enumerate(CASES)
]


def test_the_folder_has_the_layers_the_pipelines_use() -> None:
    assert {"dense", "conv1d", "depthwise_separable", "global_average_pool", "flatten"} <= set(KINDS)


def samples(shape: Shape) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(2).standard_normal((9, *shape)).astype(np.float32)


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_onnx_equals_jax(kind: str, settings: dict[str, Any]) -> None:
    layer, config, shape, parameters = built_layer(kind, settings)
    parameters = {k: a + np.float32(0.1) * (a == 0) for k, a in parameters.items()}
    x = samples(shape)
    expected = np.asarray(jax.jit(lambda p, values: layer.apply(config, p, values))(parameters, x))
    out = layer.out_shape(config, shape)
    assert expected.shape == (9, *out)
    builder = Builder("layer", shape)
    value = layer.to_graph(config, parameters, builder, builder.input, shape)
    if value == builder.input:
        value = builder.op("Reshape", value, builder.integers(-1, *out))
    graph = builder.finish({"y": (value, "float32", out)})
    answer = open_session(to_onnx(graph)).run(None, {"input": x})[0]
    np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(compile_graph(graph)(x)["y"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "settings"), FIRST_FAST)
def test_gradients_reach_input_and_parameters(kind: str, settings: dict[str, Any]) -> None:
    layer, config, shape, parameters = built_layer(kind, settings)
    weights = np.random.default_rng(3).standard_normal(layer.out_shape(config, shape)).astype(np.float32)

    def total(p: Tree, values: Tree) -> Tree:
        return (layer.apply(config, p, values) ** 2 * weights).sum()

    to_parameters, to_input = jax.jit(jax.grad(total, argnums=(0, 1)))(parameters, samples(shape))
    assert np.isfinite(to_input).all() and np.abs(to_input).max() > 0
    for name, gradient in to_parameters.items():
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, name


@pytest.mark.parametrize(("kind", "settings"), [case for case in CASES if case[0] != "backbone"])
def test_costs_count_the_weights(kind: str, settings: dict[str, Any]) -> None:
    layer, config, shape, parameters = built_layer(kind, settings)
    out = layer.out_shape(config, shape)
    # A state goes over every sample, whatever comes out of it.
    places = shape[-1] if "recurrent" in parameters else math.prod(out[1:])
    # A bias and other vectors with one number a channel are added or scaled without a product of their own.
    weights = sum(a.size for a in parameters.values() if a.ndim > 1)
    # The first part of an inverted residual stands on every pixel that comes in.
    first = parameters["expand"].size * (math.prod(shape[1:]) - places) if "expand" in parameters else 0
    assert layer.macs(config, shape) == weights * places + first
    assert all(a.dtype == np.float32 for a in parameters.values())
    assert layer.formula(config) and layer.activation(config)
    assert not layer.width or out[0] == getattr(config, layer.width)


def network(kind: str, settings: dict[str, Any]) -> Graph:
    """Return a network of the layer and an output layer behind it."""
    shape = built_layer(kind, settings)[2]
    between = (
        [{"kind": "flatten"}]
        if len(built_layer(kind, settings)[0].out_shape(built_layer(kind, settings)[1], shape)) > 1
        else []
    )
    whole = architecture([{"kind": kind, **settings}, *between], shape, 3)
    builder = Builder("network", shape)
    builder.boundary(builder.input)
    value = whole.to_graph(whole.initialise(np.random.default_rng(1)), builder, builder.input)
    return builder.finish({"y": (value, "float32", (3,))})


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_the_integer_form_is_there_where_it_is_declared(kind: str, settings: dict[str, Any]) -> None:
    layer, config, shape, _ = built_layer(kind, settings)
    graph, x = network(kind, settings), samples(shape)
    if layer.integer(config):
        answers, floats = (compile_graph(one)(x)["y"] for one in (quantise(graph, x), graph))
        assert np.abs(answers - floats).max() <= 0.2 * np.ptp(floats)
        return
    with pytest.raises(InputError):
        quantise(graph, x)
    flat = architecture([{"kind": kind, **settings}, {"kind": "flatten"}], shape, 3)
    assert float_layers(flat)[0].startswith(kind)


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_a_shape_that_a_layer_cannot_take_is_refused_by_its_name(kind: str, settings: dict[str, Any]) -> None:
    layer, config, _, _ = built_layer(kind, settings)
    for shape in (ROW, WINDOW, (3, 4, 5)):
        try:
            assert all(size > 0 for size in layer.out_shape(config, shape))
        except InputError as error:
            assert kind in error.where


@pytest.mark.parametrize(
    ("kind", "settings"), [case for case in FIRST_FAST if layer_of({"kind": str(case.values[0])}).normalisation]
)
def test_folding_takes_the_normalisation_away_and_changes_nothing(kind: str, settings: dict[str, Any]) -> None:
    layer, config, shape, parameters = built_layer(kind, settings)
    assert layer.normalisation is not None
    x = samples(shape) * 3 + 1
    by_batch, measured = layer.normalisation.measure(config, parameters, x)
    fitted = {name: np.asarray(array) for name, array in measured.items()}
    np.testing.assert_allclose(layer.apply(config, fitted, x), by_batch, rtol=1e-4, atol=1e-4)
    folded = layer.normalisation.folded(config, fitted)
    assert not any("gain" in name or "mean" in name for name in folded)
    np.testing.assert_allclose(layer.apply(config, folded, x), by_batch, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if "padding" in layer_of({"kind": kind}).config.__struct_fields__]
)
def test_a_kernel_longer_than_the_window_is_refused(kind: str) -> None:
    layer: Layer[Any] = layer_of({"kind": kind})
    extra = {layer.width: 2} if layer.width else {}
    shape = built_layer(kind, {**extra, "kernel": 2, "padding": "valid"})[2]
    maximum = min(shape[1:])
    with pytest.raises(LayerSettingsError, match=f"at most {maximum} samples, got {maximum + 1}"):
        layer.out_shape(layer.config(kernel=maximum + 1, padding="valid", **extra), shape)
