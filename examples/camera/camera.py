"""Camera: did somebody enter the yard, and how many walked by?"""

from __future__ import annotations

import tomllib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from PIL import Image

import edgewright as ew
from day import GREEN, HOUR_S, PERSON, Hour, Outcome, compare, observe
from edgewright.device.camera.events import Clocks, EventFolder, hidden
from edgewright.device.camera.motion import Bytes, Motion, Region
from edgewright.device.camera.watch import PIXEL_STEP, Observed, WatchSettings, piece
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.workflows.examples import Target, check_proof, run_example
from yard import HEIGHT, WIDTH, Box, Objects, Scene

DATA = ()
TARGETS = {
    "missed": Target(
        maximum=0.10,
        source="Regulatory Guide 5.44 of the US NRC, recalled, not looked up: nine of ten intruders are by_label",
    ),
    "false_alarms": Target(maximum=0.0417, source="the same guide, recalled: one nuisance alarm a day of a zone"),
    "delay": Target(maximum=10.0, source="i-LIDS of the UK Home Office, recalled: an alarm counts within ten seconds"),
    "count_error": Target(maximum=0.05, source="data sheets of people counters, recalled: right on 95 of 100"),
    "overdue": Target(maximum=0, source="need: no picture stays longer than the sign at the gate states"),
}
HERE = Path(__file__).parent
OTHER, SIDE = "other", 96
# Scenes with clothes and movers that training may show, and with others, which only evaluate.
TRAINING, VALIDATION, TEST = 24, 4, 6
SCENE_S, BUSY, CROWD, PIECES = 240.0, 8.0, 3.0, 80
# Hours that choose the threshold, and hours that evaluate from midnight on.
TUNED, HOURS, SEED = 3, 24, 100_000
# A region shows a person if it holds this share of the person's box.
SHOWN = 0.5
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class SceneTask(NamedTuple):
    """A scene to cut labelled pieces from."""

    name: str
    seed: int
    objects: Objects


def cut_pieces(task: SceneTask) -> list[tuple[str, Bytes]]:
    """Return labels and moving regions of a scene, evenly over its time."""
    hour = np.random.default_rng(task.seed).uniform(0, 24)
    scene = Scene(task.seed, task.seed, task.objects, hour=hour, seconds=SCENE_S, rate=2.0, busy=BUSY, crowd=CROWD)
    motion, by_label = Motion(HEIGHT // PIXEL_STEP, WIDTH // PIXEL_STEP), {PERSON: [], OTHER: []}
    for number in range(len(scene)):
        boxes = [person.box(number / scene.rate) for person in scene.people(number)]
        for small in motion.regions(scene.picture(number, PIXEL_STEP, GREEN)[0]):
            region = Region(*(PIXEL_STEP * edge for edge in small))
            if label := label_of(region, boxes):
                by_label[label].append((number, region))
    pieces = []
    for label, regions in by_label.items():
        for index in sorted({round(at) for at in np.linspace(0, len(regions) - 1, min(PIECES, len(regions)))}):
            number, region = regions[index]
            pieces.append((label, piece(scene.picture(number), region, (SIDE, SIDE))))
    return pieces


def label_of(region: Region, people: list[Box]) -> str:
    """Return the label of a region; empty if a person is at its edge."""
    shares = []
    for person in people:
        across = min(person.right, region.right, WIDTH) - max(person.left, region.left, 0.0)
        down = min(person.bottom, region.bottom, HEIGHT) - max(person.top, region.top, 0.0)
        whole = (person.right - person.left) * (person.bottom - person.top)
        shares.append(max(0.0, across) * max(0.0, down) / whole)
    best = max(shares, default=0.0)
    return PERSON if best >= SHOWN else "" if best else OTHER


def write_pictures(pool: ProcessPoolExecutor, folder: Path) -> int:
    """Write labelled moving regions of all scenes, and return their number."""
    parts: list[tuple[str, int, Objects]] = [
        ("train", TRAINING, "shown"), ("validation", VALIDATION, "shown"), ("test", TEST, "left out"),
    ]  # fmt: skip
    names = [(f"{part}{number}", objects) for part, count, objects in parts for number in range(count)]
    tasks = [SceneTask(name, seed, objects) for seed, (name, objects) in enumerate(names)]
    folder.mkdir(exist_ok=True)
    count = 0
    for task, pieces in zip(tasks, pool.map(cut_pieces, tasks), strict=True):
        for number, (label, picture) in enumerate(pieces):
            image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
            image.save(folder / f"{label}_{task.name}_{number}.jpg", quality=92)
        count += len(pieces)
    return count


def choose_threshold(hours: list[Hour], observed: list[dict[int, Observed]], settings: WatchSettings) -> float:
    """Return the threshold that costs least if a tenth of the entries missed costs a false alarm a day."""
    costs, days = {}, sum(hour.busy for hour in hours) / 24
    for threshold in THRESHOLDS:
        candidate = msgspec.structs.replace(settings, threshold=threshold)
        outcomes = [compare(hour, seen, candidate) for hour, seen in zip(hours, observed, strict=True)]
        delays = [delay for outcome in outcomes for delay in outcome.delays]
        false = sum(not right for outcome in outcomes for _, _, right in outcome.alarms)
        costs[threshold] = 10 * delays.count(None) / max(1, len(delays)) + false / days
    return min(costs, key=costs.__getitem__)


def overdue_pictures(folder: Path, day: list[Hour], outcomes: list[Outcome], settings: WatchSettings) -> int:
    """Store a picture of every alarm by the day's clock; return how many are too old at its end."""
    now, times = [0.0], {}
    events = EventFolder(
        folder, settings.keep_hours * HOUR_S, settings.keep_mb * 1e6,
        Clocks(lambda: now[0], lambda: now[0], lambda: "simulated"),
    )  # fmt: skip
    zones = {zone.name: zone.points for zone in settings.zones}
    for hour, outcome in zip(day, outcomes, strict=True):
        scene = hour.scene()
        for moment, event, _ in outcome.alarms:
            now[0] = hour.hour * HOUR_S + moment
            picture = hidden(scene.picture(round(moment * scene.rate)), zones[event.name], settings.coarse)
            times[events.add(picture, event)] = now[0]
    now[0] = (day[-1].hour + 1) * HOUR_S
    events.expire()
    return sum(path.exists() and now[0] - time >= settings.keep_hours * HOUR_S for path, time in times.items())


def main(data: Path | None, out: Path) -> dict[str, float]:
    """Train a network on composed scenes, choose a threshold, and watch a simulated day."""
    del data
    settings = msgspec.convert(tomllib.loads((HERE / "camera.toml").read_text(encoding="utf-8")), WatchSettings)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        pictures = write_pictures(pool, out / "pictures")
        run = ew.Pipeline.from_toml(HERE / "person.toml", data=str(out / "pictures")).run(out=out, force=True)
        package = next(judged_of(run.folder).glob("*.edge"))
        tuned = [
            Hour(package, settings, SEED + n, SEED + n, "shown", n * 24 // TUNED, BUSY) for n in range(TUNED)
        ]  # fmt: skip
        day = [Hour(package, settings, SEED + 1000 + n, SEED + 1000, "left out", n, 1.0) for n in range(HOURS)]
        observed = list(pool.map(observe, [*tuned, *day]))
    settings = msgspec.structs.replace(settings, threshold=choose_threshold(tuned, observed[:TUNED], settings))
    outcomes = [compare(hour, seen, settings) for hour, seen in zip(day, observed[TUNED:], strict=True)]
    delays = [delay for outcome in outcomes for delay in outcome.delays]
    crossed = sum(outcome.crossed.total() for outcome in outcomes)
    wrong = sum(abs(o.counted[key] - o.crossed[key]) for o in outcomes for key in {*o.counted, *o.crossed})
    return {
        **run.figures,
        **check_proof(run.folder),
        "pictures": pictures,
        "threshold": settings.threshold,
        "entries": len(delays),
        "missed": delays.count(None) / max(1, len(delays)),
        "false_alarms": sum(not right for outcome in outcomes for _, _, right in outcome.alarms) / HOURS,
        "delay": np.quantile([delay for delay in delays if delay is not None], 0.99),
        "crossed": crossed,
        "count_error": wrong / max(1, crossed),
        "overdue": overdue_pictures(out / "events", day, outcomes, settings),
    }


if __name__ == "__main__":
    run_example(main, TARGETS, __doc__)
