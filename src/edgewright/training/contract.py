"""What every file of `optimisers` and of `augmentations` offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

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
