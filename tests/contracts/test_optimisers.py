"""Every optimiser and every augmentation, found by listing the folders."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from edgewright.core.catalogue import find, listing
from edgewright.training.contract import Augmentation, Changes, Tree, augmented
from edgewright.training.loop import Result, Sampled, Settings, train
from edgewright.training.rows import ArrayRows

OPTIMISERS = listing("edgewright.training.optimisers", "OPTIMISER")
AUGMENTATIONS = listing("edgewright.training.augmentations", "AUGMENTATION")
COPYING = [
    kind
    for kind in AUGMENTATIONS
    if find("edgewright.training.augmentations", kind, "AUGMENTATION", "augmentation").copies
]
SPECTRA = {"speaker"}
TABLES: dict[str, dict[str, Any]] = {
    "mirror": {"groups": ((0, 1), (2,)), "share": 0.9},
    "remount": {"groups": ((0, 1, 2),)},
    "rotate": {"groups": ((0, 1, 2),), "degrees": 30.0},
}


def linear(parameters: Tree, x: Tree) -> Tree:
    return x @ parameters[0]["weights"] + parameters[0]["bias"]


@cache
def fitted(optimiser: str, learning_rate: float = 0.01, weight_decay: float = 0.0) -> Result:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 6)).astype(np.float32)
    y = np.argmax(x @ rng.standard_normal((6, 3)), axis=1).astype(np.float32)
    start = [{"weights": np.zeros((6, 3), np.float32), "bias": np.zeros(3, np.float32)}]
    samples = Sampled(ArrayRows(x), y, np.ones(400, np.float32))
    settings = Settings(
        loss="softmax_cross_entropy",
        optimiser=optimiser,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        epochs=8,
        batch=16,
    )
    return train(linear, start, samples, settings, validation=samples)


def test_the_folder_has_the_optimisers_of_the_configuration() -> None:
    assert set(OPTIMISERS) >= {"adam", "adamw", "schedule_free_adamw", "prodigy"}


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_an_optimiser_lowers_the_loss(optimiser: str) -> None:
    result = fitted(optimiser)
    first, last = result.history[0], result.history[-1]
    assert last.loss < 0.8 * first.loss
    assert last.validation_loss is not None and last.validation_loss < np.log(3)
    assert last.validation_accuracy is not None and last.validation_accuracy > 0.85
    assert all(np.isfinite(a).all() for layer in result.parameters for a in layer.values())


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_the_same_training_gives_the_same_bits(optimiser: str) -> None:
    one, two = fitted(optimiser).parameters, fitted.__wrapped__(optimiser).parameters
    assert all(one[0][name].tobytes() == two[0][name].tobytes() for name in one[0])


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_the_learning_rate_matters_where_it_is_needed(optimiser: str) -> None:
    needed = find("edgewright.training.optimisers", optimiser, "OPTIMISER", "optimiser").needs_learning_rate
    slow, fast = fitted(optimiser, learning_rate=1e-4), fitted(optimiser)
    same = slow.parameters[0]["weights"].tobytes() == fast.parameters[0]["weights"].tobytes()
    assert same is not needed
    assert (slow.history[0].learning_rate is None) is not needed


@pytest.mark.parametrize("optimiser", [o for o in OPTIMISERS if o != "adam"])
def test_weight_decay_makes_weights_smaller(optimiser: str) -> None:
    free, decayed = fitted(optimiser), fitted(optimiser, weight_decay=0.5)
    assert np.linalg.norm(decayed.parameters[0]["weights"]) < np.linalg.norm(free.parameters[0]["weights"])


def shape(kind: str) -> tuple[int, ...]:
    """Return the shape of a window, of bands by frames, or of a picture: what an augmentation takes."""
    return (3, 32) if kind in COPYING else (8, 9) if kind in SPECTRA else (3, 8, 9)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_an_augmentation_gives_other_windows_of_the_same_shape(kind: str) -> None:
    rng = np.random.default_rng(4)
    augmentation: Augmentation[Any] = find("edgewright.training.augmentations", kind, "AUGMENTATION", "augmentation")
    windows = rng.standard_normal((20, *shape(kind))).astype(np.float32)
    before = windows.copy()
    config = augmentation.config(**TABLES.get(kind, {}))
    copies = augmentation.apply(config, windows, np.random.default_rng(5))
    assert copies.shape == windows.shape and copies.dtype == np.float32 and np.isfinite(copies).all()
    assert not np.array_equal(copies, windows)
    np.testing.assert_array_equal(windows, before)
    again = augmentation.apply(config, windows, np.random.default_rng(5))
    np.testing.assert_array_equal(copies, again)


@pytest.mark.parametrize("kind", COPYING)
def test_copies_know_their_origin(kind: str) -> None:
    windows = np.random.default_rng(4).standard_normal((5, 3, 16)).astype(np.float32)
    table = {"kind": kind, "copies": 2, **TABLES.get(kind, {})}
    copies, origin = augmented((table,), windows, seed=3)
    assert copies.shape == (10, 3, 16)
    np.testing.assert_array_equal(origin, np.tile(np.arange(5), 2))
    assert not np.array_equal(copies[:5], copies[5:])


@pytest.mark.parametrize("kind", sorted(set(AUGMENTATIONS) - set(COPYING)))
def test_changes_are_drawn_anew_and_make_no_copies(kind: str) -> None:
    samples = np.random.default_rng(4).standard_normal((5, *shape(kind))).astype(np.float32)
    rng, tables = np.random.default_rng(5), ({"kind": kind},)
    first, second = (Changes(tables).changed(samples, rng) for _ in range(2))
    assert not np.array_equal(first, second)
    # A picture has no colour beyond those of a camera; bands have no such end.
    assert kind in SPECTRA or (first.min() >= samples.min() and first.max() <= samples.max())
    assert not len(augmented(tables, samples, seed=3)[0])
