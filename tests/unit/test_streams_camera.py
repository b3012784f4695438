"""Cameras: a driver's pictures through V4L2, recorded streams, and a package that answers them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from c99_stages import need_compiler
from cli_runner import Cli
from edgewright.core.errors import InputError, UnknownNameError
from edgewright.core.input.pictures import resized
from edgewright.core.predictor import load
from edgewright.core.records.data import Floats
from edgewright.device.sources import short_source
from edgewright.export.c99_host.host import compiler_command
from picture_folder import SHAPES, shape_picture, trained

HERE = Path(__file__).parent
COLOURS = ("red", "green", "blue")


def jpeg(colour: tuple[int, int, int], thumbnail: bool = False) -> bytes:
    """Return a JPEG of one colour; with a picture inside its head, as phones write them."""
    return encoded(Image.new("RGB", (40, 30), colour), b"Exif\0\0" + jpeg((1, 2, 3)) if thumbnail else b"")


def encoded(picture: Image.Image, exif: bytes = b"") -> bytes:
    """Return the bytes of a picture as JPEG."""
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


def played(text: str, columns: tuple[str, ...] = COLOURS) -> tuple[list[Floats], str]:
    """Return all pictures of a recorded stream, and what was told of it."""
    source = short_source(text).open(columns)
    pictures, notices = [], []
    while not source.ended():
        for packet in source.read(0.0):
            pictures += list(packet.values)
            notices += [packet.notice] if packet.notice else []
    source.close()
    return pictures, "; ".join(notices)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a library that stands for the kernel, compiled against its header."""
    out = tmp_path_factory.mktemp("camera") / "camera.so"
    need_compiler()
    command = [
        *compiler_command(),
        "-Wall",
        "-Werror",
        "-O1",
        "-shared",
        "-fPIC",
        str(HERE / "camera_double.c"),
        "-o",
        str(out),
        "-ldl",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return out


LIVE = """
import json, sys, time
from edgewright.device.sources import short_source
source = short_source("camera:/dev/video-double?rate=1000").open(("red", "green", "blue"))
end = time.monotonic() + 3.0
seen, notices = [], []
while time.monotonic() < end and not any("is there" in text for text in notices):
    for packet in source.read(0.05):
        seen += [[list(one.shape), float(one.min()), float(one.max())] for one in packet.values]
        notices += [packet.notice] if packet.notice else []
source.close()
print(json.dumps([seen, notices]))
"""


def test_pictures_come_from_a_driver_that_vanishes_and_returns(driver: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIVE], env={"LD_PRELOAD": str(driver), "PATH": "/usr/bin:/bin"},
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    seen, notices = json.loads(done.stdout)
    expected = [round((16 + 10 * k - 16) * 255 / 219) for k in range(12) if k != 3]
    values = [low for shape, low, high in seen if shape == [3, 48, 64] and low == high]
    assert len(values) == len(seen) >= 3
    assert set(values) <= set(expected)
    assert values[0] < values[1] < values[2]
    assert notices == [
        "camera /dev/video-double is gone (No such device): retrying",
        "camera /dev/video-double is there",
    ]


def test_a_recorded_stream_of_jpegs_is_cut_at_their_ends(tmp_path: Path) -> None:
    path = tmp_path / "day.mjpeg"
    path.write_bytes(jpeg((250, 0, 0)) + jpeg((0, 250, 0), thumbnail=True) + jpeg((0, 0, 250)))
    pictures, notices_of = played(f"camera:{path}")
    assert [int(one.mean(axis=(1, 2)).argmax()) for one in pictures] == [0, 1, 2]
    assert {one.shape for one in pictures} == {(3, 30, 40)}
    assert not notices_of
    path.write_bytes(path.read_bytes()[:-40])
    pictures, notices_of = played(f"camera:{path}")
    assert len(pictures) == 2
    assert "expected a whole JPEG, got the file ends" in notices_of


def test_raw_frames_grey_and_wrong_settings(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    yuyv = np.tile(np.array([81, 90, 81, 240], np.uint8), 8 * 6 // 2)  # red, by ITU-R BT.601
    path.write_bytes(yuyv.tobytes() * 2)
    pictures, _ = played(f"camera:{path}?format=YUYV&width=8&height=6", ("red", "green", "blue", "grey"))
    assert len(pictures) == 2
    np.testing.assert_allclose(pictures[0][:, 0, 0], (254, 0, 0, 76), atol=1.5)
    assert "expected frames of 60 bytes, got 12 bytes" in played(f"camera:{path}?format=YUYV&width=6&height=5")[1]
    assert "?format=YUYV&width=640&height=480" in played(f"camera:{path}")[1]
    for text, message in (
        (f"camera:{path}?format=H264", "format"),
        ("camera:", "device of a camera, .* got none - at --source camera:. Name it: camera:/dev/video0"),
        (f"camera:{tmp_path}", "none in the folder .* Name it: camera:/dev/video0"),
        (f"camera:{tmp_path / 'none'}", "No such file .* Name it: camera:/dev/video0"),
    ):
        with pytest.raises(InputError, match=message):
            short_source(text).open(COLOURS)
    with pytest.raises(UnknownNameError):
        short_source(f"camera:{path}").open(("acc_x",))


@pytest.mark.slow
def test_an_agent_answers_a_camera_as_the_desk_does(tmp_path: Path, cli: Cli) -> None:
    run = trained(tmp_path, epochs=20)
    path = tmp_path / "door.mjpeg"
    rng = np.random.default_rng(5)
    path.write_bytes(b"".join(encoded(Image.fromarray(shape_picture(shape, rng))) for shape in SHAPES * 4))
    store = tmp_path / "store"
    cli("device", "run", run, "--source", f"camera:{path}?rate=2", "--store", store)
    pictures, _ = played(f"camera:{path}")
    predictor = load(run)
    height, width = predictor.manifest.shape[1:]
    samples = np.stack([resized(one.astype(np.uint8), (height, width), "crop") for one in pictures])
    labels = predictor.predict(samples.astype(np.float32)).labels
    summary = next(row for row in cli.rows("device", "query", "--store", store) if row["event"]["kind"] == "summary")
    assert summary["event"]["detail"]["counts"] == dict(Counter(labels))
    assert set(labels) == set(SHAPES)
