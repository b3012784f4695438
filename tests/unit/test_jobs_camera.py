"""The job of a camera: scenes with known truth, what is cut out of them, and hours judged against the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.device.camera.motion import Bytes, Region
from edgewright.device.camera.watch import Line, Observed, WatchSettings, Zone
from edgewright.jobs.simulation.street import Box, Mover, Objects, Scene
from edgewright.jobs.steps import watch
from edgewright.jobs.steps.scenes import imported_answers, label_of
from edgewright.jobs.steps.watch import Hour, Watched, judge, truth_of
from edgewright.schema.job import JobRecord
from support import shared_data

YARD = Zone(name="yard", points=((0.24, 0.4), (0.76, 0.4), (0.76, 1.0), (0.24, 1.0)))
SETTINGS = WatchSettings(zones=(YARD,), lines=(Line(name="gate", start=(0.5, 1.0), end=(0.5, 0.0)),))
WALK = Mover("person", "coat", 1, 10.0, 30.0, ((0.0, 200.0), (320.0, 200.0)))
JOB = """
title = "Somebody?"
shows = "A camera."
[[steps]]
kind = "scenes"
scenes = 3
validation = 1
test = 1
seconds = 60
busy = 60
[[steps]]
kind = "run"
pipeline = "person.toml"
[[steps]]
kind = "watch"
hours = 1
tuned = 1
busy = 4
rate = 0.5
"""
PIPELINE = """
name = "person"
refit = false
[data]
kind = "pictures"
pattern = "{label}_{group}_{index}"
height = 24
width = 24
fit = "stretch"
[split]
by = "group"
test_groups = ["test0"]
validation_groups = ["validation0"]
[[model.layers]]
kind = "conv2d"
filters = 6
kernel = 3
stride = 2
[[model.layers]]
kind = "global_average_pool"
[training]
epochs = 4
[compression]
max_drop = 1.0
[device]
profile = "raspberry-pi-5"
"""


def test_a_region_is_a_person_where_it_shows_half_of_one() -> None:
    person = Box(100, 100, 120, 180)
    assert label_of(Region(96, 96, 124, 184), [person]) == "person"
    assert label_of(Region(100, 150, 200, 184), [person]) == ""
    assert label_of(Region(200, 96, 240, 184), [person]) == "other"
    assert label_of(Region(0, 0, 8, 8), []) == "other"


@pytest.fixture
def hour(monkeypatch: pytest.MonkeyPatch) -> Hour:
    """Provide an hour in which one person walks through the yard."""
    scene = Scene(1, 1, "shown", hour=0, seconds=60.0, rate=2.0)
    scene.movers = [WALK]
    monkeypatch.setattr(watch.Hour, "scene", lambda self: scene)
    return Hour(Path(), SETTINGS, 1, 1, "shown", 0, 1.0, 2.0)


@pytest.mark.parametrize("objects", ["shown", "left out"])
@pytest.mark.parametrize("hour_of_day", [6.0, 13.0, 23.0])
def test_every_second_pixel_is_that_of_the_whole_picture(objects: Objects, hour_of_day: float) -> None:
    weather = set()
    for seed in range(9):
        scene = Scene(seed, 2, objects, hour=hour_of_day, seconds=40.0, rate=1.0, busy=60.0)
        if scene.weather in weather:
            continue
        weather.add(scene.weather)
        for number in (3, 19):
            whole = scene.picture(number)
            assert whole.shape == (3, 240, 320)
            np.testing.assert_array_equal(scene.picture(number, step=2), whole[:, ::2, ::2])
            np.testing.assert_array_equal(scene.picture(number, channels=slice(1, 2)), whole[1:2])
    assert weather == {"clear", "clouds", "rain", "wind"}


@pytest.mark.parametrize("clothes", ["trousers", "shorts", "jacket", "coat", "dress", "umbrella"])
def test_a_person_covers_pixels_of_the_box_alone_on_the_whole_way(clothes: str) -> None:
    walk = replace(WALK, clothes=clothes, points=((-30.0, 150.0), (350.0, 220.0)), waits=0.5)
    with_person, without = (Scene(3, 1, "shown", hour=12.0, seconds=40.0, rate=1.0) for _ in range(2))
    with_person.movers, without.movers = [walk], []
    spots = []
    for number in range(10, 31):
        changed = (with_person.picture(number) != without.picture(number)).any(axis=0)
        box, (x, y) = walk.box(number), walk.spot(number)
        assert box.right == pytest.approx(2 * x - box.left) and box.bottom == y
        wide, high = box.right - box.left, box.bottom - box.top
        rows, columns = np.nonzero(changed)
        if 0 < x < 320:
            # As tall as the box; an umbrella and swinging arms are wider than it.
            assert abs(rows.max() + 1 - min(240.0, y)) <= 3 and abs(rows.min() - box.top) <= 0.2 * high
            assert columns.min() >= box.left - wide and columns.max() <= box.right + wide
        spots.append(x)
    steps = np.diff(spots)
    assert (steps >= -1e-9).all() and (steps < 1e-9).sum() >= 6, "the person waits for a third of the time"
    assert spots[0] == -30.0 and spots[-1] == pytest.approx(350.0)


def regions(start: float, end: float, answer: float) -> dict[int, Observed]:
    seen = {}
    for number in range(int(2 * start), int(2 * end)):
        x, y = (round(edge) for edge in WALK.spot(number / 2))
        seen[number] = Observed(240, 320, [(Region(x - 15, y - 80, x + 15, y), answer)])
    return seen


def test_an_hour_is_judged_by_who_was_there(hour: Hour) -> None:
    entries, crossed = truth_of(hour.scene(), SETTINGS)
    assert [(entry.start, entry.end) for entry in entries] == [(15.0, 25.0)]
    assert crossed == {("gate", "forth"): 1}
    seen = judge(hour, Watched(regions(10, 30, 0.9), 0.0), SETTINGS)
    assert (seen.missed, seen.false, seen.counted) == (0, 0, crossed)
    assert seen.delays[0] is not None
    assert seen.delays[0] < 2
    missed = judge(hour, Watched(regions(10, 30, 0.1), 0.0), SETTINGS)
    assert (missed.missed, missed.false, sum(missed.counted.values())) == (1, 0, 0)
    # The same regions a quarter of a minute after he left are a false alarm.
    late = {number + 60: seen for number, seen in regions(10, 30, 0.9).items()}
    false = judge(hour, Watched(late, 0.0), SETTINGS)
    assert (false.missed, false.false) == (1, 1)


def test_the_published_network_knows_a_plane_from_a_person() -> None:
    folder = shared_data("mlperf-tiny")
    with np.load(folder / "ic01" / "cifar10_jpeg_subset.npz") as inputs:
        small: Bytes = inputs["x"][:40]
    pictures = small.repeat(3, axis=1).repeat(3, axis=2).transpose(0, 3, 1, 2)
    assert imported_answers(folder / "models" / "vww_96_int8.tflite", pictures).mean() <= 0.1


@pytest.mark.slow
def test_a_small_job_goes_from_scenes_to_a_day(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    (folder / "job.toml").write_text(JOB)
    (folder / "person.toml").write_text(PIPELINE)
    (folder / "camera.toml").write_text(
        'keep_hours = 1\n[[zones]]\nname = "yard"\npoints = [[0.0, 0.4], [1.0, 0.4], [1.0, 1.0], [0.0, 1.0]]\n'
        '[[lines]]\nname = "gate"\nstart = [0.5, 1.0]\nend = [0.5, 0.0]\n'
    )
    cli("jobs", "run", folder, "--out", tmp_path / "runs")
    record = msgspec.json.decode((tmp_path / "runs" / "camera" / "job.json").read_bytes(), type=JobRecord)
    assert record.passed
    figures = {figure.name: figure.value for figure in record.steps[-1].figures}
    assert figures["overdue"] == 0
    assert figures["rate"] > 1
    assert record.steps[-1].choice is not None
    assert "<svg" in (tmp_path / "runs" / "camera" / "job.html").read_text(encoding="utf-8")
