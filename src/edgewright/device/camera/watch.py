"""From pictures to alarms and counts: people among what moves, in zones at their hours, and across lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import CameraError, UnknownNameError
from edgewright.core.input.pictures import resized, takes_pictures
from edgewright.core.predictor import Predictor
from edgewright.device.camera.motion import Bytes, Motion, Region

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Point = tuple[Share, Share]
"""Shares of the picture's width from the left and of its height from the top."""
Spot = tuple[int, int]
_DAY = 24 * 60
# Motion looks at every second pixel of every second row.
PIXEL_STEP = 2
# Of a track: answers that count, those that it needs, pictures without it until it is over, and the lengths that
# somebody has to go before he is no flicker.
_ANSWERS, _NEEDED, _PATIENCE, _WAY = 4, 2, 3, 0.3
# Regions of a picture that the network sees, the largest first, and how much around each.
_REGIONS, _AROUND = 4, 1.25


class Zone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and when a person is an alarm.

    Attributes:
        name: in events.
        points: corners of a polygon; who has his feet inside is in the zone.
        hours: hours of alarms as '22:00-06:00'; over midnight where the end is the earlier one.
    """

    name: str
    points: Annotated[tuple[Point, ...], msgspec.Meta(min_length=3)]
    hours: str = "00:00-24:00"


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line across which people are counted: `forth` from its left to its right, as seen from start to end."""

    name: str
    start: Point
    end: Point


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table of a watching camera, `camera.toml`.

    Attributes:
        zones, lines: of the picture.
        label: class of the package that is looked for.
        threshold: mean probability of it over the last answers about somebody, from which he counts.
        keep_hours: how long a picture of an event stays; then it is deleted.
        keep_mb: megabytes of pictures; of more, the oldest are deleted earlier.
        coarse: pixels of a side of the squares that are left of what lies outside of the zone.
    """

    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    label: str = "person"
    threshold: Share = 0.5
    keep_hours: Annotated[float, msgspec.Meta(gt=0.0, le=8760.0)] = 72.0
    keep_mb: Annotated[float, msgspec.Meta(gt=0.0)] = 500.0
    coarse: Annotated[int, msgspec.Meta(ge=4, le=256)] = 16


def minutes_of(zone: Zone) -> tuple[int, int]:
    """Return the first minute of a zone's hours and the one behind their last.

    Raises:
        InputError: no hours, or an empty span.
    """
    try:
        ends = [tuple(map(int, end.split(":"))) for end in zone.hours.split("-")]
        (hour, minute), (to_hour, to_minute) = ends
        start, end = 60 * hour + minute, 60 * to_hour + to_minute
        valid = 0 <= start < _DAY and 0 < end <= _DAY and start != end and max(minute, to_minute) < 60
        if min(hour, minute, to_hour, to_minute) < 0 or not valid:
            raise ValueError
    except ValueError:
        do = "Write 22:00-06:00; midnight is 00:00 at the beginning and 24:00 at the end"
        raise CameraError("hours such as 22:00-06:00", repr(zone.hours), f"zone {zone.name}", do) from None
    return start, end


def watches(zone: Zone, second: float) -> bool:
    """Return whether a zone alarms at so many seconds after midnight."""
    start, end = minutes_of(zone)
    minute = second / 60 % _DAY
    return start <= minute < end if start < end else minute >= start or minute < end


class Picture(Protocol):
    """A picture that a camera gives."""

    def small(self) -> Bytes:
        """Return every `PIXEL_STEP`-th pixel's green, which carries most of the brightness, shape (height, width)."""

    def whole(self) -> Bytes:
        """Return red, green and blue, shape (3, height, width)."""


class Planes(NamedTuple):
    """A picture that lies in memory, shape (3, height, width)."""

    planes: Bytes

    def small(self) -> Bytes:
        """Return every `PIXEL_STEP`-th pixel's green."""
        return self.planes[1, ::PIXEL_STEP, ::PIXEL_STEP]

    def whole(self) -> Bytes:
        """Return all of it."""
        return self.planes


class Observed(NamedTuple):
    """Of a picture its size, and what moves with the probability of the label; the size is 0 where nothing does."""

    height: int
    width: int
    regions: list[tuple[Region, float]]


class WatchEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm of a zone, or somebody who crossed a line.

    Attributes:
        kind: 'alarm', 'forth' or 'back'.
        name: of the zone or line.
        person: number of the track.
        box: around it in pixels: left, top, right, bottom.
        score: mean probability of a person.
    """

    kind: str
    name: str
    person: int
    box: Region
    score: float


@dataclass
class Track:
    """Something that moves, over pictures.

    Attributes:
        number: of the track, from 1.
        box: last one, in pixels of the whole picture.
        first: where its feet were first.
        seen: number of the last picture with it.
        answers: last probabilities of a person.
        crossed: lines and directions that are reported once it counts.
        reported: zones that it alarmed.
    """

    number: int
    box: Region
    first: Spot
    seen: int
    answers: list[float] = field(default_factory=list)
    crossed: list[tuple[str, str]] = field(default_factory=list)
    reported: set[str] = field(default_factory=set)

    @property
    def score(self) -> float:
        """Mean of the last answers; 0 before there are enough."""
        last = self.answers[-_ANSWERS:]
        return sum(last) / len(last) if len(last) >= _NEEDED else 0.0

    @property
    def moved(self) -> bool:
        """Whether it went further than something that flickers."""
        (x, y), (first_x, first_y) = feet(self.box), self.first
        return abs(x - first_x) + abs(y - first_y) >= _WAY * (self.box.bottom - self.box.top)


class Watch:
    """Watches one camera.

    Args:
        settings: zones and lines.
        classify: from pictures, shape (n, 3, *size), to probabilities of the label.
        size: height and width of what the network takes.

    Raises:
        InputError: hours that are none, or several zones or lines of a name.
    """

    def __init__(
        self, settings: WatchSettings, classify: Callable[[Bytes], NDArray[np.float32]], size: tuple[int, ...]
    ) -> None:
        for zone in settings.zones:
            minutes_of(zone)
        for kind, named in (("zone", settings.zones), ("line", settings.lines)):
            names = [each.name for each in named]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                do = f"Events say the name of their {kind}: give each its own"
                raise CameraError(f"a {kind} of each name", f"several {', '.join(map(repr, twice))}", f"{kind}s", do)
        self.settings, self._classify = settings, classify
        self._size = size[0], size[1]
        self._motion: Motion | None = None
        self._number = self._count = 0
        self.tracks: list[Track] = []

    def look(self, picture: Picture, second: float) -> list[WatchEvent]:
        """Return what happened in a picture, taken at so many seconds of the day."""
        return self.decide(self.observe(picture), second)

    def observe(self, picture: Picture) -> Observed:
        """Return what moves in a picture, and how probably it is the label.

        Args:
            picture: one of another size than before begins to learn the background anew.
        """
        small = picture.small()
        if self._motion is None or self._motion.shape != small.shape:
            self._motion = Motion(*small.shape)
        regions = [Region(*(PIXEL_STEP * edge for edge in region)) for region in self._motion.regions(small)[:_REGIONS]]
        if not regions:
            return Observed(0, 0, [])
        whole = picture.whole()
        answers = self._classify(np.stack([piece(whole, region, self._size) for region in regions])).tolist()
        height, width = whole.shape[1:]
        return Observed(height, width, list(zip(regions, answers, strict=True)))

    def decide(self, observed: Observed, second: float) -> list[WatchEvent]:
        """Return what happened, of the next picture's observation at so many seconds of the day."""
        self._number += 1
        self.tracks = [track for track in self.tracks if self._number - track.seen <= _PATIENCE]
        height, width = observed.height, observed.width
        events: list[WatchEvent] = []
        for region, answer in observed.regions:
            track, before = self._track(region)
            track.answers.append(answer)
            for line in self.settings.lines:
                way = crossing(scaled(line.start, height, width), scaled(line.end, height, width), before, feet(region))
                track.crossed += [(way, line.name)] if way else []
            events += self._events(track, second, height, width)
        return events

    def _track(self, region: Region) -> tuple[Track, Spot]:
        """Return the track that goes on with a region, or a new one, and where its feet were before."""
        x, y = feet(region)
        near = []
        for track in self.tracks:
            if track.seen < self._number:
                (old_x, old_y), length = (
                    feet(track.box),
                    max(track.box.bottom - track.box.top, region.bottom - region.top),
                )
                distance = abs(x - old_x) + abs(y - old_y)
                if distance <= 1.3 * length * (self._number - track.seen):
                    near.append((distance, track.number, track))
        if not near:
            self._count += 1
            self.tracks.append(Track(self._count, region, (x, y), self._number))
            return self.tracks[-1], (x, y)
        track = min(near)[2]
        before = feet(track.box)
        track.box, track.seen = region, self._number
        return track, before

    def _events(self, track: Track, second: float, height: int, width: int) -> list[WatchEvent]:
        if not track.moved or track.score < self.settings.threshold:
            return []
        x, y = feet(track.box)
        spot = x, min(y, height - 1)  # who is cut off by the lower edge stands in a zone that reaches it
        happened, track.crossed = track.crossed, []
        for zone in self.settings.zones:
            corners = [scaled(point, height, width) for point in zone.points]
            if zone.name not in track.reported and watches(zone, second) and inside(corners, spot):
                track.reported.add(zone.name)
                happened.append(("alarm", zone.name))
        score = round(track.score, 3)
        return [WatchEvent(kind=kind, name=name, person=track.number, box=track.box, score=score)
                for kind, name in happened]  # fmt: skip


def classifier(predictor: Predictor, label: str) -> Callable[[Bytes], NDArray[np.float32]]:
    """Return what asks a package for the probability of a label.

    Args:
        predictor: of a package for pictures in colour.
        label: one of its classes.

    Raises:
        InputError: a package for other samples.
        UnknownNameError: no such class.
    """
    manifest = predictor.manifest
    if not takes_pictures(manifest) or len(manifest.columns) != 3:
        raise CameraError("a package for pictures in colour", f"samples of shape {manifest.shape}", manifest.name)
    if label not in predictor.labels:
        raise UnknownNameError("class", label, predictor.labels, manifest.name)
    column = predictor.labels.index(label)
    return lambda pieces: predictor.predict(pieces.astype(np.float32)).probabilities[:, column]


def feet(box: Region) -> Spot:
    """Return where something stands: the middle of the lower edge."""
    return (box.left + box.right) // 2, box.bottom


def scaled(point: Point, height: int, width: int) -> Spot:
    """Return a point in pixels."""
    return round(point[0] * width), round(point[1] * height)


def inside(corners: Sequence[Spot], spot: Spot) -> bool:
    """Return whether a polygon holds a spot: a ray from it crosses an odd number of edges; in integers."""
    x, y = spot
    odd = False
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y1 > y) != (y2 > y):
            # Left of the edge: x < x1 + (y - y1) (x2 - x1) / (y2 - y1), without the division.
            side = (x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)
            odd ^= (side < 0) == (y2 > y1)
    return odd


def crossing(start: Spot, end: Spot, before: Spot, now: Spot) -> str:
    """Return 'forth' or 'back' where a step crosses a line between two spots, and nothing where it does not."""

    def side(a: Spot, b: Spot, point: Spot) -> bool:
        return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]) > 0

    if side(start, end, before) == side(start, end, now) or side(before, now, start) == side(before, now, end):
        return ""
    return "forth" if side(start, end, now) else "back"


def piece(whole: Bytes, region: Region, size: tuple[int, int]) -> Bytes:
    """Return a square around a region in the size of the network, shape (3, *size)."""
    height, width = whole.shape[1:]
    side = min(height, width, int(_AROUND * max(region.bottom - region.top, region.right - region.left)))
    top = min(max(0, (region.top + region.bottom - side) // 2), height - side)
    left = min(max(0, (region.left + region.right - side) // 2), width - side)
    return resized(whole[:, top : top + side, left : left + side], size, "stretch")
