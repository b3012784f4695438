"""Emulated cores: a tool chain per instruction set and a board per core."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from edgewright.schema.errors import UnknownNameError


@dataclass(frozen=True)
class Tools:
    """Compiler and emulator of an instruction set.

    Attributes:
        compiler, size, emulator: programs.
        packages: of Debian that have them.
        compiling: options of the compiler for every core.
        linking: options of the linker.
        emulating: options of the emulator beside the machine.
        core: header with the start, the call of the host and the counter.
        memory: linker script.
    """

    compiler: str
    size: str
    emulator: str
    packages: str
    compiling: tuple[str, ...]
    linking: tuple[str, ...]
    emulating: tuple[str, ...]
    core: str
    memory: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Programs that are not installed here."""
        return tuple(name for name in (self.compiler, self.size, self.emulator) if shutil.which(name) is None)


_LINKING = ("-nostartfiles", "-Wl,--gc-sections")
ARM = Tools(
    compiler="arm-none-eabi-gcc", size="arm-none-eabi-size", emulator="qemu-system-arm",
    packages="gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm",
    compiling=("-mthumb",), linking=(*_LINKING, "-specs=nano.specs", "-specs=nosys.specs"), emulating=(),
    core="arm.h", memory="memory.ld",
)  # fmt: skip
RISCV = Tools(
    compiler="riscv64-unknown-elf-gcc", size="riscv64-unknown-elf-size", emulator="qemu-system-riscv32",
    packages="gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc",
    compiling=("--specs=picolibc.specs", "-mcmodel=medany"), linking=_LINKING,
    emulating=("-bios", "none", "-m", "32"), core="riscv.h", memory="riscv.ld",
)  # fmt: skip


@dataclass(frozen=True)
class Board:
    """A core and the machine of QEMU that has it.

    Attributes:
        device: name of the core, as a profile is called.
        machine: of `-machine`.
        options: of the compiler for the core.
        flash: bytes of program memory.
        ram: bytes of working memory.
        tick: instructions a tick of the counter lasts under `-icount shift=0`, where an instruction takes 1 ns. The
            clock of SysTick in QEMU is 25 MHz on the MPS2 boards, 32 MHz on the MPS3 and 16 MHz on the
            micro:bit.
        tools: of its instruction set.
        linking: options of the linker where they are not those of the compiler.
        emulating: options of the emulator for the core.
    """

    device: str
    machine: str
    options: tuple[str, ...]
    flash: int = 4 << 20
    ram: int = 4 << 20
    tick: float = 40.0
    tools: Tools = ARM
    linking: tuple[str, ...] = ()
    emulating: tuple[str, ...] = ()


_SOFT, _HARD = "-mfloat-abi=soft", "-mfloat-abi=hard"
_BOARDS = (
    Board("cortex-m0", "microbit", ("-mcpu=cortex-m0", _SOFT), flash=256 << 10, ram=16 << 10, tick=62.5),
    # An M3 runs every instruction of an M0+, and an M7 those of the M33 that compilers write for portable C: what is
    # counted is the code of the core, on a board with memory enough.
    Board("cortex-m0plus", "mps2-an385", ("-mcpu=cortex-m0plus", _SOFT)),
    Board("cortex-m3", "mps2-an385", ("-mcpu=cortex-m3", _SOFT)),
    Board("cortex-m4", "mps2-an386", ("-mcpu=cortex-m4", _HARD, "-mfpu=fpv4-sp-d16")),
    Board("cortex-m33", "mps2-an500", ("-mcpu=cortex-m33", _HARD, "-mfpu=fpv5-sp-d16")),
    Board("cortex-m7", "mps2-an500", ("-mcpu=cortex-m7", _HARD, "-mfpu=fpv5-sp-d16")),
    Board("cortex-m55", "mps3-an547", ("-mcpu=cortex-m55", _HARD), flash=512 << 10, ram=512 << 10, tick=31.25),
    Board("riscv32", "virt", ("-march=rv32imc", "-mabi=ilp32"), tick=1.0, tools=RISCV),
    # GCC 12 has no libraries for its instructions, and takes those of 64 bits.
    Board(
        "riscv32v", "virt", ("-march=rv32imc_zve32x", "-mabi=ilp32"), tick=1.0, tools=RISCV,
        linking=("-march=rv32imc", "-mabi=ilp32"), emulating=("-cpu", "rv32,v=true,vlen=128"),
    ),
)  # fmt: skip


def devices() -> tuple[str, ...]:
    """Return names of the emulated cores."""
    return tuple(board.device for board in _BOARDS)


def board(device: str) -> Board:
    """Return the board of a core.

    Raises:
        UnknownNameError: listing the known ones.
    """
    for known in _BOARDS:
        if known.device == device:
            return known
    raise UnknownNameError("emulated device", device, devices())


def missing_tools(device: str = "cortex-m4") -> tuple[str, ...]:
    """Return programs for a core that are not installed here."""
    return board(device).tools.missing
