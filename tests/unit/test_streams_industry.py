"""OPC UA variables and Modbus registers, with real servers on loopback."""

from __future__ import annotations

import math
import struct
import time
from itertools import pairwise

import numpy as np
import pytest

from edgewright.device.sources.modbus import Register, blocks, read_register
from edgewright.schema.errors import InputError, UnknownNameError
from plant import ModbusPlant, OpcuaPlant, free_port
from stream_rows import drain, notices, opened, until_notice, values


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
    with pytest.raises(InputError, match="heat"):
        opened("modbus:127.0.0.1?registers=speed@0", "speed", "heat")
