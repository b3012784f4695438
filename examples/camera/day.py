"""Hours before the camera: what it observes, and how its alarms and counts compare with the people in the scene."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

import edgewright as ew
from edgewright.device.camera.motion import Bytes
from edgewright.device.camera.watch import (
    PIXEL_STEP,
    Observed,
    Watch,
    WatchEvent,
    WatchSettings,
    classifier,
    crossing,
    inside,
    scaled,
    watches,
)
from yard import HEIGHT, WIDTH, Mover, Objects, Scene

PERSON, GREEN, HOUR_S = "person", slice(1, 2), 3600.0
# Pictures a second.
RATE = 2.0
# Seconds after the zone in which an alarm is in time, and pixels around an alarm's box in which its person stands.
GRACE_S, NEAR = 10.0, 24


class Hour(NamedTuple):
    """An hour before a camera."""

    package: Path
    settings: WatchSettings
    seed: int
    camera: int
    objects: Objects
    hour: int
    busy: float

    def scene(self) -> Scene:
        """Return the simulated hour."""
        return Scene(
            self.seed, self.camera, self.objects, hour=self.hour, seconds=HOUR_S, rate=RATE, busy=self.busy
        )  # fmt: skip


class Picture:
    """A picture of a scene, composed when it is read."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self.number = scene, 0

    def small(self) -> Bytes:
        """Return every second pixel of the green channel."""
        return self._scene.picture(self.number, PIXEL_STEP, GREEN)[0]

    def whole(self) -> Bytes:
        """Return all pixels and channels."""
        return self._scene.picture(self.number)


def observe(hour: Hour) -> dict[int, Observed]:
    """Watch an hour; return the pictures in which something moved."""
    scene, predictor = hour.scene(), ew.load(hour.package)
    watch = Watch(hour.settings, classifier(predictor, hour.settings.label), predictor.manifest.shape[1:])
    picture, observed = Picture(scene), dict[int, Observed]()
    for picture.number in range(len(scene)):
        seen = watch.observe(picture)
        if seen.regions:
            observed[picture.number] = seen
    return observed


class Entry(NamedTuple):
    """A person in a zone at its hours, with the seconds of entering it and of being there last."""

    person: Mover
    zone: str
    start: float
    end: float


class Outcome(NamedTuple):
    """An hour compared with its truth: a delay for each entry, None if missed; alarms; counts and true counts."""

    delays: list[float | None]
    alarms: list[tuple[float, WatchEvent, bool]]
    counted: Counter[tuple[str, str]]
    crossed: Counter[tuple[str, str]]


def compare(hour: Hour, observed: dict[int, Observed], settings: WatchSettings) -> Outcome:
    """Decide an hour's observations, and compare alarms and counts with the people in the scene."""
    scene, watch = hour.scene(), Watch(settings, lambda _: np.empty(0, np.float32), (1, 1))
    entries, crossed = truth_of(scene, settings)
    outcome = Outcome([None] * len(entries), [], Counter(), crossed)
    for number in range(len(scene)):
        moment = number / scene.rate
        for event in watch.decide(observed.get(number, Observed(0, 0, [])), hour.hour * HOUR_S + moment):
            if event.kind != "alarm":
                outcome.counted[event.name, event.kind] += 1
                continue
            matches = [index for index, entry in enumerate(entries) if is_alarm_of(event, entry, moment)]
            for index in matches:
                if outcome.delays[index] is None:
                    outcome.delays[index] = max(0.0, moment - entries[index].start)
            outcome.alarms.append((moment, event, bool(matches)))
    return outcome


def is_alarm_of(event: WatchEvent, entry: Entry, moment: float) -> bool:
    """Return whether an alarm is of the zone, time and place of an entry."""
    if entry.zone != event.name or not entry.start - GRACE_S <= moment <= entry.end + GRACE_S:
        return False
    x, y = entry.person.spot(min(max(moment, entry.person.start), entry.person.end))
    left, top, right, bottom = event.box
    return left - NEAR <= x <= right + NEAR and top - NEAR <= y <= bottom + NEAR


def truth_of(scene: Scene, settings: WatchSettings) -> tuple[list[Entry], Counter[tuple[str, str]]]:
    """Return who was in a zone for two pictures or more at its hours, and how often each line was crossed."""
    entries, crossed = list[Entry](), Counter[tuple[str, str]]()
    for person in (mover for mover in scene.movers if mover.kind == PERSON):
        times = [
            n / scene.rate for n in range(int(np.ceil(person.start * scene.rate)), int(person.end * scene.rate) + 1)
        ]
        spots = [tuple(map(round, person.spot(time))) for time in times]
        for zone in settings.zones:
            corners = [scaled(point, HEIGHT, WIDTH) for point in zone.points]
            inner = [time for time, spot in zip(times, spots, strict=True) if 0 <= spot[0] < WIDTH
                     and inside(corners, spot) and watches(zone, scene.hour * HOUR_S + time)]  # fmt: skip
            if len(inner) > 1:
                entries.append(Entry(person, zone.name, inner[0], inner[-1]))
        for line in settings.lines:
            ends = scaled(line.start, HEIGHT, WIDTH), scaled(line.end, HEIGHT, WIDTH)
            crossed.update((line.name, way) for a, b in pairwise(spots) if (way := crossing(*ends, a, b)))
    return entries, crossed
