"""`scenes`: moving regions of composed scenes as labelled pictures, with the answers of an imported person network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from PIL import Image

from edgewright.core.formatting import plural
from edgewright.core.integer.network import run_integer, to_integers, to_reals
from edgewright.device.camera import watch
from edgewright.device.camera.motion import Bytes, Motion, Region
from edgewright.graph.from_tflite import read_tflite
from edgewright.jobs.simulation.street import HEIGHT, WIDTH, Box, Objects, Scene
from edgewright.jobs.steps import Step, StepConfig, Work, in_processes
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, StepRecord

SIDE = 96
PERSON, OTHER = "person", "other"
# Shares of a person's box within a region that shows him.
_SHOWN = 0.5
# People among the movers: about half of the pictures show one.
_CROWD = 3.0
GREEN = slice(1, 2)


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Scenes to learn from and to judge.

    Attributes:
        network: file in the data, such as a person network of MLPerf Tiny, which answers the pictures as it is.
        scenes: that train, each before a camera of its own.
        validation: further ones that choose the epoch.
        test: ones with the clothes and movers that no other has, before further cameras.
        seconds: of each.
        busy: how many times as many movers as usual.
        each: most pictures of a label and scene.
        seed: of the first scene.
    """

    network: str = ""
    scenes: Annotated[int, msgspec.Meta(ge=1)] = 24
    validation: Annotated[int, msgspec.Meta(ge=1)] = 4
    test: Annotated[int, msgspec.Meta(ge=1)] = 6
    seconds: Annotated[float, msgspec.Meta(gt=0)] = 240.0
    busy: Annotated[float, msgspec.Meta(gt=0)] = 8.0
    each: Annotated[int, msgspec.Meta(ge=1)] = 80
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class Task(NamedTuple):
    """A scene to cut pieces from."""

    group: str
    seed: int
    objects: Objects
    seconds: float
    busy: float
    each: int


class Piece(NamedTuple):
    """A moving region as the network sees it, and its label."""

    picture: Bytes
    label: str


def label_of(region: Region, people: list[Box]) -> str:
    """Return who is in a region of the whole picture; nothing where a person is at its edge."""
    shares = []
    for person in people:
        left, top = max(0.0, person.left), max(0.0, person.top)
        right, bottom = min(float(WIDTH), person.right), min(float(HEIGHT), person.bottom)
        across = min(right, region.right) - max(left, region.left)
        down = min(bottom, region.bottom) - max(top, region.top)
        whole = (person.right - person.left) * (person.bottom - person.top)
        shares.append(max(0.0, across) * max(0.0, down) / whole)
    best = max(shares, default=0.0)
    return PERSON if best >= _SHOWN else "" if best else OTHER


def pieces_of(task: Task) -> list[Piece]:
    """Return labelled moving regions of a scene, drawn evenly over its time."""
    hour = np.random.default_rng(task.seed).uniform(0, 24)
    scene = Scene(task.seed, task.seed, task.objects, hour=hour, seconds=task.seconds, rate=2.0, busy=task.busy,
                  crowd=_CROWD)  # fmt: skip
    motion = Motion(HEIGHT // watch.PIXEL_STEP, WIDTH // watch.PIXEL_STEP)
    places: dict[str, list[tuple[int, Region]]] = {PERSON: [], OTHER: []}
    for number in range(len(scene)):
        time = number / scene.rate
        for small in motion.regions(scene.picture(number, watch.PIXEL_STEP, GREEN)[0]):
            region = Region(*(watch.PIXEL_STEP * edge for edge in small))
            label = label_of(region, [person.box(time) for person in scene.people(number)])
            if label:
                places[label].append((number, region))
    pieces = []
    for label, there in places.items():
        for index in sorted({round(at) for at in np.linspace(0, len(there) - 1, min(task.each, len(there)))}):
            number, region = there[index]
            pieces.append(Piece(watch.piece(scene.picture(number), region, (SIDE, SIDE)), label))
    return pieces


def _scenes(config: Config, work: Work) -> StepRecord:
    parts: list[tuple[str, int, Objects]] = [
        ("train", config.scenes, "shown"), ("validation", config.validation, "shown"),
        ("test", config.test, "left out"),
    ]  # fmt: skip
    names = [(f"{part}{number}", objects) for part, count, objects in parts for number in range(count)]
    tasks = [Task(name, config.seed + at, objects, config.seconds, config.busy, config.each)
             for at, (name, objects) in enumerate(names)]  # fmt: skip
    folder = work.new_folder(config)
    pictures = folder / "pictures"
    pictures.mkdir()
    counts: dict[str, int] = {}
    left_out: list[Piece] = []
    for task, pieces in work.each(
        "Composing scenes", zip(tasks, in_processes(pieces_of, tasks), strict=True), len(tasks)
    ):
        for number, (picture, label) in enumerate(pieces):
            image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
            image.save(pictures / f"{label}_{task.group}_{number}.jpg", quality=92)
            counts[label] = counts.get(label, 0) + 1
        left_out += pieces if task.objects == "left out" else []
    if len(counts) < 2:
        raise InputError(
            "moving people and others", f"{counts or 'no motion'}", work.folder.name, "Raise seconds or busy"
        )
    figures = [JobFigure.of("pictures", "labelled moving regions", sum(counts.values()), "1")]
    says = [f"{plural(len(tasks), 'scene')} with {counts[PERSON]} regions of people and {counts[OTHER]} of others. The "
            f"{config.test} that judge have clothes and movers of their own, before cameras of their own."]  # fmt: skip
    if config.network:
        (network,) = work.texts((config.network,))
        copied = folder / network.name
        copied.write_bytes(network.read_bytes())
        answers = imported_answers(copied, np.stack([each.picture for each in left_out]))
        truth = np.array([each.label == PERSON for each in left_out])
        figures += [
            JobFigure.of("imported", "right answers of the imported network as it is, mean of both labels",
                         float((answers[truth].mean() + (~answers[~truth]).mean()) / 2)),
            JobFigure.of("imported_people", "people that it names", float(answers[truth].mean())),
            JobFigure.of("imported_others", "others that it takes for people", float(answers[~truth].mean())),
        ]  # fmt: skip
    work.data = pictures
    return StepRecord(
        command=f"edgewright jobs run {work.folder.name}", says=tuple(says), figures=tuple(figures), folder=folder.name
    )


def imported_answers(file: Path, pictures: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return whether an int8 person network sees a person: its second output, of pixels from -1 to 1.

    Args:
        file: a .tflite with an input of shape (height, width, 3).
        pictures: shape (n, 3, height, width).
    """
    network = read_tflite(file)
    value, given = network.values[network.input], network.values[network.output]
    samples = pictures.transpose(0, 2, 3, 1).astype(np.float32)
    # A step of the grid is a 255th of the range in the published file, which was calibrated on pixels from 0 to 1.
    answers = to_reals(given, run_integer(network, to_integers(value, samples / 255)))
    return np.asarray(answers[:, 1] > answers[:, 0], np.bool_)


STEP = Step(Config, "Moving regions of composed scenes", _scenes)
