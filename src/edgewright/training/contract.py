"""What every file of `optimisers` and of `augmentations` offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import find
from edgewright.core.errors import ConfigKeyMissingError, LayerSettingsError
from edgewright.core.toml_tables import convert_table
from edgewright.training.backend import optax

Floats = NDArray[np.float32]
Tree = Any
# (learning rate, steps of the training, share that warms up, `numpy` or `jax.numpy`) -> learning rate of a step.
Schedule = Callable[[Any, Any, Any, ModuleType], Callable[[Any], Any]]


def same_parameters(state: Tree, parameters: Tree) -> Tree:
    """Return the parameters that are trained are those that answer: true of all optimisers but the schedule-free."""
    del state
    return parameters


@dataclass(frozen=True)
class Optimiser:
    """The one object `OPTIMISER` of an optimiser's file; the file name is its name.

    Attributes:
        make: (learning rate, weight decay, steps in the whole training) -> optax transformation. All three may be
            traced values: one compiled program serves every learning rate. With `takes_schedule` the learning rate
            is a function of the step where there is a schedule.
        evaluation_params: (state, parameters) -> the parameters that answer.
        needs_learning_rate: whether `learning_rate` has a meaning.
        takes_schedule: whether `make` takes a schedule of `schedules` in place of the learning rate.
        schedule: of `training.schedule = 'auto'`; None for a constant learning rate, or one that `make` changes.
        step: (parameters, gradients, two moments, steps so far, learning rate, weight decay): the step in NumPy, in
            place, of flat float32 arrays; the moments begin as zeros. None where only JAX has it.
    """

    make: Callable[[Any, Any, Any], optax.GradientTransformation]
    evaluation_params: Callable[[Tree, Tree], Tree] = same_parameters
    needs_learning_rate: bool = True
    takes_schedule: bool = True
    schedule: Schedule | None = None
    step: Callable[[Floats, Floats, Floats, int, float, float], None] | None = None


class ChangeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of an augmentation's configuration: the table under `training.augment` without its `kind`."""


class AugmentationConfig(ChangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the configuration of an augmentation that makes copies, before the stages.

    Attributes:
        copies: changed copies made of each training window.
    """

    copies: int = 1


A = TypeVar("A", bound=ChangeConfig)


@dataclass(frozen=True)
class Augmentation(Generic[A]):
    """The one object `AUGMENTATION` of an augmentation's file; the file name is its `kind`.

    Attributes:
        config: the configuration's struct; of `AugmentationConfig`, copies are made once, of training windows before
            the stages; otherwise samples are changed anew in every epoch, as they reach the network.
        apply: (config, samples of shape (n, channels, ...), generator) -> one changed copy of each, same shape.
        moves: whether what a picture shows lies elsewhere afterwards.
        unlike: kinds of stages whose values are not what it changes, though they have the same shape.
    """

    config: type[A]
    apply: Callable[[A, Floats, np.random.Generator], Floats]
    moves: bool = False
    unlike: tuple[str, ...] = ()

    @property
    def copies(self) -> bool:
        """Whether copies are made, instead of another change in every epoch."""
        return issubclass(self.config, AugmentationConfig)


Prepared = tuple[Augmentation[Any], ChangeConfig]


def prepare(tables: tuple[dict[str, Any], ...]) -> tuple[Prepared, ...]:
    """Find and check the augmentations.

    Raises:
        InputError: for a table without a kind, an unknown kind or an unknown key.
    """
    prepared: list[Prepared] = []
    for number, table in enumerate(tables):
        where = f"training.augment[{number}]"
        rest = dict(table)
        if "kind" not in rest:
            raise ConfigKeyMissingError("a key 'kind'", ", ".join(rest) or "an empty table", where)
        augmentation = find(
            "edgewright.training.augmentations", str(rest.pop("kind")), "AUGMENTATION", "augmentation", where
        )
        prepared.append((augmentation, convert_table(rest, augmentation.config, where)))
    return tuple(prepared)


def copying(tables: tuple[dict[str, Any], ...]) -> list[tuple[Augmentation[Any], AugmentationConfig]]:
    """Return the augmentations that make copies, with their configurations."""
    return [(kind, config) for kind, config in prepare(tables) if isinstance(config, AugmentationConfig)]


def augmented(tables: tuple[dict[str, Any], ...], windows: Floats, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return changed copies of windows, those of each table in order.

    Args:
        tables: each with its `kind`, a file of `augmentations`; those that change samples in every epoch make none.
        windows: shape (n, channels, samples).
        seed: seed of the random number generators.

    Returns:
        Copies of shape (n, channels, samples), and of each the number of the window it was made from.

    Raises:
        InputError: for rows that are not windows.
    """
    kinds = [(kind, config) for kind, config in copying(tables) for _ in range(config.copies)]
    if kinds and windows.ndim != 3:
        raise LayerSettingsError(
            "windows of shape (channels, samples)", f"shape {windows.shape[1:]}", "training.augment"
        )
    rng = np.random.default_rng([seed, 0xA6])
    copies = np.empty((len(kinds), *windows.shape), np.float32)
    for number, (kind, config) in enumerate(kinds):
        copies[number] = kind.apply(config, windows, rng)
    origin = np.tile(np.arange(len(windows), dtype=np.int64), len(kinds))
    return copies.reshape(len(origin), *windows.shape[1:]), origin


def changing(tables: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Return the tables of those that change samples in every epoch."""
    return tuple(table for table, (kind, _) in zip(tables, prepare(tables), strict=True) if not kind.copies)


class Changes:
    """Augmentations that change samples anew in every epoch.

    Args:
        tables: each with its `kind`.
    """

    def __init__(self, tables: tuple[dict[str, Any], ...]) -> None:
        self._prepared = [(kind, config) for kind, config in prepare(tables) if not kind.copies]

    def changed(self, samples: Floats, rng: np.random.Generator) -> Floats:
        """Return samples of shape (n, channels, ...), each changed by what is drawn."""
        for augmentation, config in self._prepared:
            samples = np.asarray(augmentation.apply(config, samples, rng), np.float32)
        return samples
