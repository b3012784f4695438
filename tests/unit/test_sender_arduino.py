"""The Arduino sketch, compiled with the real core, on an emulated Uno; its serial output through our own reader."""

from __future__ import annotations

import importlib.util
import os
import pty
import shutil
import subprocess
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.records.device import Packet
from edgewright.device.frames import FrameDecoder, Hello, Rows
from edgewright.device.timeline import Timeline, TimelineConfig
from stream_rows import drain, notices, opened, times, values
from support import ROOT, left_out

SKETCH = ROOT / "senders" / "arduino" / "edgewright_sender"
EMULATOR = ROOT / "tests" / "fixtures" / "arduino_uno.c"
AVR = Path("/usr/share/arduino/hardware/arduino/avr")
SIMAVR = Path("/usr/include/simavr/sim_avr.h")
CHIP = ["-mmcu=atmega328p", "-Os", "-ffunction-sections", "-fdata-sections"]
# Of boards.txt (uno) and platform.txt; avr-gcc 5 keeps DECIMAL_DIG from C++11, and the core's String asks for it.
BOARD = ["-DF_CPU=16000000L", "-DARDUINO=10819", "-DARDUINO_AVR_UNO", "-DARDUINO_ARCH_AVR",
         "-DDECIMAL_DIG=__DECIMAL_DIG__"]  # fmt: skip
CXX = ["-x", "c++", "-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics"]
STRICT = ["-Wall", "-Wextra", "-Werror"]
SECONDS, RATE = 8, 50
MILLIVOLTS = (1000, 2500, 5000)
RESOLUTION = 5.0 / 1023

pytestmark = pytest.mark.slow


def called(*command: str | Path) -> bytes:
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Uno:
    """The core compiled once, the emulator compiled once, and what a sketch sends on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.emulator = folder, folder / "uno"
        called("gcc", *STRICT, EMULATOR, "-o", self.emulator, "-lsimavr")
        core = AVR / "cores" / "arduino"
        self.chip = [*CHIP, *BOARD, f"-I{core}", f"-I{AVR / 'variants' / 'standard'}", f"-I{SKETCH}"]
        folder.joinpath("core").mkdir()
        for source in sorted([*core.glob("*.c"), *core.glob("*.cpp"), *core.glob("*.S")]):
            language = {".c": ["-std=gnu11"], ".cpp": CXX, ".S": ["-x", "assembler-with-cpp"]}[source.suffix]
            called("avr-g++" if source.suffix == ".cpp" else "avr-gcc", *self.chip, *language, "-w", "-c", source,
                   "-o", folder / "core" / f"{source.name}.o")  # fmt: skip

    def sent(self, sketch: str) -> bytes:
        """Return what the sketch sends within the seconds."""
        source, program = self.folder / "sketch.cpp", self.folder / "sketch.elf"
        # What the Arduino IDE puts before every sketch.
        source.write_text(f"#include <Arduino.h>\n{sketch}")
        called("avr-g++", *self.chip, *CXX, *STRICT, "-c", source, "-o", self.folder / "sketch.o")
        core = sorted((self.folder / "core").glob("*.o"))
        called("avr-gcc", *CHIP, "-Wl,--gc-sections", "-o", program, self.folder / "sketch.o", *core, "-lm")
        return called(self.emulator, program, str(SECONDS), *map(str, MILLIVOLTS))


@pytest.fixture(scope="module")
def uno(tmp_path_factory: pytest.TempPathFactory) -> Uno:
    for name in ("avr-g++", "gcc"):
        if shutil.which(name) is None:
            left_out(f"{name} is not installed")
    for path, package in ((AVR, "arduino-core-avr"), (SIMAVR, "libsimavr-dev")):
        if not path.exists():
            left_out(f"{package} is not installed")
    if importlib.util.find_spec("serial") is None:
        left_out("pyserial is not installed")
    return Uno(tmp_path_factory.mktemp("uno"))


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    far, near = pty.openpty()
    tty.setraw(near)
    yield far, os.ttyname(near)
    os.close(near)
    os.close(far)


def received(line: tuple[int, str], sent: bytes) -> list[Packet]:
    """Return rows that come out of `serial:` when the bytes go in at the other end."""
    far, name = line
    stream = opened(f"serial:{name}@115200?form=framed")
    stream.read(0.0)
    writer = threading.Thread(target=lambda: [os.write(far, sent[i : i + 512]) for i in range(0, len(sent), 512)])
    writer.start()
    frames = FrameDecoder(joined=True).feed(sent)
    packets = drain(stream, sum(isinstance(frame, Rows) for frame in frames))
    writer.join()
    assert {frame for frame in frames if isinstance(frame, Hello)} == {Hello(("a0 [V]", "a1 [V]", "a2 [V]"), RATE)}
    assert stream.rate == RATE
    stream.close()
    assert notices(packets) == []
    return packets


def counts(packets: list[Packet]) -> np.ndarray:
    return np.concatenate([packet.sequence for packet in packets if packet.sequence is not None])


def test_the_sketch_sends_every_row_at_its_time(uno: Uno, line: tuple[int, str]) -> None:
    sent = uno.sent((SKETCH / "edgewright_sender.ino").read_text())
    packets = received(line, sent)
    assert counts(packets).tolist() == list(range(SECONDS * RATE))
    assert np.diff(times(packets)) == pytest.approx(1 / RATE, abs=1e-4)
    # A whole number of the converter's steps, at most one below the voltage.
    assert values(packets) == pytest.approx(np.tile(MILLIVOLTS, (SECONDS * RATE, 1)) / 1000, abs=1.01 * RESOLUTION)


def test_rows_for_which_the_line_is_too_slow_are_counted_and_known_to_be_lost(uno: Uno, line: tuple[int, str]) -> None:
    sketch = (SKETCH / "edgewright_sender.ino").read_text()
    assert sketch.count("Serial.begin(115200)") == 1
    # A row of 39 bytes takes 41 ms at 9,600 baud, and one is due every 20.
    sent = uno.sent(sketch.replace("Serial.begin(115200)", "Serial.begin(9600)"))
    maximum = SECONDS * 9600 // 10 // 39
    packets = received(line, sent)
    count, when = counts(packets), times(packets)
    assert 0.7 * maximum < len(count) <= maximum
    assert np.all(np.diff(count) > 0)
    # What came keeps its time, whatever was left out before it.
    assert when - when[0] == pytest.approx((count - count[0]) / RATE, abs=1e-3)
    timeline = Timeline(RATE, ["a0", "a1", "a2"], TimelineConfig())
    health_events = [health for packet in packets for health in timeline.push(packet)[1]] + timeline.flush()[1]
    lost = int(np.sum(np.diff(count) - 1))
    assert lost > SECONDS * RATE * 0.3
    assert sum(health.amount for health in health_events if health.kind == "filled") == lost
