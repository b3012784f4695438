"""Pictures of a camera of Linux (V4L2), of a file with its recorded stream, or of a folder; a row is a picture."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import io
import mmap
import os
import select
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import (
    FileTooLargeError,
    InputError,
    MissingExtraError,
    SourceDataError,
    SourceError,
    UnknownNameError,
)
from edgewright.core.records.data import Floats
from edgewright.core.records.device import Packet
from edgewright.device.sources import Stream, StreamConfig, StreamKind
from edgewright.device.sources._packet import Arrived
from edgewright.device.sources._polling import CapturedSource, Gone, reached

_CAPTURE, _MMAP, _ANY_FIELD = 1, 1, 0
_CAN_CAPTURE, _CAN_STREAM, _OWN_CAPABILITIES = 1, 0x0400_0000, 0x8000_0000
_BUFFERS = 4
_DAMAGED: Final = 0x40  # flag of a buffer whose picture is not whole
_u32, _u8 = ctypes.c_uint32, ctypes.c_uint8


class Capability(ctypes.Structure):
    """`struct v4l2_capability`."""

    _fields_ = (
        ("driver", _u8 * 16), ("card", _u8 * 32), ("bus_info", _u8 * 32), ("version", _u32), ("capabilities", _u32),
        ("device_caps", _u32), ("reserved", _u32 * 3),
    )  # fmt: skip


class _Pixels(ctypes.Structure):
    _fields_ = tuple((name, _u32) for name in (
        "width", "height", "pixelformat", "field", "bytesperline", "sizeimage", "colorspace", "priv", "flags",
        "encoding", "quantization", "transfer",
    ))  # fmt: skip


class _FormatUnion(ctypes.Union):
    # The pointer stands for those that the union holds in C, which decide where it begins.
    _fields_ = (("pix", _Pixels), ("raw", _u8 * 200), ("align", ctypes.c_void_p))


class Format(ctypes.Structure):
    """`struct v4l2_format`."""

    _fields_ = (("type", _u32), ("fmt", _FormatUnion))


class Request(ctypes.Structure):
    """`struct v4l2_requestbuffers`."""

    _fields_ = (("count", _u32), ("type", _u32), ("memory", _u32), ("capabilities", _u32), ("flags", _u32))


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("microseconds", ctypes.c_long))


class _PayloadUnion(ctypes.Union):
    _fields_ = (("offset", _u32), ("pointer", ctypes.c_ulong), ("fd", ctypes.c_int32))


class Buffer(ctypes.Structure):
    """`struct v4l2_buffer`."""

    _fields_ = (
        ("index", _u32), ("type", _u32), ("bytesused", _u32), ("flags", _u32), ("field", _u32), ("time", _Time),
        ("timecode", _u32 * 4), ("sequence", _u32), ("memory", _u32), ("m", _PayloadUnion), ("length", _u32),
        ("reserved2", _u32), ("request", ctypes.c_int32),
    )  # fmt: skip


def _number(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("V") << 8 | number


QUERYCAP = _number(2, 0, ctypes.sizeof(Capability))
S_FMT = _number(3, 5, ctypes.sizeof(Format))
REQBUFS = _number(3, 8, ctypes.sizeof(Request))
QUERYBUF = _number(3, 9, ctypes.sizeof(Buffer))
QBUF = _number(3, 15, ctypes.sizeof(Buffer))
DQBUF = _number(3, 17, ctypes.sizeof(Buffer))
STREAMON = _number(1, 18, 4)
STREAMOFF = _number(1, 19, 4)


class Camera:
    """An open camera that streams.

    Args:
        path: such as '/dev/video0'.
        width, height: wanted; the driver takes the nearest it has.
        formats: four characters each, the most wanted first.

    Attributes:
        format: four characters, one of `formats`.
        width, height, line: pixels of a row and a column, and bytes of a row.

    Raises:
        Gone: it cannot be opened, is no camera, or has none of these formats.
    """

    def __init__(self, path: str, width: int, height: int, formats: tuple[str, ...]) -> None:
        self._shared: list[mmap.mmap] = []
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            raise Gone(error.strerror or str(error)) from None
        try:
            self._check()
            self._settle(width, height, formats)
            self._share()
            fcntl.ioctl(self._fd, STREAMON, _u32(_CAPTURE))
        except OSError as error:
            self.close()
            raise Gone(error.strerror or str(error)) from None
        except Gone:
            self.close()
            raise

    def read(self, timeout: float) -> bytes | None:
        """Return the newest picture that is whole; None where none came in time. Older ones are left out.

        Raises:
            Gone: the camera vanished.
        """
        newest = None
        try:
            ready, _, failed = select.select([self._fd], [], [self._fd], max(0.0, timeout))
            if failed and not ready:
                raise Gone("no stream")
            while ready:
                buffer = Buffer(type=_CAPTURE, memory=_MMAP)
                try:
                    fcntl.ioctl(self._fd, DQBUF, buffer)
                except BlockingIOError:
                    break
                if not buffer.flags & _DAMAGED and buffer.bytesused:
                    newest = self._shared[buffer.index][: buffer.bytesused]
                fcntl.ioctl(self._fd, QBUF, buffer)
        except OSError as error:
            raise Gone(error.strerror or str(error)) from None
        return newest

    def close(self) -> None:
        """End the stream and give the camera back."""
        with suppress(OSError):
            fcntl.ioctl(self._fd, STREAMOFF, _u32(_CAPTURE))
        for shared in self._shared:
            shared.close()
        self._shared = []
        with suppress(OSError):
            os.close(self._fd)
        self._fd = -1

    def _check(self) -> None:
        capability = Capability()
        try:
            fcntl.ioctl(self._fd, QUERYCAP, capability)
        except OSError as error:
            if error.errno == errno.ENOTTY:
                raise Gone("no camera") from None
            raise
        able = capability.device_caps if capability.capabilities & _OWN_CAPABILITIES else capability.capabilities
        if not (able & _CAN_CAPTURE and able & _CAN_STREAM):
            raise Gone("it gives no stream of pictures")

    def _settle(self, width: int, height: int, formats: tuple[str, ...]) -> None:
        for wanted in formats:
            request = Format(type=_CAPTURE)
            pix = request.fmt.pix
            pix.width, pix.height, pix.field = width, height, _ANY_FIELD
            pix.pixelformat = int.from_bytes(wanted.encode(), "little")
            with suppress(OSError):  # some drivers refuse a format that they do not have, others give another one
                fcntl.ioctl(self._fd, S_FMT, request)
                if pix.pixelformat == int.from_bytes(wanted.encode(), "little"):
                    self.format, self.width, self.height, self.line = wanted, pix.width, pix.height, pix.bytesperline
                    return
        raise Gone(f"none of the formats {', '.join(formats)}")

    def _share(self) -> None:
        request = Request(count=_BUFFERS, type=_CAPTURE, memory=_MMAP)
        fcntl.ioctl(self._fd, REQBUFS, request)
        if not request.count:
            raise Gone("no buffers")
        for index in range(request.count):
            buffer = Buffer(index=index, type=_CAPTURE, memory=_MMAP)
            fcntl.ioctl(self._fd, QUERYBUF, buffer)
            both = mmap.PROT_READ | mmap.PROT_WRITE
            self._shared.append(mmap.mmap(self._fd, buffer.length, mmap.MAP_SHARED, both, offset=buffer.m.offset))
            fcntl.ioctl(self._fd, QBUF, buffer)


Planes = NDArray[np.uint8]
COLOURS, GREY = ("red", "green", "blue"), "grey"
# What a camera is asked for, the most wanted first; V4L2's names.
FORMATS = ("MJPG", "YUYV", "RGB3", "GREY")
BYTES = {"YUYV": 2, "RGB3": 3, "GREY": 1}  # of a pixel, where all pictures have as many
_PIECE, _LARGEST = 1 << 20, 64 << 20
_BEGIN, _END = b"\xff\xd8", b"\xff\xd9"
_BARE = (0x01, *range(0xD0, 0xD8))  # markers of JPEG without a length behind them


def decoded(form: str, frame: bytes, width: int, height: int, line: int, columns: tuple[str, ...]) -> Planes:
    """Return a frame as planes, shape (columns, height, width).

    Args:
        form: one of `FORMATS`.
        frame: bytes of one picture.
        width: of a picture that does not say it itself.
        height: as width.
        line: bytes of a row; 0 where nothing lies between rows.
        columns: 'red', 'green', 'blue' and 'grey', any of them.

    Raises:
        InputError: the frame is not whole, or no picture.
    """
    if form == "MJPG":
        return _jpeg(frame, columns)
    each = BYTES[form]
    line = max(line, width * each)
    if len(frame) < line * (height - 1) + width * each:
        raise SourceDataError(f"{line * height} bytes of a picture", f"{len(frame)}", f"a frame of {form}")
    padded = np.frombuffer(frame.ljust(line * height, b"\0"), np.uint8, line * height).reshape(height, line)
    rows = padded[:, : width * each].reshape(height, width, each)
    if form == "GREY":
        return np.repeat(rows.transpose(2, 0, 1), len(columns), axis=0)
    return chosen(rows if form == "RGB3" else _from_yuyv(rows), columns)


def chosen(rows: NDArray[np.uint8], columns: tuple[str, ...]) -> Planes:
    """Return the planes of red, green and blue pixels, shape (height, width, 3), that are asked for."""
    planes = []
    for name in columns:
        if name == GREY:  # as Pillow's 'L', ITU-R BT.601
            parts = rows.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
            planes.append(((parts + 0x8000) >> 16).astype(np.uint8))
        else:
            planes.append(rows[..., COLOURS.index(name)])
    return np.stack(planes)


def _jpeg(frame: bytes, columns: tuple[str, ...]) -> Planes:
    from edgewright.core.input.pictures import opened  # noqa: PLC0415 - of an extra

    return chosen(opened(frame, "a frame", lambda picture: np.asarray(picture.convert("RGB"), np.uint8)), columns)


def _from_yuyv(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness of each pixel, colour of each two, as ITU-R BT.601 has them in 16 to 235 and 16 to 240."""
    width = rows.shape[1] - rows.shape[1] % 2
    wide = rows[:, :width].astype(np.float32)
    y = (wide[..., 0] - 16.0) * (255.0 / 219.0)
    u, v = (np.repeat(wide[:, side::2, 1] - 128.0, 2, axis=1) * (255.0 / 224.0) for side in (0, 1))
    rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


class Recording:
    """Frames of a stream that was written to a file, one after the other; one is in memory.

    Args:
        file: open, at its start.
        size: bytes of a frame; 0 for JPEG after JPEG.
        name: name of the file, for messages.
    """

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self._size, self._name = file, size, name
        self._buffer = b""

    def next(self) -> bytes:
        """Return the next frame; empty at the end.

        Raises:
            InputError: something else than a JPEG, or one that is too large or cut off.
        """
        if self._size:
            frame = self._file.read(self._size)
            if frame and len(frame) < self._size:
                raise SourceDataError(f"frames of {self._size} bytes", f"{len(frame)} bytes at the end", self._name)
            return frame
        if not self._more(lambda: len(self._buffer) >= 2):
            if self._buffer:
                raise SourceDataError("a whole JPEG", "the file ends", self._name)
            return b""
        if self._buffer[:2] != _BEGIN:
            raise SourceDataError(
                "JPEG after JPEG", "other bytes", self._name,
                "Say the form of raw frames: ?format=YUYV&width=640&height=480",
            )  # fmt: skip
        frame, self._buffer = self._buffer[: (end := self._frame())], self._buffer[end:]
        return frame

    def _frame(self) -> int:
        """Return where the first JPEG ends: its segments say their length, and its pixels hold no marker."""
        at = 2
        while True:
            self._need(at + 4)
            if self._buffer[at] != 0xFF:
                at = self._search(b"\xff", at)
                continue
            marker = self._buffer[at + 1]
            if marker == _END[1]:
                return at + 2
            if marker in (0x00, 0xFF, *_BARE):
                at += 1 if marker == 0xFF else 2
                continue
            at += 2 + int.from_bytes(self._buffer[at + 2 : at + 4], "big")

    def _search(self, mark: bytes, start: int) -> int:
        while (at := self._buffer.find(mark, start)) < 0:
            start = len(self._buffer)
            self._need(start + 3)
        return at

    def _need(self, length: int) -> None:
        # A frame ends with two bytes; the two behind them may be missing at the end of the file.
        if not self._more(lambda: len(self._buffer) >= length) and len(self._buffer) < length - 2:
            raise SourceDataError("a whole JPEG", "the file ends", self._name, "It was cut off: record it again")

    def _more(self, enough: Callable[[], bool]) -> bool:
        while not enough():
            if len(self._buffer) > _LARGEST:
                raise FileTooLargeError(f"frames of at most {_LARGEST >> 20} MB", "a larger one", self._name)
            piece = self._file.read(_PIECE)
            if not piece:
                return False
            self._buffer += piece
        return True


class Folder:
    """Pictures of a folder in the order of their names; one is in memory.

    Args:
        path: of the folder, of which other files are left out.

    Raises:
        InputError: it has no pictures.
    """

    def __init__(self, path: Path) -> None:
        from edgewright.core.input.pictures import ENDINGS  # noqa: PLC0415 - of an extra

        self._left = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
        if not self._left:
            raise SourceError(f"pictures ({', '.join(ENDINGS)})", "none in the folder", str(path), _DO)
        self._left.reverse()

    def next(self) -> bytes:
        """Return the next picture; empty at the end, or where a file is too large or gone."""
        while self._left:
            file = self._left.pop()
            with suppress(OSError):
                if 0 < file.stat().st_size <= _LARGEST:
                    return file.read_bytes()
        return b""


_DO = "Name it: camera:/dev/video0, or camera:FILE for frames that were recorded, or camera:FOLDER of pictures"
Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]


class CameraConfig(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a camera. Its channels are `red`, `green`, `blue` and `grey`, from 0 to 255.

    Attributes:
        path: path of the camera, such as /dev/video0, of a file with the consecutive frames of a camera, or of a
            folder of pictures.
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

    def _arrived(self, wait: float) -> Arrived | None:
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
    """A file of frames, or a folder of pictures; what lies in memory is one picture.

    Raises:
        InputError: it cannot be read, or holds no pictures.
    """

    rate: float | None = None

    loses = "the next start begins with the first picture of the file"

    def __init__(self, config: CameraConfig, columns: tuple[str, ...]) -> None:
        self._config, self.columns = config, columns
        self.live = bool(config.speed)
        self._file: BinaryIO = io.BytesIO()
        self._given, self._start, self._over = 0, 0.0, False
        if Path(config.path).is_dir():
            if config.format:
                raise SourceError("a folder without format", config.format, config.path, "Pictures say their own")
            self._recording: Recording | Folder = Folder(Path(config.path))
            return
        try:
            self._file = Path(config.path).open("rb")  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise SourceError(
                "a camera, or a file with frames", error.strerror or str(error), config.path, _DO
            ) from None
        size = config.width * config.height * BYTES.get(config.format, 0)
        self._recording = Recording(self._file, size, config.path)

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
        raise SourceError("the device of a camera, or a file with frames", "none", "--source camera:", _DO)
    wanted = columns or COLOURS
    try:
        special = stat.S_ISCHR(Path(config.path).stat().st_mode)
    except OSError:
        special = Path("/dev") in (path := Path(config.path)).parents and path.parts[2] != "shm"  # files in memory
    return LiveCamera(config, wanted) if special else RecordedCamera(config, wanted)


STREAM = StreamKind(config=CameraConfig, open=_open, example="camera:/dev/video0")
