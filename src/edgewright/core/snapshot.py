"""What something at work remembers, as arrays and JSON, and going on from it: each class names its attributes."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol, TypeGuard

import numpy as np

Part = tuple[Any, str, Any]
"""An attribute of something that is to be set."""


class Resumable(Protocol):
    """Something whose attributes `KEPT` are all that it remembers; parts that are resumable themselves included.

    `ADDED`, where it has them, are those that states of older versions lack.
    """

    @property
    def KEPT(self) -> tuple[str, ...]:  # noqa: N802 - a constant of each class
        """Names of attributes."""
        raise NotImplementedError


def state_of(thing: Resumable) -> dict[str, Any]:
    """Return what it remembers now; arrays are not copied."""
    return {name: _plain(getattr(thing, name)) for name in thing.KEPT}


def prepared(thing: Resumable, state: dict[str, Any]) -> list[Part]:
    """Return what `go_on` has to set for a new thing to go on from a state; nothing is changed yet.

    Raises:
        KeyError, TypeError, ValueError: the state of something else.
    """
    parts: list[Part] = []
    for name in thing.KEPT:
        if name not in state and name in getattr(thing, "ADDED", ()):
            continue
        fresh, value = getattr(thing, name), state[name]
        if _resumable(fresh):
            parts += prepared(fresh, value)
        elif isinstance(fresh, dict) and fresh and all(_resumable(part) for part in fresh.values()):
            for part, inner in zip(fresh.values(), value, strict=True):
                parts += prepared(part, inner)
        else:
            parts.append((thing, name, _fitting(fresh, value, name)))
    return parts


def go_on(parts: list[Part]) -> None:
    """Set what was prepared: of several things, all or nothing."""
    for thing, name, value in parts:
        setattr(thing, name, value)


def _resumable(value: Any) -> TypeGuard[Resumable]:  # noqa: ANN401 - an attribute of any type
    return hasattr(value, "KEPT")


def _plain(value: Any) -> Any:  # noqa: ANN401 - an attribute of any type
    if _resumable(value):
        return state_of(value)
    if isinstance(value, dict) and value and all(_resumable(part) for part in value.values()):
        return [state_of(part) for part in value.values()]
    return list(value) if isinstance(value, deque) else value


def _fitting(fresh: Any, value: Any, name: str) -> Any:  # noqa: ANN401 - an attribute of any type
    """Return the value as the attribute takes it."""
    if fresh is None:
        return value
    if isinstance(fresh, deque | list) and isinstance(value, list):
        entries = [tuple(entry) if isinstance(entry, list) else entry for entry in value]
        return deque(entries, fresh.maxlen) if isinstance(fresh, deque) else entries
    if isinstance(fresh, np.ndarray):
        if not isinstance(value, np.ndarray) or (value.dtype, value.shape[1:]) != (fresh.dtype, fresh.shape[1:]):
            raise TypeError(name)
        return value
    if isinstance(fresh, float) and isinstance(value, float | int):
        return float(value)
    if not isinstance(value, type(fresh)):
        raise TypeError(name)
    return value
