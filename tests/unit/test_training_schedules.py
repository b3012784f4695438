"""Schedules of the learning rate, and dropout inside a network."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

from edgewright.core.catalogue import find
from edgewright.core.errors import LayerSettingsError
from edgewright.models.network import NetworkClassifier
from edgewright.models.nn import dropout
from edgewright.training.program import constant, one_cycle

Classifier = Any  # scikit-learn carries no types
RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 6)).astype(np.float32)
Y = np.argmax(X @ RNG.standard_normal((6, 3)), axis=1)


def classifier(layers: tuple[dict[str, Any], ...] = ({"kind": "dense", "units": 16},), **keys: Any) -> Classifier:  # noqa: ANN401 - any key of [training]
    settings = {"optimiser": "adamw", "learning_rate": 0.01, "epochs": 4, "batch": 32, "seed": 3, **keys}
    return NetworkClassifier(layers, **settings).fit(X, Y)


def bits(model: Classifier) -> list[bytes]:
    return [a.tobytes() for layer in model.parameters_ for a in layer.values()]


@pytest.mark.slow
def test_one_cycle_is_the_one_of_optax() -> None:
    ours = one_cycle(4e-3, 1000, 0.15, np)
    theirs = optax.cosine_onecycle_schedule(1000, 4e-3, 0.15)
    steps = np.arange(0, 1000, 7)
    got, expected = (np.array([float(rate(step)) for step in steps]) for rate in (ours, theirs))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-7)
    assert float(ours(150)) == pytest.approx(4e-3)
    assert float(ours(1000)) < 1e-6 * 4e-3 * 10


def test_constant_rises_and_stays() -> None:
    rate = constant(0.1, 100, 0.1, np)
    assert [round(float(rate(step)), 6) for step in (0, 4, 9, 10, 99)] == [0.01, 0.05, 0.1, 0.1, 0.1]
    assert float(constant(0.1, 100, 0.0, np)(0)) == pytest.approx(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_a_schedule_changes_the_training(optimiser: str) -> None:
    models = [classifier(optimiser=optimiser, schedule=name) for name in ("auto", "constant", "one_cycle")]
    assert len({tuple(bits(model)) for model in models}) == 3
    assert models[2].score(X, Y) > 0.6
    again = classifier(optimiser=optimiser, schedule="one_cycle")
    assert bits(again) == bits(models[2])


def test_schedule_free_adamw_is_the_algorithm_of_its_paper() -> None:
    rate, decay, steps, beta = 0.05, 0.1, 40, 0.9
    rng = np.random.default_rng(4)
    start, gradients = rng.normal(size=5), rng.normal(size=(steps, 5))
    ours = find("edgewright.training.optimisers", "schedule_free_adamw", "OPTIMISER", "optimiser")
    transformation = ours.make(rate, decay, steps)
    parameters: Any = {"weights": jax.numpy.asarray(start, jax.numpy.float32)}
    state, update_of = transformation.init(parameters), jax.jit(transformation.update)
    y, z, x, v, weights = start, start, start, np.zeros(5), 0.0
    for step, gradient in enumerate(gradients):
        given = {"weights": jax.numpy.asarray(gradient, jax.numpy.float32)}
        update, state = update_of(given, state, parameters)
        parameters = optax.apply_updates(parameters, update)
        # Algorithm 1 of Defazio et al., 2024; the first twentieth of the steps, two of them, warms up. optax weighs a
        # step by the rate of the next.
        lr, weight = (rate * min(count / (0.05 * steps), 1.0) for count in (step, step + 1))
        v = 0.999 * v + 0.001 * gradient**2
        z = z - lr * (gradient / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8) + decay * y)
        weights += weight**2
        share = weight**2 / weights
        x = (1 - share) * x + share * z
        y = (1 - beta) * z + beta * x
        np.testing.assert_allclose(parameters["weights"], y, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(ours.evaluation_params(state, parameters)["weights"], x, rtol=1e-4, atol=1e-5)
    assert np.abs(x - start).min() > 0.01 and not ours.takes_schedule


def test_the_warm_up_matters() -> None:
    short, long = (classifier(schedule="one_cycle", warm_up=share) for share in (0.05, 0.6))
    assert bits(short) != bits(long)


@pytest.mark.parametrize("optimiser", ["prodigy", "schedule_free_adamw"])
def test_an_optimiser_with_its_own_schedule_refuses_another(optimiser: str) -> None:
    with pytest.raises(LayerSettingsError):
        classifier(optimiser=optimiser, schedule="one_cycle")


@pytest.mark.slow
def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    config = dropout.DropoutConfig(rate=0.3)
    x = np.ones((200, 500), np.float32)
    y = np.asarray(dropout.training(config, {}, x, jax.random.key(1)))
    assert np.mean(y == 0) == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1.0, abs=0.01)
    assert set(np.unique(y)) == {np.float32(0.0), np.float32(1.0) / np.float32(0.7)}
    np.testing.assert_array_equal(dropout.LAYER.apply(config, {}, x), x)


@pytest.mark.slow
def test_dropout_trains_otherwise_and_answers_without_chance() -> None:
    layers = ({"kind": "dense", "units": 16}, {"kind": "dropout", "rate": 0.4})
    plain, dropped = classifier(), classifier(layers)
    assert bits(plain) != bits(dropped)
    assert bits(classifier(layers)) == bits(dropped)
    assert bits(classifier(layers, seed=4)) != bits(dropped)
    np.testing.assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    assert dropped.history_[-1].loss > plain.history_[-1].loss


@pytest.mark.slow
def test_dropout_leaves_no_trace_in_the_parameters() -> None:
    model = classifier(({"kind": "dropout"}, {"kind": "dense", "units": 16}, {"kind": "dropout"}))
    assert [len(layer) for layer in model.parameters_] == [0, 2, 0, 2]
    assert [record.parameters for record in model.layer_records()] == [0, 7 * 16, 0, 17 * 3]
