"""Pictures of a camera of Linux (V4L2), or of a file with its recorded stream; a row is a picture."""

from __future__ import annotations

import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import msgspec
import numpy as np

from edgewright.device.sources import Stream, StreamConfig, StreamKind
from edgewright.device.sources._camera_frames import BYTES, COLOURS, FORMATS, GREY, Recording, decoded
from edgewright.device.sources._packet import Arrived
from edgewright.device.sources._polling import CapturedSource, Gone, reached
from edgewright.device.sources._v4l2 import Camera
from edgewright.schema.data import Floats
from edgewright.schema.device import Packet
from edgewright.schema.errors import InputError, MissingExtraError, UnknownNameError

_DO = "Name it: camera:/dev/video0, or camera:FILE for frames that were recorded"
Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]


class CameraConfig(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a camera. Its channels are `red`, `green`, `blue` and `grey`, from 0 to 255.

    Attributes:
        path: of the camera, such as /dev/video0, or of a file with frames as a camera gave them, one after the other.
        width, height: pixels wanted of a camera, which takes the nearest it has; of a file, what raw frames have.
        format: wanted of a camera, or what the frames of a file are; a file holds JPEGs when left out.
        rate: pictures a second: a camera gives no more; of a file, what it was recorded with.
        speed: of a file: 1 is its own pace, 0 as fast as it can be read.
    """

    path: str
    width: Side = 640
    height: Side = 480
    format: Literal["", "MJPG", "YUYV", "RGB3", "GREY"] = ""
    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1000.0)] = 10.0
    speed: Annotated[float, msgspec.Meta(ge=0.0, le=1e6)] = 0.0


class LiveCamera(CapturedSource):
    """A camera; one that vanishes is opened again when it comes back."""

    loses = "what the camera sees while the agent is away is lost"

    def __init__(self, config: CameraConfig, columns: tuple[str, ...]) -> None:
        wanted = (config.format,) if config.format else FORMATS
        super().__init__(
            f"camera {config.path}", lambda: Camera(config.path, config.width, config.height, wanted), None, columns
        )
        self._period, self._due, self._broken = 1.0 / config.rate, 0.0, 0

    def _taken(self, wait: float) -> Arrived | None:
        if not self._opened() or not reached(self._due, wait):
            return None
        camera = self._handle
        try:
            frame = camera.read(wait)
        except Gone as error:
            self._gone(error)
            return None
        if frame is None:
            return None
        self._due = time.monotonic() + self._period
        try:
            planes = decoded(camera.format, frame, camera.width, camera.height, camera.line, self.columns)
        except InputError as error:
            self._broken += 1
            self._notice = f"{self._broken} damaged pictures left out, the last: {error}"
            return None
        return Arrived(_row(planes))


class RecordedCamera(Stream):
    """A file of frames; what lies in memory is one picture.

    Raises:
        InputError: it cannot be read, or holds no pictures.
    """

    rate: float | None = None

    loses = "the next start begins with the first picture of the file"

    def __init__(self, config: CameraConfig, columns: tuple[str, ...]) -> None:
        self._config, self.columns = config, columns
        self.live = bool(config.speed)
        try:
            self._file: BinaryIO = Path(config.path).open("rb")  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise InputError(
                "a camera, or a file with frames", error.strerror or str(error), config.path, _DO
            ) from None
        size = config.width * config.height * BYTES.get(config.format, 0)
        self._recording = Recording(self._file, size, config.path)
        self._given, self._start, self._over = 0, 0.0, False

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return the next picture; at the file's own pace when its time has come."""
        config = self._config
        if self._over:
            return []
        if config.speed:
            self._start = self._start or time.monotonic()
            if not reached(self._start + self._given / (config.rate * config.speed), timeout):
                return []
        moment = np.array([self._given / config.rate])
        notice, values = "", np.empty((0, len(self.columns)), np.float32)
        try:
            frame = self._recording.next()
        except InputError as error:
            frame, notice = b"", f"the recording ends: {error}"
        self._over = not frame
        if frame:
            self._given += 1
            try:
                form = config.format or "MJPG"
                values = _row(decoded(form, frame, config.width, config.height, 0, self.columns))
            except InputError as error:
                notice = f"a picture left out: {error}"
        if not len(values) and not notice:
            return []
        return [Packet(values=values, time=moment[: len(values)], notice=notice)]

    def ended(self) -> bool:
        """Return whether the last picture was given."""
        return self._over

    def close(self) -> None:
        """Close the file."""
        self._over = True
        self._file.close()


def _row(planes: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Floats:
    return planes[None].astype(np.float32)


def _open(config: CameraConfig, columns: tuple[str, ...]) -> Stream:
    try:
        import PIL  # noqa: F401, PLC0415 - of an extra
    except ModuleNotFoundError:
        raise MissingExtraError("camera", "Pillow") from None
    for name in columns:
        if name not in (*COLOURS, GREY):
            raise UnknownNameError("channel of a camera", name, (*COLOURS, GREY), config.path)
    if not config.path:
        raise InputError("the device of a camera, or a file with frames", "none", "--source camera:", _DO)
    wanted = columns or COLOURS
    try:
        special = stat.S_ISCHR(Path(config.path).stat().st_mode)
    except OSError:
        special = config.path.startswith("/dev/")
    return LiveCamera(config, wanted) if special else RecordedCamera(config, wanted)


STREAM = StreamKind(config=CameraConfig, open=_open, example="camera:/dev/video0")
