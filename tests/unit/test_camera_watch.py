"""A watching camera: motion in integers, zones with hours, lines, blurred pictures, and events that expire."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.core.errors import CameraError, FormatNewerError, OutputError
from edgewright.device.camera.events import INDEX, Clocks, EventFolder, hidden
from edgewright.device.camera.motion import Bytes, Motion, Region
from edgewright.device.camera.watch import (
    Line,
    Observed,
    Watch,
    WatchSettings,
    Zone,
    crossing,
    inside,
    watches,
)
from edgewright.device.sources import short_source
from picture_folder import trained

YARD = Zone(name="yard", points=((0.25, 0.0), (0.75, 0.0), (0.75, 1.0), (0.25, 1.0)))
SIZE = (96, 160)


def noisy(rng: np.random.Generator, level: int = 90, spread: float = 2.0) -> Bytes:
    return np.clip(rng.normal(level, spread, SIZE), 0, 255).astype(np.uint8)


def test_motion_equals_its_definition_in_whole_numbers_pixel_by_pixel() -> None:
    rng, motion = np.random.default_rng(0), Motion(16, 24)
    background, deviation = np.zeros(384, object), np.full(384, 2 << 6, object)
    seen = 0
    for number in range(14):
        picture = rng.integers(47, 54, (16, 24)).astype(np.uint8) + np.uint8(30 * (number == 4))
        if number > 8:
            picture[2:10, 2:12] = 200
        regions = motion.regions(picture)
        levels = [int(value) << 6 for value in picture.ravel()]
        if not number:
            background[:] = levels
            continue
        sparse = [levels[at] - background[at] for at in range(384) if not at // 24 % 4 and not at % 4]
        light = sorted(sparse)[12]
        for at, level in enumerate(levels):
            # The difference is of the background as it was, with the light that all share.
            difference = level - background[at] - light
            moving = abs(difference) > max(4 * deviation[at], 12 << 6)
            background[at] = min(255 << 6, max(0, background[at] + light)) + (difference >> (8 if moving else 4))
            if not moving:
                deviation[at] = min(16 << 6, deviation[at] + ((abs(difference) - deviation[at]) >> 4))
            seen += moving and 2 <= at // 24 < 10 and 2 <= at % 24 < 12
        np.testing.assert_array_equal(motion.background.ravel(), background.astype(np.int16))
        np.testing.assert_array_equal(motion.deviation.ravel(), deviation.astype(np.int16))
        assert number <= 8 or regions == [Region(0, 0, 12, 12)], number
    assert seen
    assert motion.background.dtype == motion.deviation.dtype == np.int16


def test_light_and_noise_are_no_motion_and_a_block_is() -> None:
    rng = np.random.default_rng(1)
    motion = Motion(*SIZE)
    for number in range(60):
        assert motion.regions(noisy(rng, 90 + number // 2)) == []
    assert motion.regions(noisy(rng, 40)) == []  # a lamp goes out
    picture = noisy(rng, 40)
    picture[20:60, 40:60] = 180
    assert motion.regions(picture) == [Region(40, 20, 60, 60)]
    picture[:] = np.where(np.arange(SIZE[1]) % 2, 255, 0)  # somebody pushes the camera: it is learned anew
    assert motion.regions(picture) == []
    assert motion.regions(picture) == []
    with pytest.raises(CameraError, match="4 pixels or more a side, got 160 x 3"):
        Motion(3, 160)


def test_dark_legs_belong_to_the_coat_above_and_dim_stripes_alone_are_no_motion() -> None:
    rng = np.random.default_rng(2)
    motion = Motion(*SIZE)
    for _ in range(60):
        motion.regions(noisy(rng, 40, 1.0))
    picture = noisy(rng, 40, 1.0)
    picture[20:40, 40:60] = 180
    picture[40:60, 44:56] = 31  # legs: nine levels darker than the ground
    picture[60:64, 100:140] = 31
    assert motion.regions(picture) == [Region(40, 20, 60, 52)]  # three cells below the coat


def test_zones_hours_and_lines() -> None:
    night = Zone(name="gate", points=YARD.points, hours="22:00-06:30")
    assert [watches(night, 3600 * hour) for hour in (0, 6, 6.6, 12, 21.9, 22)] == [
        True,
        True,
        False,
        False,
        False,
        True,
    ]
    assert watches(YARD, 3)
    corners = [(10, 10), (50, 10), (50, 40), (30, 20), (10, 40)]
    assert [inside(corners, spot) for spot in ((12, 30), (30, 30), (30, 15), (60, 15), (5, 15))] == [
        True, False, True, False, False,
    ]  # fmt: skip
    assert crossing((50, 0), (50, 90), (40, 50), (60, 50)) == "back"
    assert crossing((50, 90), (50, 0), (40, 50), (60, 50)) == "forth"
    assert crossing((50, 0), (50, 90), (40, 50), (45, 50)) == ""
    assert crossing((50, 0), (50, 40), (40, 50), (60, 50)) == ""  # beside the line's end
    for hours in ("22-6", "18:00-00:00", "25:00-26:00", "08:00-08:00", "always", "08:70-09:00", "-1:00-05:00"):
        with pytest.raises(CameraError, match=r"hours such as 22:00-06:00.*24:00 at the end"):
            Watch(WatchSettings(zones=(Zone(name="z", points=YARD.points, hours=hours),)), ones, (8, 8))


def ones(pieces: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.ones(len(pieces), np.float32)


def test_somebody_is_one_alarm_and_one_count_and_a_flicker_is_none() -> None:
    settings = WatchSettings(zones=(YARD,), lines=(Line(name="gate", start=(0.5, 1.0), end=(0.5, 0.0)),))
    walk = [(Region(x, 20, x + 20, 80), 0.9) for x in range(0, 140, 15)]
    watch = Watch(settings, ones, (8, 8))
    events = [event for step in walk for event in watch.decide(Observed(96, 160, [step]), 0.0)]
    assert [(event.kind, event.name) for event in events] == [("alarm", "yard"), ("forth", "gate")]
    for unlike in ([(region, 0.2) for region, _ in walk], [(walk[3][0], 0.9)] * 10):
        watch = Watch(settings, ones, (8, 8))
        assert not [event for step in unlike for event in watch.decide(Observed(96, 160, [step]), 0.0)]
    # Outside of its hours the zone is silent, the line is not.
    watch = Watch(WatchSettings(zones=(Zone(name="yard", points=YARD.points, hours="22:00-06:00"),),
                                lines=settings.lines), ones, (8, 8))  # fmt: skip
    events = [event for step in walk for event in watch.decide(Observed(96, 160, [step]), 12 * 3600.0)]
    assert [event.kind for event in events] == ["forth"]


@pytest.mark.parametrize("bottom", [96, 88])
def test_somebody_whom_the_lower_edge_cuts_off_is_in_a_zone_that_reaches_it(bottom: int) -> None:
    zone = Zone(name="yard", points=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
    watch = Watch(WatchSettings(zones=(zone,)), ones, (8, 8))
    walk = [(Region(x, 40, x + 20, bottom), 1.0) for x in range(0, 100, 10)]
    events = [event for step in walk for event in watch.decide(Observed(96, 160, [step]), 0.0)]
    assert [event.kind for event in events] == ["alarm"]


def test_what_lies_outside_of_the_zone_is_gone_from_the_picture() -> None:
    planes = np.zeros((3, 96, 160), np.uint8)
    planes[:, :, ::2] = 255  # stripes of one pixel
    picture = np.asarray(Image.open(io.BytesIO(hidden(planes, YARD.points, 16))).convert("L"), int)
    assert picture[:, 60:100].std() > 100
    assert picture[:, :24].std() < 3
    assert picture[:, 136:].std() < 3


class Machine:
    """Clocks that a test sets."""

    def __init__(self) -> None:
        self.wall, self.up, self.start = 1.8e9, 100.0, "first"
        self.clocks = Clocks(lambda: self.wall, lambda: self.up, lambda: self.start)

    def pass_time(self, seconds: float) -> None:
        self.wall, self.up = self.wall + seconds, self.up + seconds

    def restart(self, off: float, wall: float | None = None) -> None:
        self.up, self.start = 5.0, f"{self.start} again"
        self.wall = self.wall + off if wall is None else wall


def test_pictures_go_when_their_time_is_over_whatever_the_clock_says(tmp_path: Path) -> None:
    machine, folder = Machine(), tmp_path / "events"
    events = EventFolder(folder, 3600, 1e9, machine.clocks)
    first = events.add(b"picture", {"kind": "alarm"})
    assert first.stat().st_mode & 0o077 == 0
    machine.pass_time(1000)
    machine.wall += 1e7  # set forward, then far back: neither deletes nor keeps
    assert not events.expire()
    machine.wall -= 9e8
    machine.pass_time(2000)
    assert not events.expire()
    # The program restarts, the machine does not.
    machine.pass_time(500)
    events = EventFolder(folder, 3600, 1e9, machine.clocks)
    assert first.exists()
    machine.pass_time(101)
    events = EventFolder(folder, 3600, 1e9, machine.clocks)
    assert not first.exists()
    assert not first.with_suffix(".json").exists()
    # The machine is off: the time of day counts, and one that was never set keeps for the rest alone.
    second = events.add(b"picture", {})
    machine.pass_time(1800)
    events.expire()
    machine.restart(600)
    events = EventFolder(folder, 3600, 1e9, machine.clocks)
    machine.restart(0, wall=0.0)
    events = EventFolder(folder, 3600, 1e9, machine.clocks)
    assert second.exists()
    machine.pass_time(1201)
    assert events.expire() == [second.stem]
    assert [path.name for path in folder.iterdir()] == [INDEX]


def test_too_many_pictures_a_lost_index_and_a_newer_one(tmp_path: Path) -> None:
    machine = Machine()
    events = EventFolder(tmp_path, 3600, 25, machine.clocks)
    paths = []
    for _ in range(4):
        paths.append(events.add(b"ten bytes.", {}))
        machine.pass_time(1)
    assert [path.exists() for path in paths] == [False, False, True, True]
    (tmp_path / INDEX).write_bytes(b"{")
    machine.wall = paths[2].stat().st_mtime + 3599
    EventFolder(tmp_path, 3600, 25, machine.clocks)
    assert paths[3].exists()
    (tmp_path / INDEX).unlink()
    machine.wall += 3600
    EventFolder(tmp_path, 3600, 25, machine.clocks)
    assert not paths[3].exists()
    (tmp_path / INDEX).write_text('{"layout": 2}')
    with pytest.raises(FormatNewerError, match="version 1, got a newer one"):
        EventFolder(tmp_path, 3600, 25, machine.clocks)


def test_files_of_others_stay_and_unfinished_ones_of_its_own_go(tmp_path: Path) -> None:
    others = {"holiday.jpg", "package.json", "20200101.jpg", ".holiday.jpg.abcd_123", "20200101T000000-001.png"}
    own = {"20200101T000000-001.jpg", "20200101T000000-001.json", ".20200101T000001-001.jpg.abcd_123"}
    for name in others | own:
        (tmp_path / name).write_bytes(b"a picture")
        os.utime(tmp_path / name, (1e9, 1e9))
    EventFolder(tmp_path, 3600, 1)
    assert {path.name for path in tmp_path.iterdir()} == others | {INDEX}


def test_two_cameras_of_a_folder_overwrite_nothing(tmp_path: Path) -> None:
    machine = Machine()
    first, second = (EventFolder(tmp_path, 3600, 1e9, machine.clocks) for _ in range(2))
    paths = [first.add(b"first", {}), second.add(b"second", {})]
    assert [path.read_bytes() for path in paths] == [b"first", b"second"]


def test_a_picture_that_cannot_be_deleted_is_said_and_keeps_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine()
    events = EventFolder(tmp_path, 3600, 1e9, machine.clocks)
    first, second = (events.add(b"picture", {}) for _ in range(2))
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == first:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    machine.pass_time(3601)
    with pytest.raises(OutputError, match=f"to delete pictures whose time is over, got Read-only.*{first.name}"):
        events.expire()
    assert [first.exists(), second.exists()] == [True, False]
    assert events.add(b"picture", {}).exists()
    monkeypatch.undo()
    assert events.expire() == [first.stem]
    assert not first.exists()


def test_zones_and_lines_have_names_of_their_own() -> None:
    line = Line(name="yard", start=(0.0, 0.0), end=(1.0, 1.0))
    Watch(WatchSettings(zones=(YARD,), lines=(line,)), lambda _: np.empty(0, np.float32), (32, 32))
    for settings in (WatchSettings(zones=(YARD, YARD)), WatchSettings(lines=(line, line))):
        with pytest.raises(CameraError, match="several 'yard'"):
            Watch(settings, lambda _: np.empty(0, np.float32), (32, 32))


def test_a_folder_of_pictures_is_a_camera(tmp_path: Path) -> None:
    for name, level in (("b.png", 200), ("a.jpg", 50)):
        Image.new("RGB", (40, 30), (level,) * 3).save(tmp_path / name)
    (tmp_path / "c.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no picture")
    source, levels = short_source(f"camera:{tmp_path}?rate=2").open(("red", "green", "blue")), []
    while not source.ended():
        for packet in source.read(0.0):
            levels += [(round(float(values.mean()), -1), float(moment)) for values, moment in
                       zip(packet.values, packet.time, strict=True)]  # fmt: skip
    assert levels == [(50, 0.0), (200, 0.5)]


@pytest.mark.slow
def test_the_command_watches_a_folder(tmp_path: Path, cli: Cli) -> None:
    run = trained(tmp_path, epochs=2)
    pictures, rng = tmp_path / "pictures", np.random.default_rng(0)
    pictures.mkdir()
    for number in range(14):
        picture = np.clip(rng.normal(90, 2, (96, 160, 3)), 0, 255).astype(np.uint8)
        picture[20:80, max(0, 12 * number - 30) : max(0, 12 * number - 10)] = 200
        Image.fromarray(picture).save(pictures / f"{number:03}.png")
    config = tmp_path / "camera.toml"
    points = "[[0.25, 0.0], [0.75, 0.0], [0.75, 1.0], [0.25, 1.0]]"
    config.write_text(f'label = "disc"\nthreshold = 0.0\n[[zones]]\nname = "yard"\npoints = {points}\n')
    words = ["device", "watch", run, "--config", config, "--source", f"camera:{pictures}?rate=2", "--out",
             tmp_path / "events"]  # fmt: skip
    lines = cli(*words, "--begin", "2026-01-05T23:59:58", "--json").splitlines()
    (event,) = [json.loads(line) for line in lines]
    assert event["kind"] == "alarm"
    assert event["time"] > "2026-01-06T00:00"
    assert Path(event["picture"]).read_bytes()[:2] == b"\xff\xd8"
    replayed = [f"replay:{config}" if str(word).startswith("camera:") else word for word in words]
    assert "expected a source of pictures, got replay" in cli(*replayed, code=2)
    config.write_text(f'label = "cat"\n[[zones]]\nname = "yard"\npoints = {points}\n')
    assert "no class 'cat'. Known: disc, square" in cli(*words, code=2)
