"""Every kind of source on a device: its settings, its short form, and what holds for an open one."""

from __future__ import annotations

import http.client as http_client
import importlib.util
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import threading
import time
import tty
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.core.catalogue import listing
from edgewright.core.errors import SourceError, UnknownNameError
from edgewright.device.sources import StreamConfig, StreamKind, kind
from plant import ModbusPlant, OpcuaPlant, free_port
from stream_rows import drain, opened
from support import check_settings, left_out

KINDS = listing("edgewright.device.sources", "STREAM")
NEEDS = {"serial": "serial", "mqtt": "paho", "opcua": "asyncua", "modbus": "pymodbus"}


def part(name: str) -> StreamKind[StreamConfig]:
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        left_out(f"{NEEDS[name]} is not installed")
    return kind(name)


def csv(folder: Path) -> tuple[str, Callable[[Any], None]]:
    file = folder / "rows.csv"
    file.write_text("x,y\n")

    def feed(_stream: object) -> None:
        with file.open("a") as handle:
            handle.write("1,2\n3,4\n")

    return f"csv:{file}", feed


def recording(folder: Path, name: str) -> tuple[str, Callable[[Any], None]]:
    """Return the feeder of a source of whole files."""
    (folder / "rows.csv").write_text("x,y\n1,2\n3,4\n")
    return f"{name}:{folder / 'rows.csv'}", lambda _stream: None


def serial(folder: Path) -> tuple[str, Callable[[Any], None]]:
    far, near = pty.openpty()
    tty.setraw(near)
    return f"serial:{os.ttyname(near)}", lambda _stream: void(os.write(far, b"\nx,y\n1,2\n3,4\n"))


def mqtt(folder: Path) -> tuple[str, Callable[[Any], None]]:
    if not shutil.which("mosquitto_pub"):
        left_out("mosquitto is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)

    def ended() -> None:
        process.kill()
        process.wait()

    STARTED.append(ended)

    def feed(stream: Any) -> None:  # noqa: ANN401
        until = time.monotonic() + 8
        while not stream._connected and time.monotonic() < until:
            stream.read(0.1)
        stream.read(0.2)
        send = ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", "t", "-m", "x,y\n1,2\n3,4"]
        subprocess.run(send, check=True, timeout=10)

    return f"mqtt:127.0.0.1:{port}/t", feed


def http(folder: Path) -> tuple[str, Callable[[Any], None]]:
    def feed(stream: Any) -> None:  # noqa: ANN401
        body = json.dumps({"x": [1, 3], "y": [2, 4]}).encode()
        line = http_client.HTTPConnection("127.0.0.1", stream.port, timeout=5)
        line.request("POST", "/", body)
        assert line.getresponse().status == 202
        line.close()

    return "http:127.0.0.1:0", feed


def wav(folder: Path) -> tuple[str, Callable[[Any], None]]:
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.arange(4, dtype="<i2").tobytes())
    return f"wav:{folder / 'a.wav'}", lambda _stream: None


def iio(folder: Path) -> tuple[str, Callable[[Any], None]]:
    device = folder / "sys" / "iio:device0"
    (device / "scan_elements").mkdir(parents=True)
    (device / "buffer").mkdir()
    (folder / "dev").mkdir()
    for index, name in enumerate("xy"):
        for attribute, text in (("en", "0"), ("index", str(index)), ("type", "le:s16/16>>0")):
            (device / "scan_elements" / f"in_{name}_{attribute}").write_text(text)
    for name in ("enable", "length"):
        (device / "buffer" / name).write_text("0")
    os.mkfifo(folder / "dev" / "iio:device0")
    handle = os.open(folder / "dev" / "iio:device0", os.O_RDWR)
    rows = np.array([[1, 2], [3, 4]], "<i2").tobytes()
    return f"iio:iio:device0?sysfs={folder / 'sys'}&dev={folder / 'dev'}", lambda _stream: void(os.write(handle, rows))


def void(_anything: object) -> None:
    """For calls whose answer is not asked for."""


def camera(folder: Path) -> tuple[str, Callable[[Any], None]]:
    """Return the feeder of a recorded stream: two pictures of one pixel."""
    (folder / "raw").write_bytes(bytes([1, 2, 0, 3, 4, 0]))
    return f"camera:{folder / 'raw'}?format=RGB3&width=1&height=1", lambda _stream: None


def opcua(_folder: Path) -> tuple[str, Callable[[Any], None]]:
    plant = OpcuaPlant(free_port(), x=1.0, y=2.0)
    STARTED.append(plant.stop)
    return f"opcua:{plant.url}?rate=4&nodes={plant.nodes}", lambda _stream: plant.set(x=3.0, y=4.0)


def modbus(_folder: Path) -> tuple[str, Callable[[Any], None]]:
    plant = ModbusPlant(port := free_port(), [1, 2])
    STARTED.append(plant.stop)
    return f"modbus:127.0.0.1:{port}?rate=4&registers=x@0,y@1", lambda _stream: plant.set([3, 4])


FEEDERS = {
    "camera": camera, "csv": csv, "serial": serial, "mqtt": mqtt, "http": http, "wav": wav, "iio": iio, "opcua": opcua,
    "modbus": modbus,
}  # fmt: skip
STARTED: list[Callable[[], object]] = []


@pytest.mark.parametrize("name", KINDS)
def test_the_short_form_of_its_example_gives_settings(name: str) -> None:
    source = part(name)
    assert source.example.startswith(f"{name}:")
    config = source.short(source.example.partition(":")[2])
    assert isinstance(config, source.config)
    assert msgspec.convert(msgspec.to_builtins(config), source.config) == config
    with pytest.raises(UnknownNameError, match="no setting 'nonsense'"):
        source.short(source.example.partition(":")[2].partition("?")[0] + "?nonsense=1")


@pytest.mark.parametrize("name", KINDS)
def test_every_setting_is_told_of(name: str) -> None:
    check_settings(part(name).config)


@pytest.mark.parametrize("name", KINDS)
def test_an_open_source_keeps_the_contract(name: str, tmp_path: Path) -> None:
    part(name)
    source, feed = FEEDERS[name](tmp_path) if name in FEEDERS else recording(tmp_path, name)
    before = set(threading.enumerate())
    wanted = {"wav": ("sound_2", "sound_1"), "camera": ("green", "red")}.get(name, ("y", "x"))
    stream = opened(source, *wanted)
    try:
        assert stream.rate is None or stream.rate > 0
        begun = time.monotonic()
        early = list(stream.read(0.0))
        assert time.monotonic() - begun < 1.0
        feed(stream)
        packets = [*early, *drain(stream, 2 - sum(len(p.values) for p in early), 8.0)]
        rows = np.concatenate([p.values for p in packets])
        rows = rows[..., 0, 0] if name == "camera" else rows
        assert rows.shape == (2, 2)
        assert rows.dtype == np.float32
        if name != "wav":
            assert rows.tolist() == [[2, 1], [4, 3]]
        assert getattr(stream, "columns", None) == wanted
        for packet in packets:
            assert packet.time.shape == (len(packet.values),)
            assert packet.time.dtype == np.float64
            assert packet.sequence is None or packet.sequence.dtype == np.int64
            assert (np.diff(packet.time) > 0).all() or len(packet.time) < 2
        # It goes on where it was, or says what it loses.
        position = json.loads(json.dumps(stream.position()))
        assert position is not None or stream.loses
        assert position is None or stream.reached or name in ("mqtt", "http")
        stream.stored(position)
        if not stream.ended():
            begun = time.monotonic()
            stream.read(0.1)
            assert time.monotonic() - begun < 1.0
    finally:
        stream.close()
        while STARTED:
            STARTED.pop()()
    until = time.monotonic() + 2
    while set(threading.enumerate()) - before and time.monotonic() < until:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no kind of source 'sreial'. Known: .*Did you mean 'serial'"):
        kind("sreial")


@pytest.mark.parametrize(
    ("name", "library", "source", "extra"),
    [
        ("serial", "serial", "serial:/dev/x", "device"),
        ("mqtt", "paho", "mqtt:h/t", "device"),
        ("opcua", "asyncua", "opcua:opc.tcp://h:1?nodes=a@i=1", "industry"),
        ("modbus", "pymodbus", "modbus:h:1?registers=a@1", "industry"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(
    name: str, library: str, source: str, extra: str, tmp_path: Path
) -> None:
    (tmp_path / f"{library}.py").write_text(f"raise ModuleNotFoundError('no {library}', name='{library}')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from edgewright.device.sources import kind\n"
    code += f"p = kind({name!r})\ntry: p.open(p.short({source.partition(':')[2]!r}), ('a',))\n"
    code += "except Exception as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert f"pip install 'edgewright[{extra}]'" in done.stdout


def test_settings_of_a_wrong_kind_are_refused() -> None:
    with pytest.raises(SourceError):
        kind("csv").short("x.csv?rate")
