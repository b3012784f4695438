"""Ways to make synthetic signals out of measured ones, a family a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import numpy as np

from edgewright.core.catalogue import Registry
from edgewright.core.toml_tables import convert_table
from edgewright.schema.data import Floats, Labels
from edgewright.schema.errors import UnknownNameError

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
    """A way to make signals.

    Attributes:
        config: its options.
        apply: (config, windows, generator) -> as many windows with the same labels, shape (n, channels, samples).
        fitted: it learns from all windows of a class and draws new ones, which are copies of none.
    """

    config: type[M]
    apply: Callable[[M, Windows, np.random.Generator], Floats]
    fitted: bool = False


method: Registry[Method[Any]] = Registry(__name__)
"""Registers a method under its name."""


def method_of(name: str, options: Mapping[str, object]) -> tuple[Method[Any], MethodConfig]:
    """Return a method by its name, with its options.

    Raises:
        UnknownNameError: for a method or an option that is none.
        InputError: for a value of an option out of its range.
    """
    if name not in method.known:
        raise UnknownNameError("method", name, method.known, "synth")
    return method.known[name], convert_table(options, method.known[name].config, f"synth {name}")
