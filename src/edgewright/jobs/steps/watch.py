"""`watch`: simulated hours before a watching camera; alarms and counts against the truth, and the cost on a device."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.core.predictor import package_path
from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.device.camera.events import Clocks, EventFolder, hidden
from edgewright.device.camera.motion import Bytes
from edgewright.device.camera.watch import (
    PIXEL_STEP,
    Line,
    Observed,
    Spot,
    Watch,
    WatchEvent,
    WatchSettings,
    Zone,
    classifier,
    crossing,
    inside,
    scaled,
    watches,
)  # fmt: skip
from edgewright.device.sources.camera import COLOURS, decoded
from edgewright.export.answering import load
from edgewright.jobs.group_figures import share_of
from edgewright.jobs.simulation.street import HEIGHT, WIDTH, Mover, Objects, Scene
from edgewright.jobs.steps import Ran, Step, StepConfig, Work, in_processes
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.profiles.catalogue import load_profile
from edgewright.schema.job import Choice, JobFigure, Mark, StepRecord, Stretch, Timeline
from edgewright.workflows.estimation.workflow import estimate_place

_HOUR_S, _GREEN = 3600.0, slice(1, 2)
# Seconds behind the zone in which an alarm is still in time (i-LIDS, sterile zone), and pixels around the box of an
# alarm in which its person stands.
_GRACE_S, _NEAR = 10.0, 24
_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours before a camera.

    Attributes:
        run: step whose package answers; the newest when empty.
        settings: table of the watching camera.
        hours: that judge, one after the other from midnight, with clothes and movers that training never saw.
        tuned: hours that choose the threshold, with those of training.
        busy: how many times as many movers the latter have as the others.
        rate: pictures a second.
        device: profile whose pictures a second and energy are estimated.
        seed: of the first hour.
    """

    run: str = ""
    settings: str = "camera.toml"
    hours: Annotated[int, msgspec.Meta(ge=1, le=24)] = 24
    tuned: Annotated[int, msgspec.Meta(ge=1)] = 3
    busy: Annotated[float, msgspec.Meta(gt=0)] = 8.0
    rate: Annotated[float, msgspec.Meta(gt=0, le=30)] = 2.0
    device: str = "raspberry-pi-5"
    seed: Annotated[int, msgspec.Meta(ge=0)] = 100_000


class Hour(NamedTuple):
    """An hour to watch."""

    package: Path
    settings: WatchSettings
    seed: int
    camera: int
    objects: Objects
    hour: int
    busy: float
    rate: float

    def scene(self) -> Scene:
        """Return what happens in it."""
        return Scene(self.seed, self.camera, self.objects, hour=self.hour, seconds=_HOUR_S, rate=self.rate,
                     busy=self.busy)  # fmt: skip


class Watched(NamedTuple):
    """What a camera saw in an hour: by number of the picture, and processor seconds without those of the network."""

    observed: dict[int, Observed]
    motion_s: float


class _Composed:
    """A picture of a scene; `seconds` counts what composing it took."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self.number, self.seconds = scene, 0, 0.0

    def small(self) -> Bytes:
        small: Bytes = self._picture(PIXEL_STEP, _GREEN)[0]
        return small

    def whole(self) -> Bytes:
        return self._picture(1, slice(None))

    def _picture(self, step: int, channels: slice) -> Bytes:
        begun = time.process_time()
        picture = self._scene.picture(self.number, step, channels)
        self.seconds += time.process_time() - begun
        return picture


def observe(hour: Hour) -> Watched:
    """Watch an hour."""
    scene, predictor = hour.scene(), load(hour.package)
    ask, network_s = classifier(predictor, hour.settings.label), [0.0]

    def classify(pieces: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        begun = time.process_time()
        answers = ask(pieces)
        network_s[0] += time.process_time() - begun
        return answers

    watch, picture = Watch(hour.settings, classify, predictor.manifest.shape[1:]), _Composed(scene)
    observed, begun = dict[int, Observed](), time.process_time()
    for picture.number in range(len(scene)):
        seen = watch.observe(picture)
        if seen.regions:
            observed[picture.number] = seen
    spent = time.process_time() - begun - picture.seconds - network_s[0]
    return Watched(observed, spent)


class Entry(NamedTuple):
    """Somebody in a zone at its hours: seconds of the hour at which he entered it and was last there."""

    person: Mover
    zone: str
    start: float
    end: float


class Outcome(NamedTuple):
    """An hour against the truth: delays of those who entered, None where missed; false alarms; counts and true ones."""

    entries: list[Entry]
    delays: list[float | None]
    alarms: list[tuple[float, WatchEvent, bool]]
    counted: Counter[tuple[str, str]]
    crossed: Counter[tuple[str, str]]

    @property
    def false(self) -> int:
        """Alarms without a person."""
        return sum(not right for _, _, right in self.alarms)

    @property
    def missed(self) -> int:
        """Entries without an alarm."""
        return self.delays.count(None)


def judge(hour: Hour, watched: Watched, settings: WatchSettings) -> Outcome:
    """Decide an hour's observations by settings, and compare with who was there."""
    scene, watch = hour.scene(), Watch(settings, lambda _: np.empty(0, np.float32), (1, 1))
    entries, crossed = truth_of(scene, settings)
    delays: list[float | None] = [None] * len(entries)
    alarms, counted = list[tuple[float, WatchEvent, bool]](), Counter[tuple[str, str]]()
    nothing = Observed(0, 0, [])
    for number in range(len(scene)):
        moment = number / scene.rate
        for event in watch.decide(watched.observed.get(number, nothing), hour.hour * _HOUR_S + moment):
            if event.kind != "alarm":
                counted[event.name, event.kind] += 1
                continue
            right = False
            for index, entry in enumerate(entries):
                if (
                    entry.zone == event.name
                    and entry.start - _GRACE_S <= moment <= entry.end + _GRACE_S
                    and _near(event, entry.person, min(max(moment, entry.person.start), entry.person.end))
                ):
                    right = True
                    if delays[index] is None:
                        delays[index] = max(0.0, moment - entry.start)
            alarms.append((moment, event, right))
    return Outcome(entries, delays, alarms, counted, crossed)


def _near(event: WatchEvent, person: Mover, moment: float) -> bool:
    x, y = person.spot(moment)
    left, top, right, bottom = event.box
    return left - _NEAR <= x <= right + _NEAR and top - _NEAR <= y <= bottom + _NEAR


def truth_of(scene: Scene, settings: WatchSettings) -> tuple[list[Entry], Counter[tuple[str, str]]]:
    """Return who was in a zone for two pictures or more at its hours, and how often each line was crossed."""
    entries, crossed = list[Entry](), Counter[tuple[str, str]]()
    for person in scene.movers:
        if person.kind != "person":
            continue
        numbers = range(int(np.ceil(person.start * scene.rate)), int(person.end * scene.rate) + 1)
        spots = [_pixel(person.spot(number / scene.rate)) for number in numbers]
        for zone in settings.zones:
            there = [number / scene.rate for number, spot in zip(numbers, spots, strict=True)
                     if _within(zone, spot) and watches(zone, scene.hour * _HOUR_S + number / scene.rate)]  # fmt: skip
            if len(there) > 1:
                entries.append(Entry(person, zone.name, there[0], there[-1]))
        for line in settings.lines:
            ends = _ends(line)
            for before, now in pairwise(spots):
                if way := crossing(*ends, before, now):
                    crossed[line.name, way] += 1
    return entries, crossed


def _pixel(spot: tuple[float, float]) -> Spot:
    return round(spot[0]), round(spot[1])


def _within(zone: Zone, spot: Spot) -> bool:
    return 0 <= spot[0] < WIDTH and inside([scaled(point, HEIGHT, WIDTH) for point in zone.points], spot)


def _ends(line: Line) -> tuple[Spot, Spot]:
    return scaled(line.start, HEIGHT, WIDTH), scaled(line.end, HEIGHT, WIDTH)


def _chosen(hours: Sequence[Hour], watched: Sequence[Watched], settings: WatchSettings) -> tuple[float, Choice]:
    """Return the threshold that costs least, and why: a tenth of the entries missed costs a false alarm a day."""
    options, costs = [], {}
    days = sum(hour.busy for hour in hours) / 24
    for threshold in _THRESHOLDS:
        candidate = msgspec.structs.replace(settings, threshold=threshold)
        outcomes = [judge(hour, seen, candidate) for hour, seen in zip(hours, watched, strict=True)]
        false, entries = sum(each.false for each in outcomes), sum(len(each.entries) for each in outcomes)
        missed = sum(each.missed for each in outcomes) / max(1, entries)
        costs[threshold] = 10 * missed + false / days
        title = f"missed from {threshold:g} on, with {plural(false, 'false alarm')}"
        options.append(JobFigure.of(f"missed_at_{threshold:g}", title, missed))
    best = min(costs, key=costs.__getitem__)
    return best, Choice(
        question="From which mean probability on is it a person?", options=tuple(options), chosen=f"{best:g}",
        why=f"it costs least in {len(hours)} hours with {hours[0].busy:g} times as many movers, those of training, "
        "before other cameras, where a tenth of the entries missed costs as much as a false alarm a day",
    )  # fmt: skip


def _watch(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    settings = convert_table(read_toml(work.folder / config.settings, "a watching camera"), WatchSettings,
                             config.settings)  # fmt: skip
    package = package_path(judged_of(ran.folder))

    def hour(number: int, objects: Objects, of_day: int, busy: float, camera: int) -> Hour:
        return Hour(package, settings, config.seed + number, camera, objects, of_day, busy, config.rate)

    tuned = [hour(number, "shown", number * 24 // config.tuned, config.busy, config.seed + number)
             for number in range(config.tuned)]  # fmt: skip
    # One camera looks at one yard all day.
    day = [hour(1000 + number, "left out", number, 1.0, config.seed + 1000) for number in range(config.hours)]
    load(package)  # compiles it once, for all processes
    watched = list(work.each("Watching", in_processes(observe, [*tuned, *day]), len(tuned) + len(day)))
    threshold, choice = _chosen(tuned, watched[: len(tuned)], settings)
    settings = msgspec.structs.replace(settings, threshold=threshold)
    outcomes = [judge(each, seen, settings) for each, seen in zip(day, watched[len(tuned) :], strict=True)]
    folder = work.new_folder(config)
    overdue, kept = _kept(folder / "events", day, outcomes, settings)
    return StepRecord(
        command=f"edgewright device watch {ran.folder.name} --config {config.settings} --source camera:/dev/video0",
        says=(
            f"{plural(len(day), 'simulated hour')} at {config.rate:g} pictures a second, with clothes, movers and "
            "a yard that no choice saw.",
            f"Pictures stay {settings.keep_hours:g} hours: of {sum(len(each.alarms) for each in outcomes)} alarms "
            f"{kept} are left at the end.",
        ),
        figures=(
            *_figures(day, outcomes),
            JobFigure.of("overdue", "pictures left that are older than stated", overdue, "1"),
            *_costs(ran, day, watched[len(tuned) :], config),
        ),
        timeline=_timeline(day, outcomes), choice=choice, folder=folder.name,
    )  # fmt: skip


def _figures(day: Sequence[Hour], outcomes: Sequence[Outcome]) -> list[JobFigure]:
    names = np.array([f"{hour.hour:02}:00" for hour, each in zip(day, outcomes, strict=True) for _ in each.entries])
    missed = np.array([delay is None for each in outcomes for delay in each.delays], np.bool_)
    delays = [delay for each in outcomes for delay in each.delays if delay is not None]
    false = sum(each.false for each in outcomes)
    crossed = sum(sum(each.crossed.values()) for each in outcomes)
    errors = sum(
        abs(each.counted[key] - each.crossed[key]) for each in outcomes for key in {*each.counted, *each.crossed}
    )
    total = sum(sum(each.counted.values()) for each in outcomes)
    figures = [JobFigure.of("entries", "times that somebody was in a zone at its hours", len(missed), "1")]
    if len(missed):
        figures.append(share_of("missed", "of these without an alarm", missed, names, by="hour"))
    return [
        *figures,
        JobFigure.of("false_alarms", "false alarms an hour", false / len(day), "1"),
        JobFigure.of("false", "false alarms in all", false, "1"),
        JobFigure.of("delay", "from entering to the alarm, 99 of 100 within",
                     float(np.quantile(delays, 0.99)) if delays else 0.0, "s"),
        JobFigure.of("crossed", "times that somebody crossed the line", crossed, "1"),
        JobFigure.of("counted", "counted, both directions", total, "1"),
        JobFigure.of("count_error", "counts that are wrong, hour by hour and direction by direction",
                     errors / max(1, crossed)),
    ]  # fmt: skip


def _costs(ran: Ran, day: Sequence[Hour], watched: Sequence[Watched], config: Config) -> list[JobFigure]:
    """Estimate a picture's cost on a device: its network by the profile, the rest by this machine's processor time.

    The latter is scaled by clock and cycles of an int8 multiply-add in the profiles of the device and of x86-64.
    """
    profile, here = load_profile(config.device), load_profile("x86-64")
    watts = 0.0 if profile.active is None else profile.active.value
    slower = here.clock.value / profile.clock.value * profile.macs_int8.value / here.macs_int8.value
    pictures = sum(len(hour.scene()) for hour in day[:1]) * len(day)
    regions = sum(len(seen.regions) for each in watched for seen in each.observed.values())
    latency = estimate_place(package_path(ran.folder), profile, compiled=False)[0].footprint.latency_us
    network = 0.0 if latency is None else 1e-6 * latency.value
    motion = slower * sum(each.motion_s for each in watched) / pictures
    planes, times = day[0].scene().picture(0), list[float]()
    frame = hidden(planes, ((0, 0), (1, 0), (1, 1), (0, 1)), 16)
    for _ in range(20):
        begun = time.process_time()
        decoded("MJPG", frame, WIDTH, HEIGHT, 0, COLOURS)
        times.append(time.process_time() - begun)
    usual = slower * statistics.median(times) + motion + network * regions / pictures
    busiest = slower * statistics.median(times) + motion + network * 4
    return [
        JobFigure.of("shown", "moving regions that the network sees, a picture", regions / pictures, "1"),
        JobFigure.of("rate", f"pictures a second on {config.device}, one core, four regions in each", 1 / busiest, "1"),
        JobFigure.of("energy", "energy of a picture there, as many regions as here", 1e3 * usual * watts,
                     "mJ"),
    ]  # fmt: skip


def _kept(folder: Path, day: Sequence[Hour], outcomes: Sequence[Outcome], settings: WatchSettings) -> tuple[int, int]:
    """Keep a picture of every alarm by the day's clock; return how many are overdue at its end, and how many left."""
    now = [0.0]
    clocks = Clocks(lambda: now[0], lambda: now[0], lambda: "simulated")
    events = EventFolder(folder, settings.keep_hours * _HOUR_S, settings.keep_mb * 1e6, clocks)
    zones, times = {zone.name: zone.points for zone in settings.zones}, {}
    for hour, each in zip(day, outcomes, strict=True):
        scene = hour.scene()
        for moment, event, _ in each.alarms:
            now[0] = hour.hour * _HOUR_S + moment
            picture = hidden(scene.picture(round(moment * scene.rate)), zones[event.name], settings.coarse)
            times[events.add(picture, event)] = now[0]
    now[0] = (day[-1].hour + 1) * _HOUR_S
    events.expire()
    left = [written for path, written in times.items() if path.exists()]
    over = sum(now[0] - written >= settings.keep_hours * _HOUR_S for written in left)
    return over, len(left)


def _timeline(day: Sequence[Hour], outcomes: Sequence[Outcome]) -> Timeline:
    """Draw the hour with the most mistakes, and of these with the most entries."""
    hour, worst = max(
        zip(day, outcomes, strict=True), key=lambda pair: (pair[1].missed + pair[1].false, len(pair[1].entries))
    )
    zones = sorted({entry.zone for entry in worst.entries} | {event.name for _, event, _ in worst.alarms})
    marks = [Mark(time=moment, kind="alarm" if right else "false alarm", text=event.name)
             for moment, event, right in worst.alarms]  # fmt: skip
    marks += [Mark(time=entry.start, kind="missed", text=entry.zone)
              for entry, delay in zip(worst.entries, worst.delays, strict=True) if delay is None]  # fmt: skip
    return Timeline(
        title=f"{hour.hour:02}:00, the hour with the most mistakes", seconds=_HOUR_S,
        labels=tuple(zones) or ("nobody",),
        truth=tuple(Stretch(label=entry.zone, start=entry.start, end=entry.end) for entry in worst.entries),
        answers=tuple(
            Stretch(label=event.name, start=moment, end=moment + _GRACE_S) for moment, event, _ in worst.alarms
        ),
        marks=tuple(sorted(marks, key=lambda mark: mark.time)), keys=("somebody", "alarm", ""),
    )  # fmt: skip


STEP = Step(Config, "A day before the camera", _watch)
