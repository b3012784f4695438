"""Batch normalisation in training: what it gains, and that nothing after training meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.compression import qat, retraining
from edgewright.compression.retraining import lesson, trained, with_parameters
from edgewright.core.errors import LayerSettingsError
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder
from edgewright.models.architecture import architecture, function
from edgewright.models.network import NetworkClassifier
from edgewright.models.nn._normalised import folded, moments
from edgewright.training import loop as kept_epochs
from edgewright.training.contract import Changes
from edgewright.training.loop import Sampled, Settings, _chunks, keeping
from edgewright.training.rows import ArrayRows

RNG = np.random.default_rng(0)
KIND = np.arange(300) % 3
WINDOWS = RNG.standard_normal((300, 3, 24)).astype(np.float32)
WINDOWS += np.sin(np.arange(24) * (0.3 + 0.4 * KIND)[:, None, None]).astype(np.float32)
TRAIN, TEST = slice(0, 200), slice(200, 300)


def layers(normalise: bool) -> tuple[dict[str, Any], ...]:
    return (
        {"kind": "conv1d", "filters": 6, "kernel": 5, "stride": 2, "normalise": normalise},
        {"kind": "depthwise_separable", "filters": 8, "kernel": 3, "normalise": normalise},
        {"kind": "global_average_pool"},
    )


def model(normalise: bool = True, **changes: Any) -> NetworkClassifier:  # noqa: ANN401 - any setting
    return NetworkClassifier(layers(normalise), **{"epochs": 6, "batch": 32, "learning_rate": 0.005, **changes})


def fitted(normalise: bool = True, **changes: Any) -> NetworkClassifier:  # noqa: ANN401 - any setting
    return model(normalise, **changes).fit(WINDOWS[TRAIN], KIND[TRAIN], validation=(WINDOWS[TEST], KIND[TEST]))


def whole(network: NetworkClassifier) -> Graph:
    builder = Builder("t", (3, 24))
    return builder.finish(network.outputs(builder, network.to_graph(builder, builder.input)))


@pytest.fixture(scope="module")
def normal() -> NetworkClassifier:
    return fitted()


def test_the_same_epochs_learn_more(normal: NetworkClassifier) -> None:
    plain = fitted(False)
    right = [network.history_[-1].validation_accuracy or 0.0 for network in (normal, plain)]
    assert right[0] > max(0.75, right[1] + 0.2)


def test_parameters_are_those_of_a_network_without(normal: NetworkClassifier) -> None:
    shapes = [{name: np.shape(array) for name, array in own.items()} for own in normal.parameters_]
    plain = architecture(layers(False), (3, 24), 3).initialise(np.random.default_rng(0))
    assert shapes == [{name: array.shape for name, array in own.items()} for own in plain]
    graph, of_plain = whole(normal), whole(fitted(False, epochs=1))
    assert [node.op for node in graph.nodes] == [node.op for node in of_plain.nodes]
    answers = compile_graph(graph)(WINDOWS[TEST])["label"]
    assert (answers == normal.predict(WINDOWS[TEST])).mean() > 0.99


def test_the_last_batch_is_filled_with_samples_that_weigh_nothing() -> None:
    """Zeros would take part in the mean and the variance of the batch."""
    samples = Sampled(ArrayRows(WINDOWS[:70]), KIND[:70].astype(np.float32), np.ones(70, np.float32))
    ((x, _, weights), steps), *rest = _chunks(samples, Settings("softmax_cross_entropy", batch=64), 1, Changes(()))
    assert (steps, rest, int(weights.sum())) == (2, [], 70)
    assert (x[:2].reshape(128, -1) != 0).any(axis=1).all()
    assert (x[1, 6:] == x[0, :58]).all()


def test_a_training_that_was_stopped_ends_with_the_same_bits(
    normal: NetworkClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_epochs, "WORTH_S", 0.0)
    monkeypatch.setattr(kept_epochs, "_EVERY_S", 0.0)

    def stopped(record: Any) -> None:  # noqa: ANN401 - a record
        if record.epoch == 3:
            raise KeyboardInterrupt

    parts = (WINDOWS[TRAIN], KIND[TRAIN]), (WINDOWS[TEST], KIND[TEST])
    with keeping(tmp_path, lambda: None), pytest.raises(KeyboardInterrupt):
        model().fit(*parts[0], validation=parts[1], on_epoch=stopped)
    with keeping(tmp_path, lambda: None):
        again = model().fit(*parts[0], validation=parts[1])
    for own, other in zip(normal.parameters_, again.parameters_, strict=True):
        assert all((own[name] == other[name]).all() for name in own)


def test_a_fitted_network_is_pruned_and_trained_further(normal: NetworkClassifier) -> None:
    smaller = retraining.structured(normal, 0.6)
    assert retraining.macs(smaller) < 0.7 * retraining.macs(normal)
    task, apply = lesson(smaller, WINDOWS[TRAIN], KIND[TRAIN], None), function(smaller.network())
    result = trained(smaller, task, apply, smaller.parameters_, epochs=4, gentle=False)
    assert result.history[-1].loss < result.history[0].loss
    assert [set(own) for own in result.parameters] == [set(own) for own in normal.parameters_]


@pytest.mark.slow
def test_a_fitted_network_is_trained_with_rounding(normal: NetworkClassifier) -> None:
    ranges, task = qat.find_ranges(normal, WINDOWS[TRAIN]), lesson(normal, WINDOWS[TRAIN], KIND[TRAIN], None)
    apply = qat.Shaped(normal.network(), None, qat.rounding_of(normal, ranges))
    result = trained(normal, task, apply, normal.parameters_, epochs=3)
    tuned = with_parameters(normal, result.parameters, normal.layers)
    small = qat.as_trained(whole(tuned), ranges, WINDOWS[TRAIN], tuned)
    answers = compile_graph(small, ("label",))(WINDOWS[TEST])["label"]
    assert (answers == tuned.predict(WINDOWS[TEST])).mean() > 0.95


def test_the_variance_of_values_far_from_zero_is_theirs() -> None:
    y = (RNG.standard_normal((64, 10, 3)) + np.array([0.0, 2000.0, -50_000.0])).astype(np.float32)
    first, above, variance = (np.asarray(part) for part in moments(y))
    assert np.allclose(first + above, y.mean((0, 1), np.float64), rtol=1e-6, atol=1e-4)
    assert np.allclose(variance, y.astype(np.float64).var((0, 1)), rtol=1e-3)


def test_windows_far_from_zero_are_learned_as_others_are() -> None:
    far = WINDOWS + np.float32(20_000)
    valid = tuple({**layer, "padding": "valid"} if "filters" in layer else layer for layer in layers(True))
    network = NetworkClassifier(valid, epochs=10, batch=32, learning_rate=0.005).fit(far[TRAIN], KIND[TRAIN])
    assert (network.predict(far[TEST]) == KIND[TEST]).mean() > 0.75


def test_layers_without_it_are_as_before() -> None:
    network = function(architecture(layers(False), (3, 24), 3))
    assert (network.training, network.measure) == (None, None)
    own = {"weights": np.ones((2, 3, 5), np.float32), "bias": np.ones(2, np.float32)}
    assert folded(own, {"weights": (0, "bias")}) == own


def test_parts_of_branches_refuse_it() -> None:
    part = {"inputs": 3, "layers": ({"kind": "conv1d", "filters": 2, "kernel": 3, "normalise": True},)}
    with pytest.raises(LayerSettingsError, match="layers without normalise, got normalise = true"):
        NetworkClassifier(({"kind": "branches", "units": 4, "parts": (part,)},), epochs=1).fit(WINDOWS, KIND)
