"""Sensors of Linux' Industrial I/O: the buffer of a device, set up in sysfs and read from /dev/iio:deviceN.

Documentation/ABI/testing/sysfs-bus-iio of the kernel: `scan_elements/*_type` is [be|le]:[s|u]bits/storagebits[Xrepeat]
[>>shift]; elements lie in the order of their index, each aligned to its own size, the whole to the largest of them.
"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, SourceDataError, SourceError
from edgewright.device.sources import Stream, StreamConfig, StreamKind
from edgewright.device.sources._packet import NO_COLUMN, Arrived, match, refuse_missing
from edgewright.device.sources._polling import AwaitedSource

_TYPE = re.compile(r"(be|le):([su])(\d+)/(\d+)(?:X(\d+))?(?:>>(\d+))?")
TIMESTAMP = "timestamp"
# Units of the ABI by the kind of channel, after scale and offset.
_UNITS = {
    "accel": "m/s²", "anglvel": "rad/s", "magn": "gauss", "temp": "m°C", "pressure": "kPa", "voltage": "mV",
    "current": "mA", "power": "mW", "illuminance": "lux", "humidityrelative": "m%", "proximity": "", "angl": "rad",
    "gravity": "m/s²",
}  # fmt: skip


@dataclass(frozen=True)
class Element:
    """A channel of the buffer.

    Attributes:
        name: 'accel_x', 'timestamp'.
        index: its place in the scan.
        big: whether bytes lie the most significant first.
        signed, bits, storage, shift: of the number, in bits.
        offset, scale: (raw + offset) * scale is in the unit of the ABI.
    """

    name: str
    index: int
    big: bool
    signed: bool
    bits: int
    storage: int
    shift: int
    offset: float = 0.0
    scale: float = 1.0

    @property
    def bytes(self) -> int:
        """Bytes in the buffer."""
        return self.storage // 8

    def decode(self, raw: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return numbers in the unit of the ABI from bytes of shape (n, bytes)."""
        whole = np.ascontiguousarray(raw).view(f"{'>' if self.big else '<'}u{self.bytes}")[:, 0].astype(np.uint64)
        whole = whole >> np.uint64(self.shift)
        if self.bits < 64:
            whole = whole & np.uint64((1 << self.bits) - 1)
        numbers = whole.astype(np.float64)
        if self.signed:
            # The sign bit counts -2^(bits-1); as int64, so that no digit is lost before the subtraction.
            moved = (whole << np.uint64(64 - self.bits)).view(np.int64) >> np.int64(64 - self.bits)
            numbers = moved.astype(np.float64)
        return (numbers + self.offset) * self.scale

    @property
    def unit(self) -> str:
        """Of the ABI; empty where it has none."""
        return _UNITS.get(re.split(r"[\d_]", self.name)[0], "")


def elements(folder: Path) -> list[Element]:
    """All channels that the device can put into its buffer, in the order of the scan.

    Raises:
        InputError: for a type that is none.
    """
    channels = []
    scan = folder / "scan_elements"
    for file in sorted(scan.glob("in_*_type")):
        name = file.name[len("in_") : -len("_type")]
        text = read(file)
        parts = _TYPE.fullmatch(text)
        if not parts:
            raise SourceError("a type such as le:s12/16>>4", repr(text), str(file))
        big, sign, bits, storage, repeat, shift = parts.groups()
        element = Element(
            name, int(read(scan / f"in_{name}_index", "0")), big == "be", sign == "s", int(bits), int(storage),
            int(shift or 0), number(folder, name, "offset", 0.0), number(folder, name, "scale", 1.0),
        )  # fmt: skip
        fits = 1 <= element.bits <= element.storage and element.shift + element.bits <= element.storage
        if element.storage not in (8, 16, 32, 64) or not fits or repeat not in (None, "1"):
            raise SourceError("a sample of 8, 16, 32 or 64 bits", repr(text), str(file), "Leave this channel out")
        channels.append(element)
    return sorted(channels, key=lambda element: element.index)


def layout(scan: Sequence[Element]) -> tuple[list[int], int]:
    """Where each enabled element begins, and the bytes of a whole scan."""
    at, places, largest = 0, [], 1
    for element in scan:
        size = element.bytes
        at = (at + size - 1) // size * size
        places.append(at)
        at += size
        largest = max(largest, size)
    return places, (at + largest - 1) // largest * largest


def number(folder: Path, channel: str, attribute: str, default: float) -> float:
    """in_accel_x_scale, or what all of its kind share: in_accel_scale.

    Raises:
        InputError: for text that is no number.
    """
    kind = re.sub(r"(?:\d+)?(?:_[a-z0-9&]+)?$", "", channel)
    for name in (channel, kind):
        file = folder / f"in_{name}_{attribute}"
        if file.is_file():
            text = read(file)
            try:
                return float(text)
            except ValueError:
                raise SourceDataError("a number", repr(text), str(file)) from None
    return default


def read(file: Path, default: str | None = None) -> str:
    """Return the text of an attribute.

    Raises:
        InputError: when it is not there and has no default.
    """
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        if default is not None:
            return default
        raise SourceError("an attribute of an IIO device", error.strerror or str(error), str(file)) from None


_SCANS = 1024  # read at once


class IioConfig(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an IIO device. Its channels are called as in sysfs: accel_x, anglvel_z, temp, voltage0.

    Attributes:
        device: 'iio:device0', or the name that the driver gives: 'lsm6dsl_accel'.
        rate: samples a second to set; left out, it is as it is.
        length: samples that the kernel's buffer holds.
        sysfs, dev: folders of devices.
    """

    device: str
    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1e6)] | None = None
    length: Annotated[int, msgspec.Meta(ge=2, le=1 << 20)] = 256
    sysfs: str = "/sys/bus/iio/devices"
    dev: str = "/dev"


class IioBuffer(AwaitedSource):
    """The buffer of a device; one that vanishes is set up again when it comes back.

    Raises:
        InputError: for a channel that is not there, a rate that the device does not take, or attributes that this
            user may not write.
    """

    loses = "what the sensor measures while the agent is away is lost"

    def __init__(self, config: IioConfig, columns: tuple[str, ...]) -> None:
        super().__init__(config.rate, columns)
        self._config, self._wanted = config, columns
        self._folder: Path | None = None
        self._scan: list[Element] = []
        self._places: list[int] = []
        self._starts: list[int] = []
        self._size = 1
        self._buffer = b""
        if self._find() is None:
            self._failed(f"no IIO device {config.device}: retrying")
        else:
            self._set_up()

    def close(self) -> None:
        """Turn the buffer off."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._folder is not None and self._folder.is_dir():
            self._write(self._folder / "buffer" / "enable", "0", must=False)

    def _find(self) -> Path | None:
        root = Path(self._config.sysfs)
        direct = root / self._config.device
        if direct.is_dir() and self._config.device.startswith("iio:"):
            return direct
        named = (f for f in sorted(root.glob("iio:device*")) if read(f / "name", "") == self._config.device)
        return next(named, None)

    def _set_up(self) -> None:
        folder = self._find()
        if folder is None:
            raise SourceError("an IIO device", f"none called {self._config.device!r}", self._config.sysfs)
        where = folder.name
        known = elements(folder)
        given = [e for e in known if e.name != TIMESTAMP]
        if not given:
            raise SourceError("a device with a buffer (scan_elements)", "none", where, "Its driver has no buffer")
        names = [f"{e.name} [{e.unit}]" if e.unit else e.name for e in given]
        columns = match(names, self._wanted, where, time=NO_COLUMN, sequence=NO_COLUMN)
        refuse_missing(columns, [e.name for e in given], where)
        wanted = {given[index].name for index in columns.places}
        self.columns = self._wanted or tuple(given[index].name for index in columns.places)
        self._scan = [e for e in known if e.name in wanted or e.name == TIMESTAMP]
        self._starts, self._size = layout(self._scan)
        self._places = [next(i for i, e in enumerate(self._scan) if e.name == given[p].name) for p in columns.places]
        self._enable(folder, known)
        self._folder = folder
        try:
            self._handle = os.open(Path(self._config.dev) / where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            do = "Run as a user who can read it (udev rule or group)"
            raise SourceError(
                "a buffer that can be read", error.strerror or str(error), f"{self._config.dev}/{where}", do
            ) from None
        self._buffer = b""

    def _enable(self, folder: Path, known: Sequence[Element]) -> None:
        """Put the wanted channels into the buffer and turn it on."""
        self._write(folder / "buffer" / "enable", "0")
        for element in known:
            self._write(folder / "scan_elements" / f"in_{element.name}_en", "1" if element in self._scan else "0")
        rates = [folder / "sampling_frequency", *sorted(folder.glob("in_*sampling_frequency"))]
        rate = next((file for file in rates if file.is_file()), None)
        if self._config.rate and rate is not None:
            self._write(rate, f"{self._config.rate:g}")
        if rate is not None:
            text = read(rate, "")
            measured = float(text) if text.replace(".", "", 1).isdigit() else None
            if self._config.rate and measured and abs(measured - self._config.rate) > 0.02 * self._config.rate:
                offered = read(folder / "sampling_frequency_available", "")
                raise SourceError(
                    f"a device at {self._config.rate:g} Hz", f"{measured:g} Hz", folder.name,
                    f"It offers {offered} Hz" if offered else "",
                )  # fmt: skip
            self.rate = measured or self._config.rate
        # Times shall go on when somebody sets the clock.
        self._write(folder / "current_timestamp_clock", "monotonic", must=False)
        self._write(folder / "buffer" / "length", str(self._config.length))
        self._write(folder / "buffer" / "enable", "1")

    def _write(self, file: Path, text: str, *, must: bool = True) -> None:
        if not file.is_file():
            return
        try:
            file.write_text(text)
        except OSError as error:
            # What is already as it should be need not be written.
            if must and read(file, "") != text:
                do = "Run as a user who can write it (udev rule or group)"
                raise SourceError("to set up the device", error.strerror or str(error), str(file), do) from None

    def _arrived(self, wait: float) -> Arrived | None:
        if self._handle is None and not self._again():
            return None
        if not select.select([self._handle], [], [], wait)[0]:
            return None
        try:
            data = os.read(self._handle, _SCANS * self._size)
        except BlockingIOError:
            return None
        except OSError as error:
            self._gone(error.strerror or str(error))
            return None
        if not data:
            self._gone("its buffer ended")
            return None
        pending = self._buffer + data
        whole = len(pending) // self._size * self._size
        self._buffer = pending[whole:]
        return self._decoded(np.frombuffer(pending[:whole], np.uint8).reshape(-1, self._size)) if whole else None

    def _decoded(self, raw: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Arrived:
        values = np.empty((len(raw), len(self._places)), np.float32)
        for channel, index in enumerate(self._places):
            element, start = self._scan[index], self._starts[index]
            values[:, channel] = element.decode(raw[:, start : start + element.bytes])
        times = None
        if self._scan[-1].name == TIMESTAMP:
            start = self._starts[-1]
            stamps = np.ascontiguousarray(raw[:, start : start + 8]).view("<i8")[:, 0]
            times = stamps.astype(np.float64) * 1e-9
        return Arrived(values, times)

    def _gone(self, why: str) -> None:
        os.close(self._handle)
        self._handle = None
        self._failed(f"{self._config.device} is gone ({why}): retrying")

    def _again(self) -> bool:
        if self._backoff.wait():
            return False
        try:
            self._set_up()
        except InputError as error:
            self._failed("" if self._find() is None else str(error))
            return False
        self._backoff.worked()
        self._notice = f"{self._config.device} is there"
        return True


def _open(config: IioConfig, columns: tuple[str, ...]) -> Stream:
    if not config.device:
        raise SourceError("an IIO device", "none", "--source iio:", "Name it: iio:iio:device0, or by its driver's name")
    return IioBuffer(config, columns)


STREAM = StreamKind(config=IioConfig, open=_open, example="iio:lsm6dsl_accel?rate=104", location_settings="device")
