"""Generated C on an emulated microcontroller: outputs byte by byte, instructions, flash and RAM.

Two sets of tools do the same: ziglang and Unicorn from pip, the default for the cores that they have, and GCC and QEMU
from the system's packages. Their instruction counts differ as far as their compilers do.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import (
    CheckFailedError,
    ProgramTooLargeError,
    SampleShapeError,
    StoppedError,
    UnknownNameError,
)
from edgewright.export.emulator import pip_tools
from edgewright.export.emulator.pip_tools import PipCore


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
        pip: the core for ziglang and Unicorn; None if Unicorn lacks it.
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
    pip: PipCore | None = None


def _arm(cpu: str, model: str, abi: str = "eabihf") -> PipCore:
    target, constant = f"thumb-freestanding-{abi}", f"UC_CPU_ARM_CORTEX_{model}"
    return PipCore(target, cpu, "arm", constant, "memory.ld", 0, is_strict=model == "M0")


_M0 = _arm("cortex_m0", "M0", "eabi")
_M0PLUS = _arm("cortex_m0plus", "M0", "eabi")
_M3 = _arm("cortex_m3", "M3", "eabi")
_M4 = _arm("cortex_m4+vfp4d16sp", "M4")
_M33 = _arm("cortex_m33+fp_armv8d16sp", "M33")
_M7 = _arm("cortex_m7+fp_armv8d16sp", "M7")
_RV32 = PipCore("riscv32-freestanding-none", "generic_rv32+m+c", "riscv32", "", "riscv.ld", 0x8000_0000)
_RAM_ADDRESS = 0x2000_0000
_SOFT, _HARD = "-mfloat-abi=soft", "-mfloat-abi=hard"
_BOARDS = (
    Board("cortex-m0", "microbit", ("-mcpu=cortex-m0", _SOFT), flash=256 << 10, ram=16 << 10, tick=62.5, pip=_M0),
    # An M3 runs every instruction of an M0+, and an M7 those of the M33 that compilers write for portable C: what is
    # counted is the code of the core, on a board with memory enough.
    Board("cortex-m0plus", "mps2-an385", ("-mcpu=cortex-m0plus", _SOFT), pip=_M0PLUS),
    Board("cortex-m3", "mps2-an385", ("-mcpu=cortex-m3", _SOFT), pip=_M3),
    Board("cortex-m4", "mps2-an386", ("-mcpu=cortex-m4", _HARD, "-mfpu=fpv4-sp-d16"), pip=_M4),
    Board("cortex-m33", "mps2-an500", ("-mcpu=cortex-m33", _HARD, "-mfpu=fpv5-sp-d16"), pip=_M33),
    Board("cortex-m7", "mps2-an500", ("-mcpu=cortex-m7", _HARD, "-mfpu=fpv5-sp-d16"), pip=_M7),
    Board("cortex-m55", "mps3-an547", ("-mcpu=cortex-m55", _HARD), flash=512 << 10, ram=512 << 10, tick=31.25),
    Board("riscv32", "virt", ("-march=rv32imc", "-mabi=ilp32"), tick=1.0, tools=RISCV, pip=_RV32),
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


ToolSet = Literal["pip", "qemu"]
"""Tools to compile and emulate with: ziglang and Unicorn, or GCC and QEMU."""
_VARIABLE = "EDGEWRIGHT_EMULATOR"
_INSTALL_PIP_TOOLS = "pip install 'edgewright[emulator]'"


def installed_tools(device: str) -> tuple[ToolSet, ...]:
    """Return the sets of tools that can emulate a core here, the default first.

    The environment variable EDGEWRIGHT_EMULATOR ("pip" or "qemu") names the only one to use.

    Raises:
        UnknownNameError: EDGEWRIGHT_EMULATOR names another.
    """
    target = board(device)
    installed: list[ToolSet] = []
    if target.pip is not None and pip_tools.is_installed():
        installed.append("pip")
    if not target.tools.missing:
        installed.append("qemu")
    wanted = _wanted_tools()
    return tuple(tools for tools in installed if wanted in ("", tools))


def _wanted_tools() -> str:
    wanted, known = os.environ.get(_VARIABLE, ""), get_args(ToolSet)
    if wanted not in ("", *known):
        raise UnknownNameError("set of tools", wanted, known, f"the environment variable {_VARIABLE}")
    return wanted


def missing_tools(device: str = "cortex-m4") -> tuple[str, ...]:
    """Return the programs to install before a core can be emulated here; () if it can be."""
    if installed_tools(device):
        return ()
    target = board(device)
    return ("ziglang", "unicorn") if target.pip is not None and _wanted_tools() != "qemu" else target.tools.missing


def how_to_install(device: str) -> str:
    """Return the command that installs the missing tools of a core."""
    target = board(device)
    packages = f"apt-get install {target.tools.packages}"
    return packages if target.pip is None else f"{_INSTALL_PIP_TOOLS}, or {packages}"


__all__ = [
    "Board", "DeviceRun", "Entry", "ToolSet", "board", "devices", "how_to_install", "installed_tools", "missing_tools",
    "run_on_device",
]  # fmt: skip

_FLAGS = ("-std=c99", "-ffunction-sections", "-fdata-sections", "-fno-tree-loop-distribute-patterns")
# Most instructions that are spent on counting: a few seconds of emulation.
_COUNTED = 3e8
_HARNESS, _ADAPTER = "harness.c", "adapter.c"
_IDLE = "void emulator_entry(const void *in, void *out);\nvoid emulator_entry(const void *in, void *out) {\n%s\n}\n"


@dataclass(frozen=True)
class Entry:
    """How the generated code is called.

    Attributes:
        header: file to include.
        call: C statements; `in` is a `const void *` to a row, `out` a `void *` to the answer, both aligned to 8.
        input_bytes: of a row.
        output_bytes: of an answer.
    """

    header: str
    call: str
    input_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class DeviceRun:
    """What a microcontroller answered, and what it took.

    Attributes:
        outputs: uint8, shape (n, output bytes).
        instructions: of one call, on the first row.
        counted_within: how far the count may be off, in instructions; 0 where it is exact.
        flash: bytes of code and constants, library functions that the code calls included, the harness not.
        ram: bytes of static memory.
        stack: bytes of stack that a call used at most.
        tools: compiler and emulator, with the versions that a count depends on.
    """

    outputs: NDArray[np.uint8]
    instructions: int
    counted_within: float
    flash: int
    ram: int
    stack: int
    tools: str


def run_on_device(
    files: Mapping[str, str],
    entry: Entry,
    device: str,
    rows: NDArray[Any],
    *,
    optimise: str = "-O2",
    timeout: float = 120.0,
    counted: float = _COUNTED,
    tools: ToolSet | None = None,
) -> DeviceRun:
    """Compile C for a microcontroller, run it on rows under emulation, and return its outputs.

    Args:
        files: sources and headers by name; every `.c` is compiled.
        entry: how to call them.
        device: one of `devices`.
        rows: shape (n, ...), of a type whose rows have `entry.input_bytes`.
        optimise: '-O2', '-Os', '-O3'.
        timeout: seconds the emulation may take.
        counted: with QEMU, most instructions spent on counting; the fewer, the less exact (`DeviceRun.counted_within`).
        tools: to use; the first of `installed_tools` if None.

    Raises:
        UnknownNameError: for a device that is not known.
        InputError: for rows of another size, or code that does not compile or fit.
        CheckFailedError: when a tool is missing.
        StoppedError: when the program faults, does not end or leaves rows out.
    """
    target, installed = board(device), installed_tools(device)
    chosen = tools or next(iter(installed), None)
    if chosen is None or chosen not in installed:
        needs = f"emulating a {device} needs {', '.join(missing_tools(device) or target.tools.missing)}"
        raise CheckFailedError(needs, how_to_install(device))
    data = np.ascontiguousarray(rows)
    if not len(data) or data.nbytes != len(data) * entry.input_bytes:
        raise SampleShapeError(f"rows of {entry.input_bytes} bytes", f"{data.nbytes} bytes in {len(data)} rows", device)
    if chosen == "pip" and target.pip is not None:
        return _run_with_pip(files, entry, target, target.pip, data, optimise, timeout)
    return _run_with_qemu(files, entry, target, data, optimise, timeout, counted)


def _run_with_pip(
    files: Mapping[str, str],
    entry: Entry,
    target: Board,
    core: PipCore,
    rows: NDArray[Any],
    optimise: str,
    timeout: float,
) -> DeviceRun:
    ram_address = core.flash_address + target.flash if core.is_riscv else _RAM_ADDRESS
    with tempfile.TemporaryDirectory() as location:
        texts = {**files, _ADAPTER: f'#include "{entry.header}"\n' + _IDLE % entry.call}
        sizes = (target.flash, target.ram)
        image = pip_tools.build_image(Path(location) / "model", texts, core, sizes, optimise, target.device)
    memory = (ram_address, *sizes)
    outputs, instructions, stack = pip_tools.run_image(image, core, memory, rows, entry.output_bytes, timeout)
    flash, ram = image.count_bytes(ram_address)
    return DeviceRun(
        outputs=outputs, instructions=instructions, counted_within=0.0, flash=flash, ram=ram, stack=stack,
        tools=pip_tools.describe_tools(),
    )  # fmt: skip


def _run_with_qemu(
    files: Mapping[str, str],
    entry: Entry,
    target: Board,
    data: NDArray[Any],
    optimise: str,
    timeout: float,
    counted: float,
) -> DeviceRun:
    with tempfile.TemporaryDirectory() as location:
        folder = Path(location)
        call = f'#include "{entry.header}"\n' + _IDLE % entry.call
        image = _build(folder / "model", {**files, _ADAPTER: call}, entry, target, optimise, counted)
        idle = _build(folder / "idle", {_ADAPTER: _IDLE % "(void)in; (void)out;"}, entry, target, optimise, counted)
        (folder / "rows.bin").write_bytes(data.tobytes())
        _emulate(image, folder, target, timeout)
        outputs = np.frombuffer((folder / "answers.bin").read_bytes(), np.uint8)
        count, repeats, ticks, idle_ticks, stack = struct.unpack("<5I", (folder / "report.bin").read_bytes())
        if count != len(data) or outputs.size != count * entry.output_bytes:
            raise StoppedError(f"{target.device} answered {count} of {len(data)} rows")
        flash, ram = (after - before for after, before in zip(_sizes(image, target), _sizes(idle, target), strict=True))
    within = 2 * target.tick / repeats
    return DeviceRun(
        outputs=outputs.reshape(count, entry.output_bytes),
        instructions=round((ticks - idle_ticks) * target.tick / repeats),
        counted_within=0.0 if within < 0.5 else within,
        flash=flash,
        ram=ram,
        stack=stack,
        tools=f"{target.tools.compiler} {_compiler_version(target.tools.compiler)}, {target.tools.emulator}",
    )


def _compiler_version(compiler: str) -> str:
    done = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _build(folder: Path, files: Mapping[str, str], entry: Entry, target: Board, optimise: str, counted: float) -> Path:
    folder.mkdir()
    own = resources.files(__package__)
    tools = target.tools
    parts = {_HARNESS: _HARNESS, "core.h": tools.core, tools.memory: tools.memory}
    texts = {**files, **{name: (own / part).read_text("utf-8") for name, part in parts.items()}}
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    sizes = {"INPUT_BYTES": entry.input_bytes, "OUTPUT_BYTES": entry.output_bytes}
    settings = [f"-D{name}={value}u" for name, value in {**sizes, "MOST_TICKS": int(counted / target.tick)}.items()]
    options = (*tools.compiling, *target.options, optimise, *_FLAGS, *settings)
    places = ("-Wl,--defsym=flash_bytes=" + str(target.flash), "-Wl,--defsym=ram_bytes=" + str(target.ram))
    sources = sorted(name for name in texts if name.endswith(".c"))
    _call([tools.compiler, *options, "-c", *sources], folder, target, 120.0)
    objects = [name[:-1] + "o" for name in sources]
    linking = (*tools.compiling, *(target.linking or target.options), *tools.linking, *places, "-T", tools.memory)
    command = [tools.compiler, *linking, *objects, "-lm", "-o", "image.elf"]
    _call(command, folder, target, 120.0)
    return folder / "image.elf"


def _call(command: Sequence[str], folder: Path, target: Board, timeout: float) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if re.search(r"error:|undefined|overflow|fewer", line)]
        text = " ".join((lines or done.stderr.splitlines() or ["nothing"])[0].split())
        raise ProgramTooLargeError(
            f"C that fits a {target.device} ({target.flash >> 10} KB flash, {target.ram >> 10} KB RAM)",
            text[:300],
            target.tools.compiler,
        )


def _emulate(image: Path, folder: Path, target: Board, timeout: float) -> None:
    command = [
        target.tools.emulator,
        "-machine",
        target.machine,
        *target.tools.emulating,
        *target.emulating,
        "-nographic",
        "-monitor",
        "none",
        "-serial",
        "none",
    ]
    command += ["-icount", "shift=0", "-semihosting-config", "enable=on,target=native", "-kernel", str(image)]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise StoppedError(f"the program on {target.device} did not end within {timeout:g} s") from None
    if done.returncode or not (folder / "report.bin").exists():
        text = " ".join(done.stderr.split())[:300] or f"status {done.returncode}"
        raise StoppedError(f"the program on {target.device} stopped: {text}")


def _sizes(image: Path, target: Board) -> tuple[int, int]:
    """Return bytes in flash and bytes of static memory; QEMU's copy of initialised data counts in both."""
    done = subprocess.run([target.tools.size, str(image)], capture_output=True, text=True, check=True)
    text, data, bss = (int(number) for number in done.stdout.splitlines()[1].split()[:3])
    return text + data, data + bss
