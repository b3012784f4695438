"""The boards that are emulated, and the tools this takes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from edgewright.schema.errors import UnknownNameError

COMPILER = "arm-none-eabi-gcc"
SIZE = "arm-none-eabi-size"
EMULATOR = "qemu-system-arm"
PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
_MEGABYTES = 1 << 20


@dataclass(frozen=True)
class Board:
    """A core and the machine of QEMU that has it.

    Attributes:
        device: name of the core, as a profile is called.
        machine: of `qemu-system-arm -machine`.
        options: of the compiler.
        flash: bytes of program memory.
        ram: bytes of working memory.
        tick: instructions a SysTick tick lasts under `-icount shift=0`, where an instruction takes 1 ns.
    """

    device: str
    machine: str
    options: tuple[str, ...]
    flash: int
    ram: int
    tick: float


# Clock of the cores in QEMU: 25 MHz on the MPS2 boards, 16 MHz on the micro:bit.
_BOARDS = (
    Board("cortex-m0", "microbit", ("-mcpu=cortex-m0", "-mfloat-abi=soft"), 256 << 10, 16 << 10, 62.5),
    # An M3 runs every instruction of an M0+, and an M7 those of the M33 that compilers write for portable C: what is
    # counted is the code of the core, on a board with memory enough.
    Board(
        "cortex-m0plus",
        "mps2-an385",
        ("-mcpu=cortex-m0plus", "-mfloat-abi=soft"),
        4 * _MEGABYTES,
        4 * _MEGABYTES,
        40.0,
    ),
    Board("cortex-m3", "mps2-an385", ("-mcpu=cortex-m3", "-mfloat-abi=soft"), 4 * _MEGABYTES, 4 * _MEGABYTES, 40.0),
    Board(
        "cortex-m4",
        "mps2-an386",
        ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
        4 * _MEGABYTES,
        4 * _MEGABYTES,
        40.0,
    ),
    Board(
        "cortex-m33",
        "mps2-an500",
        ("-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
        4 * _MEGABYTES,
        4 * _MEGABYTES,
        40.0,
    ),
    Board(
        "cortex-m7",
        "mps2-an500",
        ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
        4 * _MEGABYTES,
        4 * _MEGABYTES,
        40.0,
    ),
)


def devices() -> tuple[str, ...]:
    """Names of the emulated cores."""
    return tuple(board.device for board in _BOARDS)


def board(device: str) -> Board:
    """The board of a core.

    Raises:
        UnknownNameError: listing the known ones.
    """
    for known in _BOARDS:
        if known.device == device:
            return known
    raise UnknownNameError("emulated device", device, devices())


def missing_tools() -> tuple[str, ...]:
    """Programs that are not installed here; `PACKAGES` are those of Debian that have them."""
    return tuple(name for name in (COMPILER, SIZE, EMULATOR) if shutil.which(name) is None)
