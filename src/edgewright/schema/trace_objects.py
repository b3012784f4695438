"""Parts of the record of a run that finds objects in pictures."""

from __future__ import annotations

from edgewright.schema.objects import ObjectMap
from edgewright.schema.trace_flow import Interval, Part


class ObjectClass(Part, frozen=True, kw_only=True):
    """One class of objects: how well its centres are found; `true` are there, `found` were found, right or wrong."""

    label: str
    precision: float
    recall: float
    f1: Interval
    true: int
    found: int


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
        name: of the file.
        picture: PNG of the sample as it reaches the pipeline.
    """

    row: int
    name: str
    picture: bytes
    true: tuple[Spot, ...]
    found: tuple[Spot, ...]


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
