"""What Linux' Industrial I/O says of a device in sysfs: channels, how a sample lies in the buffer, scales.

Documentation/ABI/testing/sysfs-bus-iio of the kernel: `scan_elements/*_type` is [be|le]:[s|u]bits/storagebits[Xrepeat]
[>>shift]; elements lie in the order of their index, each aligned to its own size, the whole to the largest of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

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
    found = []
    scan = folder / "scan_elements"
    for file in sorted(scan.glob("in_*_type")):
        name = file.name[len("in_") : -len("_type")]
        text = read(file)
        parts = _TYPE.fullmatch(text)
        if not parts:
            raise InputError("a type such as le:s12/16>>4", repr(text), str(file))
        big, sign, bits, storage, repeat, shift = parts.groups()
        element = Element(
            name, int(read(scan / f"in_{name}_index", "0")), big == "be", sign == "s", int(bits), int(storage),
            int(shift or 0), number(folder, name, "offset", 0.0), number(folder, name, "scale", 1.0),
        )  # fmt: skip
        fits = 1 <= element.bits <= element.storage and element.shift + element.bits <= element.storage
        if element.storage not in (8, 16, 32, 64) or not fits or repeat not in (None, "1"):
            raise InputError("a sample of 8, 16, 32 or 64 bits", repr(text), str(file), "Leave this channel out")
        found.append(element)
    return sorted(found, key=lambda element: element.index)


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


def number(folder: Path, channel: str, what: str, default: float) -> float:
    """in_accel_x_scale, or what all of its kind share: in_accel_scale.

    Raises:
        InputError: for text that is no number.
    """
    kind = re.sub(r"(?:\d+)?(?:_[a-z0-9&]+)?$", "", channel)
    for name in (channel, kind):
        file = folder / f"in_{name}_{what}"
        if file.is_file():
            text = read(file)
            try:
                return float(text)
            except ValueError:
                raise InputError("a number", repr(text), str(file)) from None
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
        raise InputError("an attribute of an IIO device", error.strerror or str(error), str(file)) from None
