"""Sources of plants: OPC UA, Modbus and IIO."""

from __future__ import annotations

import math
import os
import struct
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.core.errors import InputError, UnknownNameError
from edgewright.device.sources.iio import Element, elements, layout
from edgewright.device.sources.modbus import Register, blocks, read_register
from plant import ModbusPlant, OpcuaPlant, free_port
from stream_rows import drain, notices, opened, times, until_notice, values


@pytest.mark.slow
def test_variables_of_an_opcua_server_are_rows_and_a_text_is_missing() -> None:
    plant = OpcuaPlant(free_port(), speed=1.5, state="on")
    stream = opened(f"opcua:{plant.url}?rate=50&nodes={plant.nodes}", "state", "speed")
    got = values(drain(stream, 3))
    assert got[:, 1].tolist() == [1.5] * len(got)
    assert np.isnan(got[:, 0]).all()
    plant.set(speed=2.5)
    assert values(drain(stream, 3))[-1, 1] == 2.5
    stream.close()
    plant.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "is_good"),
    [
        ("Good", True), ("GoodClamped", True), ("GoodLocalOverride", True), ("Uncertain", False),
        ("UncertainLastUsableValue", False), ("UncertainSensorNotAccurate", False), ("Bad", False),
        ("BadSensorFailure", False), ("BadNotConnected", False), ("BadOutOfService", False),
    ],
)  # fmt: skip
def test_a_value_that_is_not_good_is_missing(status: str, is_good: bool) -> None:
    plant = OpcuaPlant(free_port(), speed=1.5, heat=20.0)
    stream = opened(f"opcua:{plant.url}?rate=50&nodes={plant.nodes}", "speed", "heat")
    assert values(drain(stream, 2)).tolist()[-1] == [1.5, 20.0]
    plant.set_status("speed", 99.0, status)
    row = values(drain(stream, 3))[-1].tolist()
    assert row[1] == 20.0
    assert row[0] == 99.0 if is_good else math.isnan(row[0])
    plant.set(speed=2.5)
    assert values(drain(stream, 3)).tolist()[-1] == [2.5, 20.0]
    stream.close()
    plant.stop()


@pytest.mark.slow
def test_a_history_with_values_that_are_not_good_has_them_missing() -> None:
    plant = OpcuaPlant(free_port(), speed=1.0)
    plant.keep_history()
    settings = f"opcua:{plant.url}?rate=20&nodes={plant.nodes}"
    stream = opened(settings, "speed")
    drain(stream, 2)
    position = stream.position()
    stream.close()
    for value, status in ((2.0, "Good"), (99.0, "UncertainLastUsableValue"), (98.0, "BadSensorFailure"), (3.0, "Good")):
        plant.set_status("speed", value, status)
        time.sleep(0.3)
    again = opened(settings, "speed")
    assert again.resume(position)
    known = values(drain(again, 20))[:, 0]
    assert not {98.0, 99.0} & set(known.tolist())
    changes = [float(known[0]), *(float(b) for a, b in pairwise(known) if str(a) != str(b))]
    assert [str(value) for value in changes][-3:] == ["2.0", "nan", "3.0"]
    again.close()
    plant.stop()


@pytest.mark.slow
def test_an_opcua_server_that_goes_is_told_once_and_found_again() -> None:
    port = free_port()
    plant = OpcuaPlant(port, speed=1.5)
    stream = opened(f"opcua:{plant.url}?rate=50&nodes={plant.nodes}", "speed")
    assert values(drain(stream, 1)).tolist() == [[1.5]]
    plant.stop()
    until_notice(stream, "retrying", 20)
    until = time.monotonic() + 1.0
    assert notices([packet for _ in range(100) if time.monotonic() < until for packet in stream.read(0.05)]) == []
    again = OpcuaPlant(port, speed=3.5)
    until_notice(stream, "is there", 30)
    assert values(drain(stream, 1)).tolist() == [[3.5]]
    stream.close()
    again.stop()


def test_registers_of_a_modbus_device_are_rows_of_their_types() -> None:
    high, low = struct.unpack(">2H", struct.pack(">f", 21.5))
    plant = ModbusPlant(port := free_port(), [7, 65535, high, low, 3])
    source = f"modbus:127.0.0.1:{port}?rate=50&registers=count@0,cold@1:int16*0.5,heat@2:float32,twice@input:4"
    stream = opened(source, "heat", "cold", "count", "twice")
    packets = drain(stream, 3)
    assert values(packets)[0].tolist() == [21.5, -0.5, 7, 6]
    times = [float(packet.time[0]) for packet in packets if len(packet.values)]
    assert np.diff(times) == pytest.approx(0.02, abs=0.015)
    stream.close()
    swapped = opened(f"modbus:127.0.0.1:{port}?registers=heat@2:float32&words=low")
    assert values(drain(swapped, 1))[0, 0] != 21.5
    swapped.close()
    plant.stop()


def test_a_modbus_device_that_refuses_or_is_away_is_told_in_a_line() -> None:
    plant = ModbusPlant(port := free_port(), [7])
    stream = opened(f"modbus:127.0.0.1:{port}?rate=50&registers=far@900")
    (notice,) = notices(until_notice(stream, "retrying", 20))
    assert notice == f"127.0.0.1:{port}: unit 1 refuses holding registers 900 to 900; retrying"
    stream.close()
    plant.stop()
    stream = opened(f"modbus:127.0.0.1:{port}?registers=near@0")
    assert "no device answers there; retrying" in notices(until_notice(stream, "retrying", 20))[0]
    stream.close()


def test_a_slow_answer_counts_the_rows_that_it_cost() -> None:
    from edgewright.device.sources._polling import Polled

    class Slow:
        asked = 0

        def connect(self) -> None: ...

        def values(self) -> list[float]:
            self.asked += 1
            time.sleep(0.25 if self.asked == 2 else 0.0)
            return [float(self.asked)]

        def close(self) -> None: ...

    stream = Polled(Slow(), ["a"], (), 20.0, "slow")
    packets = drain(stream, 4)
    assert sum(packet.lost for packet in packets) in (4, 5)
    assert values(packets)[:, 0].tolist() == [1, 2, 3, 4]


def test_registers_are_read_from_texts_and_asked_for_together() -> None:
    assert read_register("input:12:int16*0.1") == Register("input", 12, "int16", 0.1)
    assert read_register("5") == Register("holding", 5, "uint16", 1.0)
    assert Register("holding", 0, "int32", 0.1).value([65535, 65534], low_first=False) == pytest.approx(-0.2)
    assert math.isnan(Register("holding", 0, "float32", 1.0).value([0x7FC0, 0], low_first=False))
    near = [Register("holding", number, "float32", 1.0) for number in (0, 2, 4)]
    far = [Register("holding", 200, "uint16", 1.0), Register("input", 6, "uint16", 1.0)]
    assert blocks([*far, *near]) == [("holding", 0, 6), ("holding", 200, 1), ("input", 6, 1)]
    many = [Register("holding", number, "uint16", 1.0) for number in range(300)]
    assert [count for _, _, count in blocks(many)] == [125, 125, 50]


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("modbus:127.0.0.1", InputError, "registers such as speed@input:12:int16"),
        ("modbus:127.0.0.1?registers=speed", InputError, "registers such as"),
        ("modbus:127.0.0.1?registers=a@1,a@2", InputError, "a name of its own"),
        ("modbus:127.0.0.1?registers=a@65535:float32", InputError, "registers from 0 to 65535"),
        ("modbus:127.0.0.1?registers=a@coil:1", UnknownNameError, "holding, input"),
        ("modbus:127.0.0.1?registers=a@1:float64", UnknownNameError, "float32"),
        ("modbus:127.0.0.1?registers=a@1&words=middle", UnknownNameError, "high, low"),
        ("opcua:http://127.0.0.1?nodes=a@i=1", InputError, "opc.tcp"),
        ("opcua:opc.tcp://127.0.0.1:4840", InputError, "nodes such as"),
    ],
)
def test_wrong_settings_are_one_line(source: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        opened(source)


def test_a_wanted_column_that_no_register_has_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="heat"):
        opened("modbus:127.0.0.1?registers=speed@0", "speed", "heat")


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
