"""Pruning, training with rounding, distillation and the Pareto front, on small networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewright.compression import qat, retraining
from edgewright.compression.qat import Shaped, Weighting, masked, rounded, rounded_weights
from edgewright.compression.retraining import finished, lesson, softened, taught, trained, with_parameters
from edgewright.compression.weights import PerChannel, grid
from edgewright.core.catalogue import find, listing
from edgewright.core.errors import InputError, TrainingDivergedError
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder
from edgewright.models.architecture import function
from edgewright.models.network import NetworkClassifier, NetworkRegressor
from edgewright.workflows.compression.workflow import front

_ALWAYS: PerChannel = "always"
RNG = np.random.default_rng(0)
X = RNG.standard_normal((900, 8)).astype(np.float32)
Y = np.argmax(np.tanh(X @ RNG.standard_normal((8, 6))) @ RNG.standard_normal((6, 3)), axis=1)
WINDOWS = RNG.standard_normal((240, 3, 24)).astype(np.float32)
WINDOWS += np.sin(np.arange(24) * (0.3 + 0.4 * (np.arange(240) % 3))[:, None, None]).astype(np.float32)
KIND = np.arange(240) % 3
LAYERS = (
    {"kind": "conv1d", "filters": 6, "kernel": 5, "stride": 2},
    {"kind": "max_pool", "kernel": 2, "stride": 2},
    {"kind": "depthwise_separable", "filters": 8, "kernel": 3},
    {"kind": "flatten"},
    {"kind": "dropout", "rate": 0.1},
    {"kind": "dense", "units": 10},
)


def whole(model: Any) -> Graph:  # noqa: ANN401 - either network
    builder = Builder("t", tuple(model.shape_), labels=tuple(str(c) for c in getattr(model, "classes_", ())))
    return builder.finish(model.outputs(builder, model.to_graph(builder, builder.input)))


def share_right(graph: Graph, samples: NDArray[Any], labels: NDArray[Any]) -> float:
    return float(np.mean(compile_graph(graph, ("label",))(samples)["label"] == labels))


@pytest.fixture(scope="module")
def rows() -> NetworkClassifier:
    return NetworkClassifier(({"kind": "dense", "units": 24},), epochs=15, batch=32, learning_rate=0.01).fit(X, Y)


@pytest.fixture(scope="module")
def windows() -> NetworkClassifier:
    return NetworkClassifier(LAYERS, epochs=12, batch=32, learning_rate=0.01).fit(WINDOWS, KIND)


def test_every_layer_with_weights_says_which_axes_are_channels() -> None:
    for kind in listing("edgewright.models.nn", "LAYER"):
        layer = find("edgewright.models.nn", kind, "LAYER", "layer")
        # Units of a state are rows and columns of its weights, and what is added to the input has its channels:
        # pruning leaves such layers whole.
        assert (
            bool(layer.width and kind not in ("lstm", "gru", "inverted_residual"))
            == bool(layer.inputs)
            == bool(layer.outputs)
        )


@pytest.mark.slow
def test_pruning_leaves_a_layer_with_a_state_and_what_is_before_it_whole() -> None:
    layers = (
        {"kind": "conv1d", "filters": 6, "kernel": 3},
        {"kind": "lstm", "units": 5},
        {"kind": "dense", "units": 64},
    )
    model = NetworkClassifier(layers, epochs=1, batch=32).fit(WINDOWS, KIND)
    small = retraining.structured(model, 0.01)
    assert [table.get("filters", table.get("units")) for table in small.layers][:2] == [6, 5]
    assert small.layers[2]["units"] < 64


@pytest.mark.slow
def test_leaving_out_units_that_say_nothing_changes_no_answer(windows: NetworkClassifier) -> None:
    model = with_parameters(windows, [dict(own) for own in windows.parameters_], windows.layers)
    dead = {0: (1, 4, 5), 2: (0, 3, 6, 7), 5: (0, 1, 2, 8, 9)}
    for index, units in dead.items():
        own, layer = model.parameters_[index], model.network().layers[index]
        for name, axis in layer.outputs.items():
            changed = np.array(own[name])
            np.moveaxis(changed, axis, 0)[list(units)] = 0
            own[name] = changed
    # A channel that is 0 still gives what the depthwise half adds to it.
    quiet = np.array(model.parameters_[2]["depthwise_bias"])
    quiet[list(dead[0])] = 0
    model.parameters_[2]["depthwise_bias"] = quiet
    small = retraining.structured(model, 0.5)
    assert [table.get("filters", table.get("units")) for table in small.layers][::2] == [3, 4, None]
    assert small.layers[5]["units"] == 5
    assert retraining.macs(small) <= 0.5 * retraining.macs(model)
    np.testing.assert_allclose(small.predict_proba(WINDOWS), model.predict_proba(WINDOWS), atol=1e-5)
    assert compile_graph(whole(small))(WINDOWS[:4])["probabilities"].shape == (4, 3)


@pytest.mark.slow
@given(st.floats(0.05, 0.8))
@settings(max_examples=15)
def test_structured_pruning_reaches_its_share(share: float) -> None:
    model = NetworkClassifier(({"kind": "dense", "units": 24},), epochs=1).fit(X, Y)
    small = retraining.structured(model, share)
    assert (1 - share) * retraining.macs(model) - 11 < retraining.macs(small) <= (1 - share) * retraining.macs(model)


@pytest.mark.slow
def test_what_cannot_be_pruned_is_said(rows: NetworkClassifier) -> None:
    with pytest.raises(InputError, match="with one unit a layer"):
        retraining.structured(rows, 0.99)
    with pytest.raises(InputError, match="a network without hidden units"):
        retraining.structured(NetworkClassifier((), epochs=1).fit(X, Y), 0.5)


@pytest.mark.slow
def test_a_pruned_network_learns_again(rows: NetworkClassifier) -> None:
    small = retraining.structured(rows, 0.5)
    plain_lesson = lesson(rows, X[:700], Y[:700], (X[700:], Y[700:]))
    apply = function(small.network())
    result = trained(small, plain_lesson, apply, small.parameters_, epochs=15)
    tuned = with_parameters(small, finished(small, plain_lesson, apply, result.parameters), small.layers)
    before, after = np.mean(small.predict(X) == Y), np.mean(tuned.predict(X) == Y)
    assert after > before and after > np.mean(rows.predict(X) == Y) - 0.05


@pytest.mark.slow
def test_zeros_stay_zero_while_the_rest_learns(windows: NetworkClassifier) -> None:
    masks = retraining.smallest(windows, 0.75)
    start = masked(windows.parameters_, masks)
    plain_lesson = lesson(windows, WINDOWS, KIND, None)
    apply = Shaped(windows.network(), masks)
    result = trained(windows, plain_lesson, apply, start, epochs=6)
    kept = masked(finished(windows, plain_lesson, apply, result.parameters), masks)
    tuned = with_parameters(windows, kept, windows.layers)
    for own, mask in zip(kept, masks, strict=True):
        for name, ones in mask.items():
            assert np.mean(ones == 0) == pytest.approx(0.75, abs=0.06)
            assert not own[name][ones == 0].any() and own[name][ones == 1].any()
    assert np.mean(tuned.predict(WINDOWS) == KIND) > np.mean(
        with_parameters(windows, start, windows.layers).predict(WINDOWS) == KIND
    )


@given(st.floats(-50, 0), st.floats(0.01, 50), st.integers(0, 2**20))
@settings(max_examples=40)
def test_fake_rounding_is_that_of_the_device(low: float, high: float, seed: int) -> None:
    quantisation = grid(low, high)
    values = (np.random.default_rng(seed).standard_normal(64) * 30).astype(np.float32)
    integers = np.clip(np.rint(np.clip(values, -1e6, 1e6) / quantisation.scale) + quantisation.zero, -128, 127)
    there = (integers - quantisation.zero) * quantisation.scale
    # A value on the border of two integers may fall to either.
    assert np.abs(np.asarray(rounded(quantisation, values)) - there).max() <= 1.001 * quantisation.scale
    assert np.mean(np.abs(np.asarray(rounded(quantisation, values)) - there) < 1e-4 * (1 + np.abs(there))) > 0.9


def test_rounded_weights_have_so_many_levels() -> None:
    weights = RNG.standard_normal((40, 5)).astype(np.float32) * np.array([1, 10, 0.1, 3, 0.5], np.float32)
    for levels in (7, 127):
        one = np.asarray(rounded_weights(weights, Weighting(1, levels)))
        for channel in range(5):
            assert len(np.unique(np.round(one[:, channel] / (np.abs(weights[:, channel]).max() / levels), 3))) <= (
                2 * levels + 1
            )
    assert len(np.unique(np.asarray(rounded_weights(weights, Weighting(None, 7))))) <= 15


@pytest.mark.parametrize("which", ["rows", pytest.param("windows", marks=pytest.mark.slow)])
def test_the_training_sees_the_rounding_of_the_integer_form(which: str, request: pytest.FixtureRequest) -> None:
    model: NetworkClassifier = request.getfixturevalue(which)
    samples = X if which == "rows" else WINDOWS
    ranges = qat.find_ranges(model, samples)
    seen = Shaped(model.network(), None, qat.rounding_of(model, ranges))
    small = qat.as_trained(whole(model), ranges, samples, model)
    there = compile_graph(small, ("probabilities",))(samples)["probabilities"]
    here = model._answer(np.asarray(seen(model.parameters_, samples), np.float32))
    plain = model.predict_proba(samples)
    # Only the raw outputs' rounding is left to the quantiser.
    assert np.abs(here - there).mean() < 0.5 * np.abs(plain - there).mean() + 1e-3


@pytest.mark.slow
def test_training_with_rounding_rescues_few_bits(rows: NetworkClassifier) -> None:
    plain_lesson, ranges = lesson(rows, X, Y, None), qat.find_ranges(rows, X)
    levels, channels = 1, _ALWAYS
    apply = Shaped(rows.network(), None, qat.rounding_of(rows, ranges, per_channel=channels, levels=levels))
    result = trained(rows, plain_lesson, apply, rows.parameters_, epochs=10)
    tuned = with_parameters(rows, finished(rows, plain_lesson, apply, result.parameters), rows.layers)
    after = share_right(qat.as_trained(whole(tuned), ranges, X, tuned, per_channel=channels, levels=levels), X, Y)
    before = share_right(qat.as_trained(whole(rows), ranges, X, rows, per_channel=channels, levels=levels), X, Y)
    assert after > before + 0.02


@pytest.mark.slow
def test_a_regression_is_tuned_on_its_own_scale() -> None:
    y = 1000.0 + 40 * np.tanh(X[:, 0]) + 20 * X[:, 1]
    model = NetworkRegressor(({"kind": "dense", "units": 16},), epochs=20, batch=32, learning_rate=0.01).fit(X, y)
    small = retraining.structured(model, 0.4)
    plain_lesson, apply = lesson(model, X, y, (X[:50], y[:50])), function(small.network())
    result = trained(small, plain_lesson, apply, small.parameters_, epochs=20)
    tuned = with_parameters(small, finished(small, plain_lesson, apply, result.parameters), small.layers)
    assert np.std(tuned.predict(X) - y) < 0.4 * np.std(y)
    assert abs(tuned.predict(X).mean() - y.mean()) < 2


def test_a_student_comes_closer_to_its_teacher(rows: NetworkClassifier) -> None:
    teacher = rows.predict_proba(X)
    start = NetworkClassifier(({"kind": "dense", "units": 4},), epochs=1, batch=32, learning_rate=0.01).fit(X, Y)
    plain = lesson(start, X, Y, (X[:100], Y[:100]))
    distilled, apply = taught(plain, teacher, share=1.0), function(start.network())
    assert distilled.loss == "distilled_softmax_cross_entropy" and distilled.samples.targets.shape == (900, 6)
    result = trained(start, distilled, apply, start.parameters_, epochs=15, gentle=False)
    student = with_parameters(start, finished(start, distilled, apply, result.parameters), start.layers)
    assert np.abs(student.predict_proba(X) - teacher).mean() < 0.5 * np.abs(start.predict_proba(X) - teacher).mean()
    with pytest.raises(TrainingDivergedError):
        taught(plain, teacher[:10])


@pytest.mark.slow
def test_two_classes_and_numbers_can_be_taught() -> None:
    two = (Y == 1).astype(int)
    model = NetworkClassifier(({"kind": "dense", "units": 6},), epochs=8, batch=32, learning_rate=0.01).fit(X, two)
    distilled = taught(lesson(model, X, two, None), model.predict_proba(X))
    assert distilled.loss == "distilled_sigmoid_cross_entropy" and distilled.samples.targets.shape == (900, 4)
    result = trained(model, distilled, function(model.network()), model.parameters_, epochs=2)
    assert result.history[-1].loss < 3.0 and result.history[-1].accuracy is not None
    y = 5.0 + X[:, 0]
    regressor = NetworkRegressor(({"kind": "dense", "units": 6},), epochs=5).fit(X, y)
    plain = lesson(regressor, X, y, None)
    regression = taught(plain, regressor.predict(X)[:, None])
    assert regression.loss == "distilled_mean_squared_error"
    np.testing.assert_allclose(
        regression.samples.targets[:, 3] * plain.spread + plain.middle, regressor.predict(X), atol=1e-4
    )


@given(st.floats(1.0, 10.0), st.integers(0, 1000))
@settings(max_examples=30)
def test_softened_probabilities_keep_their_order(heat: float, seed: int) -> None:
    given_ones = np.random.default_rng(seed).dirichlet(np.ones(4), 5).astype(np.float32)
    soft = softened(given_ones, heat)
    np.testing.assert_allclose(soft.sum(axis=1), 1.0, rtol=1e-5)
    assert (soft.max(axis=1) <= given_ones.max(axis=1) + 1e-5).all()
    assert (np.argmax(soft, axis=1) == np.argmax(given_ones, axis=1)).all()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
@settings(max_examples=100)
def test_the_front_is_what_nobody_beats(points: list[tuple[int, int, int]]) -> None:
    marks = front(points)
    assert any(marks)
    for point, mark in zip(points, marks, strict=True):
        beaten = any(all(a <= b for a, b in zip(o, point, strict=True)) and o != point for o in points)
        assert mark == (not beaten)
