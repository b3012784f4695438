"""What int8 saves in bytes of file, in compact ONNX and in .tflite."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from benchmarks.compress.__main__ import RATIOS
from benchmarks.compress.people import cross_validate
from benchmarks.compress.sizes import LARGE, SMALL, Sizes, sizes

from edgewright.compression.int8 import quantise
from edgewright.compression.weights import to_integers
from edgewright.core.integer.network import run_integer
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.compress import CompressRow
from edgewright.core.records.network import Graph
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.builder import Builder
from edgewright.graph.extract import integer_network
from edgewright.models.network import NetworkRegressor
from edgewright.training.metrics import wilson
from edgewright.workflows.compression.workflow import _tested
from support import shared_data


@pytest.mark.parametrize(("widths", "parameters"), [(SMALL, 5_059), (LARGE, 2_397_578)])
def test_int8_is_as_much_smaller_as_was_asked(widths: tuple[int, ...], parameters: int) -> None:
    model_sizes: Sizes = sizes(widths)
    minimum, least_tflite = RATIOS[widths]
    assert model_sizes.parameters == parameters
    assert model_sizes.onnx[0] / model_sizes.onnx[1] >= minimum
    assert model_sizes.tflite[0] / model_sizes.tflite[1] >= least_tflite
    assert model_sizes.tflite_int8_ends < model_sizes.tflite[1]


def test_four_bits_are_seven_levels_each_way() -> None:
    weights = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    integers = to_integers(weights, None, 1, np.float32(0.1), "always", levels=7)
    assert np.abs(integers.weights).max() == 7 and integers.per_channel
    assert np.abs(integers.weights * integers.scale - weights).max() <= 0.501 * integers.scale.max()


def residual() -> Graph:
    """Return a network with a sum of two branches, then ReLU6."""
    rng = np.random.default_rng(0)
    builder = Builder("residual", (6,))
    builder.boundary(builder.input)

    def gemm(value: str, width: int) -> str:
        weights = builder.constant((rng.standard_normal((6, width)) * 0.7).astype(np.float32))
        return builder.op("Gemm", value, weights, builder.constant(np.zeros(width, np.float32)))

    first = builder.op("Relu", gemm(builder.input, 6))
    total = builder.op("Add", gemm(first, 6), first)
    kept = builder.op("Clip", total, builder.number(0.0), builder.number(6.0))
    return builder.finish({"prediction": (gemm(kept, 2), "float32", (2,))})


def test_sums_and_relu6_become_integers() -> None:
    graph = residual()
    samples = np.random.default_rng(1).standard_normal((400, 6)).astype(np.float32)
    small = quantise(graph, samples)
    plain = compile_graph(graph, ("prediction",))(samples)["prediction"]
    rounded = compile_graph(small, ("prediction",))(samples)["prediction"]
    assert np.abs(rounded - plain).max() < 0.06 * np.ptp(plain)
    ops = [node.op for node in small.nodes]
    assert ops.index("Clip") == ops.index("Add") + 1
    network = integer_network(small)
    assert [operator.activation for operator in network.operators if operator.kind == "add"] == ["relu6"]
    start = network.values[network.input]
    bytes_in = np.clip(np.rint(samples / np.float32(start.scale)) + start.zero, -128, 127).astype(np.int8)
    end = network.values[network.output]
    integers = (run_integer(network, bytes_in).astype(np.float32) - end.zero) * np.float32(end.scale)
    assert np.mean(np.abs(integers - rounded) < 2.01 * end.scale) > 0.99


@pytest.mark.slow
def test_a_regression_is_a_network_of_integers_too() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4)).astype(np.float32)
    model = NetworkRegressor(({"kind": "dense", "units": 64},), epochs=3).fit(X, 5 + X[:, 0])
    builder = Builder("amount", (4,))
    graph = builder.finish(model.outputs(builder, model.to_graph(builder, builder.input)))
    small = quantise(graph, X)
    network = integer_network(small)
    assert network.values[network.output].shape == (1,)
    start, end = network.values[network.input], network.values[network.output]
    bytes_in = np.clip(np.rint(X / np.float32(start.scale)) + start.zero, -128, 127).astype(np.int8)
    integers = (run_integer(network, bytes_in).astype(np.float32) - end.zero) * np.float32(end.scale)
    there = compile_graph(small, ("prediction",))(X)["prediction"]
    assert np.mean(np.abs(integers[:, 0] - there) < 1.01 * end.scale) > 0.99
    assert to_tflite(network, float_ends=True)[4:8] == b"TFL3"


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.heavy
def test_a_fold_of_people_never_seen() -> None:
    """All forms of one fold; nobody who evaluates the shipped pipeline is among them."""
    forms = cross_validate(
        str(shared_data("har-hapt")),
        changes=("training.epochs=3", "training.augment=[]"),
        seed=7,
        every=2,
        only=1,
    )
    first, people = forms["float"], set(forms["float"].people.tolist())
    assert len(people) == 2 and people.isdisjoint({"26", "27", "28", "29", "30"})
    assert first.right.mean() > 0.9
    assert forms["structured-50-int8"].macs <= first.macs / 2
    assert abs(forms["int8"].right.mean() - first.right.mean()) < 0.02
    assert {"qat", "magnitude-80", "4-bit weights", "4-bit weights, qat"} <= set(forms)


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("people", [0, 10, 11])
def test_the_loss_of_a_form_has_an_interval_and_among_few_people_an_exact_test(classes: bool, people: int) -> None:
    rng = np.random.default_rng(people)
    row = CompressRow(
        name="float", recipe="", file="a", accuracy=wilson(70, 100) if classes else None, drop=0.0, validation_drop=0.0,
        weight_bytes=1, file_bytes=1, compressed_bytes=1, macs=1, latency_p50_us=1.0, latency_p99_us=1.0, engine="n",
    )  # fmt: skip
    first = (rng.random(400) < 0.3).astype(np.float64)
    second = np.where(rng.random(400) < 0.25, 1.0, first)
    errors = {"float": first, "int8": second, "pruned": first}
    groups = np.arange(400) % people if people else None
    forms = _tested([msgspec.structs.replace(row, name=name) for name in errors], errors, groups)
    assert [form.name for form in forms] == ["float", "int8", "pruned"]
    assert forms[0].drop_interval is None and forms[0].p is None
    totals = {name: wrong.mean() if classes else np.sqrt(wrong.mean()) for name, wrong in errors.items()}
    for form in forms[1:]:
        lost = totals[form.name] - totals["float"] if classes else totals[form.name] / totals["float"] - 1
        assert form.drop_interval is not None and form.drop_interval.value == pytest.approx(lost)
        assert form.drop_interval.low <= lost <= form.drop_interval.high
        # An exact test only where groups are known and few.
        assert (form.p is not None) == (people == 10)
    assert forms[1].drop_interval is not None and forms[1].drop_interval.low > 0
    if people == 10:
        assert forms[1].p is not None and forms[2].p is not None and forms[1].p < 0.2 < forms[2].p
