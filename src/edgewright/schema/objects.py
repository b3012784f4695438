"""Objects in a picture: how a map of classes is read, and what is found in it."""

from __future__ import annotations

import msgspec


class ObjectMap(msgspec.Struct, frozen=True, kw_only=True):
    """What the map of a detector means.

    Attributes:
        labels: classes of objects; class 0 of the map is the background, which has no label.
        rows, columns: cells of the map.
        height, width: of the picture, in pixels.
        threshold: log-odds of an object against the background from which a cell counts, in 1/16.
        most: objects that a picture can have; the surest ones are kept.
        false_alarms: of a map of odd places, the largest chance that a good picture reaches the threshold; left out for
            objects.
    """

    labels: tuple[str, ...]
    rows: int
    columns: int
    height: int
    width: int
    threshold: int
    most: int = 32
    false_alarms: float | msgspec.UnsetType = msgspec.UNSET


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An object that was found.

    Attributes:
        label: number of its class among the labels.
        x, y: its centre in pixels.
        score: largest log-odds of its cells against the background, in 1/16.
    """

    label: int
    x: int
    y: int
    score: int


class Centre(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """An object that is there: its label, and its centre as shares of the picture's width and height."""

    label: str
    x: float
    y: float
