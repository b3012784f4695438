"""What every file of `language/synthesis/methods` offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import numpy as np

from edgewright.schema.data import Floats, Labels
from edgewright.schema.errors import InputError

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0, le=1e6)]


class MethodConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a method's options."""


class Windows(msgspec.Struct, frozen=True, kw_only=True):
    """Signals to make others of.

    Attributes:
        x: shape (n, channels, samples), float32.
        y: labels, shape (n,).
        rate: samples a second.
        columns: names of the channels.
    """

    x: Floats
    y: Labels
    rate: float
    columns: tuple[str, ...]


M = TypeVar("M", bound=MethodConfig)


@dataclass(frozen=True)
class Method(Generic[M]):
    """The one object `METHOD` of a method's file; the file name is its name.

    Attributes:
        config: its options.
        apply: (config, windows, generator) -> as many windows with the same labels, shape (n, channels, samples).
        fitted: it learns from all windows of a class and draws new ones, which are copies of none.
    """

    config: type[M]
    apply: Callable[[M, Windows, np.random.Generator], Floats]
    fitted: bool = False


def triples(columns: tuple[str, ...], method: str) -> tuple[tuple[int, ...], ...]:
    """Return places of the axes x, y, z of each sensor, judged by names that end so.

    Raises:
        InputError: where there are none.
    """
    places = {name.lower(): number for number, name in enumerate(columns)}
    found = []
    for name, first in places.items():
        others = [places.get(name[:-1] + axis) for axis in "yz"] if name.endswith("x") else [None]
        if None not in others:
            found.append((first, *(place for place in others if place is not None)))
    if not found:
        raise InputError("columns whose names end in x, y and z", ", ".join(columns), f"synth {method}")
    return tuple(found)


def spread(x: Floats) -> Any:  # noqa: ANN401 - an array that broadcasts
    """Root mean square about its mean of each channel and window, shape (n, channels, 1); NaN counts for nothing."""
    return np.sqrt(np.nanmean((x - np.nanmean(x, axis=2, keepdims=True)) ** 2, axis=2, keepdims=True))
