"""Objects and odd places in pictures: how a map is read, what it finds, and the records of runs that look for them."""

from __future__ import annotations

import msgspec

from edgewright.schema.trace_flow import Interval, Part


class ObjectMap(msgspec.Struct, frozen=True, kw_only=True):
    """What the map of a detector means.

    Attributes:
        labels: classes of objects; class 0 of the map is the background, which has no label.
        rows, columns: cells of the map.
        height, width: of the picture, in pixels.
        threshold: log-odds of an object against the background from which a cell counts, in 1/16.
        max_objects: objects that a picture can have; the surest ones are kept.
        false_alarms: of a map of odd places, the largest chance that a good picture reaches the threshold; left out for
            objects.
    """

    labels: tuple[str, ...]
    rows: int
    columns: int
    height: int
    width: int
    threshold: int
    max_objects: int = msgspec.field(default=32, name="most")
    false_alarms: float | msgspec.UnsetType = msgspec.UNSET


class FoundObject(msgspec.Struct, frozen=True, kw_only=True):
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


class ObjectClass(Part, frozen=True, kw_only=True):
    """One class of objects: how well its centres are found; `true` are there, `detected` were found, right or wrong."""

    label: str
    precision: float
    recall: float
    f1: Interval
    true: int
    detected: int = msgspec.field(name="found")


class Spot(Part, frozen=True, kw_only=True):
    """The centre of an object in pixels; `chance` of a found one against the background, 1 of a true one."""

    label: str
    x: float
    y: float
    chance: float = 1.0


class Scene(Part, frozen=True, kw_only=True):
    """A test picture with the objects that are there and those that were found.

    Attributes:
        row: number of the sample in the data, from 0.
        name: name of the file.
        picture: PNG of the sample as it reaches the pipeline.
    """

    row: int
    name: str
    picture: bytes
    true: tuple[Spot, ...]
    detected: tuple[Spot, ...] = msgspec.field(name="found")


class ObjectsRecord(Part, frozen=True, kw_only=True):
    """What the test pictures say of objects.

    Attributes:
        spec: how the map is read.
        classes: in the order of the labels.
        crowded: true objects that share a cell of the map with one of their label: the map has one place for them.
        scenes: some of the pictures, the first ones.
    """

    spec: ObjectMap
    classes: tuple[ObjectClass, ...]
    crowded: int
    scenes: tuple[Scene, ...]


class OddScene(Part, frozen=True, kw_only=True):
    """A test picture with its map.

    Attributes:
        row: number of the sample in the data, from 0.
        name: name of the file.
        label: of the picture.
        picture: PNG of the sample as it reaches the pipeline.
        odds: log-odds of each cell in 1/16, row by row.
    """

    row: int
    name: str
    label: str
    picture: bytes
    odds: tuple[int, ...]


class AnomaliesRecord(Part, frozen=True, kw_only=True):
    """What the test pictures say of a model that finds odd ones.

    Attributes:
        spec: how the map is read.
        good: test pictures that are good; `odd` that are not.
        false_alarms: share of the good ones that raise an alarm.
        recall: share of the odd ones that do; None where there is none.
        auroc: chance that an odd picture scores above a good one, half of it where they are equal; None without odd
            ones.
        scenes: some of the pictures.
    """

    spec: ObjectMap
    good: int
    odd: int
    false_alarms: Interval
    recall: Interval | None = msgspec.field(name="found")
    auroc: Interval | None
    scenes: tuple[OddScene, ...] = ()
