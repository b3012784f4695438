"""Every layer, found by listing the folder: JAX and ONNX agree, shapes and costs are right, gradients flow."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from edgewright.core.catalogue import find
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.executor import compile_graph
from edgewright.graph.builder import Builder
from edgewright.graph.layer import Layer
from edgewright.graph.onnx_writer import to_onnx
from edgewright.schema.errors import InputError
from edgewright.training.contract import Tree
from layer_examples import CASES, KINDS, PACKAGE, SETTINGS, WINDOW, made


def test_the_folder_has_the_layers_the_pipelines_use() -> None:
    assert {"dense", "conv1d", "depthwise_separable", "global_average_pool", "flatten"} <= set(KINDS)


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_onnx_equals_jax(kind: str, settings: dict[str, Any]) -> None:
    layer, config, shape, parameters = made(kind, settings)
    parameters = {k: a + np.float32(0.1) * (a == 0) for k, a in parameters.items()}
    x = np.random.default_rng(2).standard_normal((9, *shape)).astype(np.float32)
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


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_gradients_reach_input_and_parameters(kind: str, settings: dict[str, Any]) -> None:
    layer, config, shape, parameters = made(kind, settings)
    x = np.random.default_rng(3).standard_normal((9, *shape)).astype(np.float32)

    def total(p: Tree, values: Tree) -> Tree:
        return (layer.apply(config, p, values) ** 2).sum()

    to_parameters, to_input = jax.jit(jax.grad(total, argnums=(0, 1)))(parameters, x)
    assert np.isfinite(to_input).all() and np.abs(to_input).max() > 0
    for name, gradient in to_parameters.items():
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, name


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_costs_count_the_weights(kind: str, settings: dict[str, Any]) -> None:
    layer, config, shape, parameters = made(kind, settings)
    places = layer.out_shape(config, shape)[-1] if len(layer.out_shape(config, shape)) > 1 else 1
    weights = sum(a.size for name, a in parameters.items() if "bias" not in name)
    assert layer.macs(config, shape) == weights * places
    assert all(a.dtype == np.float32 for a in parameters.values())
    assert layer.formula(config)
    assert layer.activation(config) == settings.get("activation", "relu" if parameters else "linear")


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("branches", "dense", "dropout", "flatten")])
def test_a_row_is_no_window(kind: str) -> None:
    layer, config, _, _ = made(kind, SETTINGS.get(kind, [{}])[0])
    with pytest.raises(InputError, match="windows of shape"):
        layer.out_shape(config, (8,))


@pytest.mark.parametrize("kind", ["conv1d", "depthwise_separable", "average_pool", "max_pool"])
def test_a_kernel_longer_than_the_window_is_refused(kind: str) -> None:
    layer: Layer[Any] = find(PACKAGE, kind, "LAYER", "layer")
    extra = {"filters": 2} if "filters" in layer.config.__struct_fields__ else {}
    with pytest.raises(InputError, match="at most 13 samples, got 14"):
        layer.out_shape(layer.config(kernel=14, padding="valid", **extra), WINDOW)


def test_dense_refuses_windows_and_says_what_to_do() -> None:
    layer: Layer[Any] = find(PACKAGE, "dense", "LAYER", "layer")
    with pytest.raises(InputError, match="Put a layer of kind 'flatten'"):
        layer.out_shape(layer.config(units=3), WINDOW)
