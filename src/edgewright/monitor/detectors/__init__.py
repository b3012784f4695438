"""Anomaly detectors that run on a device: every file offers `DETECTOR`. What was fitted is plain numbers and arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.core.records.data import Floats


class Running(Protocol):
    """A detector at work on one stream; its memory does not grow."""

    def update(self, values: Floats, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores of rows in order: the higher, the odder; NaN while it is still learning.

        Args:
            values: shape (rows, channels); NaN where missing, which is never odd by itself.
            time: shape (rows,), seconds since 1970 where known, else of the stream's clock.

        Returns:
            Shape (rows,); the same for rows one by one as for all at once.
        """

    def blame(self) -> NDArray[np.float64]:
        """Each channel's share of the last score, shape (channels,), not negative."""

    def state(self) -> dict[str, Any]:
        """All it remembers, as arrays and JSON; `resume` takes it."""

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a `state()` as if it had never stopped."""


class DetectorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a detector's settings."""


C = TypeVar("C", bound=DetectorConfig)


@dataclass(frozen=True)
class DetectorKind(Generic[C]):
    """The one object `DETECTOR` of a detector's file.

    Attributes:
        config: its settings.
        fit: (settings, rows that are mostly normal (n, channels), their time (n,)) -> what was learnt, as arrays and
            JSON; a detector that learns only as it goes gives little.
        start: what was learnt -> at work.
        windows: whether a row may also be a window's features: the order of rows plays no part in what it learns.
        remember: (what was learnt, rows, their time) -> the same with these rows as its past, from which it goes on;
            None for a detector that learns beforehand.
    """

    config: type[C]
    fit: Callable[[C, Floats, NDArray[np.float64]], dict[str, Any]]
    start: Callable[[dict[str, Any]], Running]
    windows: bool = False
    remember: Callable[[dict[str, Any], Floats, NDArray[np.float64]], dict[str, Any]] | None = None


def kind(name: str) -> DetectorKind[DetectorConfig]:
    """Return the detector of this name.

    Raises:
        UnknownNameError: listing the known detectors.
    """
    detector: DetectorKind[DetectorConfig] = catalogue.find(__name__, name, "DETECTOR", "detector")
    return detector
