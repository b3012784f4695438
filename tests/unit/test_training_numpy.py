"""Small trainings in NumPy against the compiled ones, and which trainings are small."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]  # as in the source

from edgewright.models.architecture import architecture, function
from edgewright.training import loop
from edgewright.training.backend import jax
from edgewright.training.loop import Sampled, Settings, outputs, train
from edgewright.training.program import always_compiled, forward, is_small
from edgewright.training.rows import ArrayRows

RNG = np.random.default_rng(0)
X = RNG.standard_normal((230, 2, 3)).astype(np.float32)
LAYERS: list[dict[str, Any]] = [
    {"kind": "flatten"},
    {"kind": "dense", "units": 16},
    {"kind": "dense", "units": 8, "activation": "sigmoid"},
    {"kind": "dense", "units": 8, "activation": "linear"},
]
# Loss, outputs, targets.
LOSSES = {
    "softmax_cross_entropy": (4, RNG.integers(0, 4, 230)),
    "sigmoid_cross_entropy": (1, RNG.integers(0, 2, 230)),
    "mean_squared_error": (1, X.sum(axis=(1, 2))),
}


def _network(ends: int) -> tuple[Any, Any]:
    network = architecture(LAYERS, X.shape[1:], ends)
    return function(network), network.initialise(np.random.default_rng(1))


def _samples(targets: Any) -> Sampled:  # noqa: ANN401 - numbers of any kind
    weights = np.random.default_rng(2).uniform(0.5, 2.0, len(X)).astype(np.float32)
    weights[:20] = 0.0
    return Sampled(ArrayRows(X), np.asarray(targets, np.float32), weights)


@pytest.mark.parametrize(
    ("loss", "optimiser", "schedule"),
    [
        ("softmax_cross_entropy", "adamw", "auto"),
        pytest.param("sigmoid_cross_entropy", "adamw", "one_cycle", marks=pytest.mark.slow),
        pytest.param("mean_squared_error", "adam", "auto", marks=pytest.mark.slow),
    ],
)
def test_numpy_trains_as_the_compiled_program(
    loss: str, optimiser: str, schedule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, targets = LOSSES[loss]
    (apply, start), samples = _network(ends), _samples(targets)
    settings = Settings(loss, epochs=3, batch=32, optimiser=optimiser, schedule=schedule, learning_rate=0.01,
                        weight_decay=0.05, label_smoothing=0.1, dropout=0.1)  # fmt: skip
    ours = train(apply, start, samples, settings, validation=samples)
    monkeypatch.setattr(loop, "is_small", lambda *_: False)
    compiled = train(apply, start, samples, settings, validation=samples)
    assert ours.compile_seconds == 0 < compiled.compile_seconds
    for own, other, before in zip(ours.parameters, compiled.parameters, start, strict=True):
        assert list(own) == list(other)
        for name, array in own.items():
            np.testing.assert_allclose(array, other[name], rtol=0, atol=2e-5)
            assert not np.allclose(array, before[name], rtol=0, atol=1e-3)
    for own, other in zip(ours.history, compiled.history, strict=True):
        assert own.loss == pytest.approx(other.loss, rel=1e-5)
        assert own.accuracy == other.accuracy and own.validation_loss == pytest.approx(other.validation_loss, rel=1e-4)


def test_forward_of_dense_layers_is_that_of_the_compiled_program() -> None:
    apply, start = _network(4)
    ours = outputs(apply, start, ArrayRows(X))
    varied = function(architecture([*LAYERS, {"kind": "dropout"}], X.shape[1:], 4))
    compiled = forward(varied, [*start[:-1], {}, start[-1]], X)
    np.testing.assert_allclose(ours, compiled, rtol=0, atol=2e-6)


def test_forward_of_dense_layers_is_on_one_thread_and_in_numpy() -> None:
    """The rounding of large products depends on threads, and parameters of a compiled training are arrays of JAX."""
    apply, start = _network(4)
    threads: list[int] = []

    def plain(parameters: Any, x: Any) -> Any:  # noqa: ANN401 - a tree and an array
        threads.extend(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        return apply(parameters, x)

    plain.is_plain = True  # type: ignore[attr-defined]
    with threadpool_limits(2):
        answers = forward(plain, jax.tree.map(jax.numpy.asarray, start), X)
    assert set(threads) == {1} and type(answers) is np.ndarray


def test_small_trainings_alone_are_done_in_numpy() -> None:
    (apply, start), common = _network(4), ("softmax_cross_entropy", "adam")
    assert is_small(apply, *common, start, 1_000, 64)
    assert not is_small(apply, *common, start, 1_000_000, 64)
    with always_compiled():
        assert not is_small(apply, *common, start, 1_000, 64)
    assert not is_small(apply, "softmax_cross_entropy", "prodigy", start, 1_000, 64)
    assert not is_small(apply, "distilled_softmax_cross_entropy", "adam", start, 1_000, 64)
    varied = function(architecture([*LAYERS, {"kind": "dropout"}], X.shape[1:], 4))
    assert not is_small(varied, *common, [*start[:-1], {}, start[-1]], 1_000, 64)
    wide = architecture([{"kind": "dense", "units": 2000}, {"kind": "dense", "units": 2000}], (300,), 4)
    assert not is_small(function(wide), *common, wide.initialise(RNG), 1_000, 64)


def test_a_network_of_rows_is_trained_and_answers_without_jax() -> None:
    code = """
import sys
import numpy as np
from edgewright.models.network import NetworkClassifier
X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
model = NetworkClassifier(epochs=3, patience=2).fit(X, X[:, 0] > 0, validation=(X, X[:, 0] > 0))
assert model.score(X, X[:, 0] > 0) > 0.8
assert not {"jax", "optax"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
