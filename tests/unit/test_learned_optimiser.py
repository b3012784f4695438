"""The learned optimiser: its weights, and what no training may do to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import InputError
from edgewright.models.architecture import architecture, function
from edgewright.training.backend import jax, jnp
from edgewright.training.contract import Tree
from edgewright.training.loop import Result, Sampled, Settings, train
from edgewright.training.optimisers import learned
from edgewright.training.rows import ArrayRows

Floats = NDArray[np.float32]
RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 5)).astype(np.float32)
Y = (X[:, 0] - X[:, 1] * X[:, 2] > 0).astype(np.float32)
NETWORK = architecture([{"kind": "dense", "units": 8}], (5,), 2)
START = NETWORK.initialise(np.random.default_rng(1))


def trained(x: Floats = X, start: Tree = START, **changes: Tree) -> Result:
    settings = Settings("softmax_cross_entropy", optimiser="learned", batch=20, epochs=4, **changes)
    return train(function(NETWORK), start, Sampled(ArrayRows(x), Y, np.ones(len(Y), np.float32)), settings)


def arrays(result: Result) -> list[Floats]:
    return [layer[name] for layer in result.parameters for name in sorted(layer)]


def test_the_rule_has_the_weights_of_its_file_and_at_most_2000() -> None:
    file = Path(learned.__file__).with_name("learned.npy")
    weights = learned.trained()
    assert weights.dtype == np.float32 and weights.shape == (learned.COUNT,) and learned.COUNT <= 2000
    assert np.isfinite(weights).all()
    assert file.read_bytes().endswith(weights.tobytes()) and file.stat().st_size < 10_000


def stepped(scale: float, steps: int = 12) -> list[Floats]:
    """Return a parameter after some steps down the same bowl, whose loss is multiplied by `scale`."""
    weights = {"weights": jnp.asarray(np.random.default_rng(2).standard_normal((4, 3)), jnp.float32)}
    transformation = learned.rule(learned.trained(), 0.0, float(steps))

    @jax.jit
    def step(parameters: Tree, state: Tree) -> tuple[Tree, Tree]:
        gradients = jax.tree.map(lambda a: a * scale * jnp.arange(1.0, 4.0), parameters)
        updates, state = transformation.update(gradients, state, parameters)
        return jax.tree.map(jnp.add, parameters, updates), state

    state = transformation.init(weights)
    for _ in range(steps):
        weights, state = step(weights, state)
    return [np.asarray(weights["weights"])]


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2.0**60, 2.0**-60])
def test_the_scale_of_the_loss_changes_no_bit(scale: float) -> None:
    assert stepped(scale)[0].tobytes() == stepped(1.0)[0].tobytes()


@pytest.mark.slow
def test_what_has_no_gradient_stays_and_nothing_grows_without_bound() -> None:
    constant = X.copy()
    constant[:, 3] = 0.0
    hostile = constant * np.array([1e-6, 1e6, 1.0, 1.0, 1e3], np.float32)
    for x in (constant, hostile):
        result = trained(x)
        np.testing.assert_array_equal(result.parameters[0]["weights"][3], START[0]["weights"][3])
        assert all(np.isfinite(array).all() and np.abs(array).max() < 50.0 for array in arrays(result))
    still = trained(np.zeros_like(X), weight_decay=0.1)
    np.testing.assert_array_equal(still.parameters[0]["weights"], START[0]["weights"])


@pytest.mark.slow
def test_input_that_is_no_number_is_the_same_error_as_with_adam() -> None:
    broken = X.copy()
    broken[7, 2] = np.nan
    with pytest.raises(InputError, match="finite loss, got nan - at epoch 1"):
        trained(broken)
