"""A camera of Linux through its driver: `ioctl` calls and buffers that the driver shares.

Structures and numbers: `linux/videodev2.h`, the interface Video4Linux2.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
from contextlib import suppress
from typing import Final

from edgewright.device.sources._polling import Gone

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
