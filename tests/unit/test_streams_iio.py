"""Linux IIO: types of samples, and a device as sysfs and its buffer show it, laid out in a folder and a FIFO."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.device.sources.iio import Element, elements, layout
from edgewright.schema.errors import InputError, UnknownNameError
from stream_rows import drain, opened, times, until_notice, values

# An accelerometer with 12 of 16 bits, the most significant byte first, and a temperature of 32: as drivers have them.
CHANNELS = {
    "accel_x": ("0", "be:s12/16>>4"),
    "accel_y": ("1", "be:s12/16>>4"),
    "accel_z": ("2", "be:s12/16>>4"),
    "temp": ("3", "le:u24/32>>8"),
    "timestamp": ("4", "le:s64/64>>0"),
}


class Device:
    """A device in a folder: attributes that can be written, and a FIFO for its buffer."""

    def __init__(self, root: Path, rate: str = "100.000000") -> None:
        self.root = root
        self.folder = root / "sys" / "iio:device0"
        (self.folder / "buffer").mkdir(parents=True)
        (self.folder / "scan_elements").mkdir()
        for name, (index, form) in CHANNELS.items():
            for attribute, text in (("index", index), ("type", form), ("en", "0")):
                (self.folder / "scan_elements" / f"in_{name}_{attribute}").write_text(text + "\n")
        for name, text in {
            "name": "lsm6_accel", "in_accel_scale": "0.009806", "in_temp_scale": "0.5", "in_temp_offset": "-10",
            "sampling_frequency": rate, "buffer/enable": "0", "buffer/length": "2",
            "current_timestamp_clock": "realtime",
        }.items():  # fmt: skip
            (self.folder / name).write_text(text + "\n")
        (root / "dev").mkdir()
        self.fifo = root / "dev" / "iio:device0"
        os.mkfifo(self.fifo)
        # Held open at both ends, as a character device is: a reader that goes away does not end it.
        self.handle = os.open(self.fifo, os.O_RDWR)

    def said(self, name: str) -> str:
        return (self.folder / name).read_text().strip()

    def send(self, x: int, y: int, z: int, temp: int, stamp: int) -> None:
        accel = b"".join(struct.pack(">h", n << 4) for n in (x, y, z))
        os.write(self.handle, accel + b"\0\0" + struct.pack("<I", temp << 8) + b"\0" * 4 + struct.pack("<q", stamp))

    def source(self, *settings: str) -> str:
        return "iio:lsm6_accel?" + "&".join([f"sysfs={self.root / 'sys'}", f"dev={self.root / 'dev'}", *settings])


def test_a_device_is_set_up_read_and_turned_off(tmp_path: Path) -> None:
    device = Device(tmp_path)
    stream = opened(device.source("length=64"), "temp [m°C]", "accel_x", "accel_y", "accel_z")
    assert stream.rate == 100.0
    assert [device.said(f"scan_elements/in_{name}_en") for name in CHANNELS] == ["1"] * 5
    assert (device.said("buffer/length"), device.said("buffer/enable")) == ("64", "1")
    assert device.said("current_timestamp_clock") == "monotonic"
    device.send(-2048, 0, 2047, 100, 5_000_000_000)
    device.send(1, -1, 2, 0, 5_010_000_000)
    packets = drain(stream, 2)
    expected = np.array(
        [[45, -2048 * 0.009806, 0, 2047 * 0.009806], [-5, 0.009806, -0.009806, 2 * 0.009806]], np.float32
    )
    assert np.allclose(values(packets), expected, rtol=1e-6)
    assert times(packets).tolist() == pytest.approx([5.0, 5.01])
    stream.close()
    assert device.said("buffer/enable") == "0"


def test_half_a_scan_waits_for_its_other_half(tmp_path: Path) -> None:
    device = Device(tmp_path)
    stream = opened(device.source(), "temp")
    raw = struct.pack("<IIq", 20 << 8, 0, 10**9)  # temp alone, then room up to the time stamp's alignment
    os.write(device.handle, raw[:7])
    assert stream.read(0.05) == []
    os.write(device.handle, raw[7:] + raw)
    assert values(drain(stream, 2)).tolist() == [[5.0], [5.0]]
    assert device.said("scan_elements/in_accel_x_en") == "0"
    stream.close()


def test_a_device_that_appears_later_is_set_up_then(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    stream = opened(f"iio:lsm6_accel?sysfs={tmp_path / 'sys'}&dev={tmp_path / 'dev'}", "temp")
    until_notice(stream, "no IIO device")
    (tmp_path / "sys").rmdir()
    device = Device(tmp_path)
    until_notice(stream, "is there")
    os.write(device.handle, struct.pack("<IIq", 20 << 8, 0, 10**9))
    assert len(values(drain(stream, 1))) == 1
    stream.close()


def test_what_will_never_work_is_refused(tmp_path: Path) -> None:
    device = Device(tmp_path)
    with pytest.raises(UnknownNameError, match="no column 'magn_x'"):
        opened(device.source(), "magn_x")
    with pytest.raises(InputError, match="expected accel_x in g, got accel_x in m/s²"):
        opened(device.source(), "accel_x [g]")
    (device.folder / "scan_elements" / "in_temp_type").write_text("le:s12\n")
    with pytest.raises(InputError, match="a type such as"):
        opened(device.source(), "temp")
    (device.folder / "scan_elements" / "in_temp_type").write_text("le:s40/32>>0\n")
    with pytest.raises(InputError, match="8, 16, 32 or 64 bits"):
        opened(device.source(), "temp")


@given(
    st.sampled_from([8, 16, 32, 64]),
    st.data(),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(), min_size=1, max_size=5),
)
def test_a_sample_comes_back_whatever_its_type(
    storage: int, data: st.DataObject, big: bool, signed: bool, numbers: list[int]
) -> None:
    bits = data.draw(st.integers(1, storage))
    shift = data.draw(st.integers(0, storage - bits))
    noise = data.draw(st.integers(0, 2**storage - 1))
    element = Element("x", 0, big, signed, bits, storage, shift)
    mask = ((1 << bits) - 1) << shift
    given_numbers, raw = [], b""
    for number in numbers:
        low = number % (1 << bits)
        given_numbers.append(float(low - (1 << bits) if signed and low >> (bits - 1) else low))
        word = (noise & ~mask) | (low << shift)  # drivers leave anything beside the bits
        raw += word.to_bytes(storage // 8, "big" if big else "little")
    decoded = element.decode(np.frombuffer(raw, np.uint8).reshape(len(numbers), -1))
    assert decoded.tolist() == given_numbers


def test_elements_lie_aligned_to_their_own_size(tmp_path: Path) -> None:
    scan = elements(Device(tmp_path).folder)
    assert [e.name for e in scan] == list(CHANNELS)
    assert layout(scan) == ([0, 2, 4, 8, 16], 24)
    assert layout([scan[0], scan[4]]) == ([0, 8], 16)
    assert layout(scan[:3]) == ([0, 2, 4], 6)
