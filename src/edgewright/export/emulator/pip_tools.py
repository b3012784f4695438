"""Compiler and emulator from pip: ziglang compiles for a core, Unicorn runs the program and counts its instructions.

The program has no start-up code. It is loaded as a start-up routine would leave it, each row is written to memory, and
`emulator_entry(row, answer)` is called. Unicorn reports each basic block that it enters; the instructions of a block
are counted once, and multiplied by how often it ran. QEMU with `-icount` counts the same way.
"""

from __future__ import annotations

import importlib
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata, resources, util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ProgramTooLargeError, StoppedError
from edgewright.export.cores import run_compiler, zig_command

HOST_ADDRESS = 0x6000_0000
"""Address of the row that the host writes; the answer and the return address follow it."""
MAX_STACK_BYTES = 64 << 10
_PAINT = b"\xa5"
_ENTRY = "emulator_entry"
_LOAD_SEGMENT = 1
# Sources of musl, as ziglang brings them, for functions that its own library lacks on a core without a system.
_MUSL_SOURCES = (
    "powf", "powf_data", "exp2f_data", "expm1f", "scalbn", "ldexp", "__math_oflowf", "__math_uflowf", "__math_xflowf",
    "__math_invalidf", "__math_divzerof",
)  # fmt: skip
# No fused multiply-add: every core and compiler gives the same bits.
_FLAGS = ("-ffunction-sections", "-fdata-sections", "-fno-unwind-tables", "-ffp-contract=off")


@dataclass(frozen=True)
class PipCore:
    """How ziglang and Unicorn name a core.

    Attributes:
        target: of the compiler, such as "thumb-freestanding-eabihf".
        cpu: of the compiler, with its floating-point unit.
        headers: folder of musl's headers for the instruction set.
        model: constant of Unicorn's Python module; empty for its default.
        script: linker script.
        flash_address: first address of program memory.
        is_strict: whether the core faults on an unaligned access, which Unicorn allows.
    """

    target: str
    cpu: str
    headers: str
    model: str
    script: str
    flash_address: int
    is_strict: bool = False

    @property
    def is_riscv(self) -> bool:
        """Whether the core is a RISC-V."""
        return self.target.startswith("riscv")


@dataclass(frozen=True)
class Image:
    """A linked program.

    Attributes:
        entry: address of `emulator_entry`.
        segments: address, content and bytes in memory of each loaded part.
    """

    entry: int
    segments: tuple[tuple[int, bytes, int], ...]

    def count_bytes(self, ram_address: int) -> tuple[int, int]:
        """Return bytes in flash and bytes of static memory; initialised data counts in both."""
        flash = sum(len(content) for _, content, _ in self.segments)
        ram = sum(size for address, _, size in self.segments if address >= ram_address)
        return flash, ram


def is_installed() -> bool:
    """Return whether ziglang and Unicorn are installed."""
    return all(util.find_spec(name) is not None for name in ("ziglang", "unicorn"))


def describe_tools() -> str:
    """Return the names and versions of compiler and emulator."""
    return f"zig {metadata.version('ziglang')}, unicorn {metadata.version('unicorn')}"


def build_image(
    folder: Path, files: Mapping[str, str], core: PipCore, sizes: tuple[int, int], optimise: str, device: str
) -> Image:
    """Compile and link files whose `emulator_entry` is the program.

    Args:
        folder: where the files and the program go.
        files: sources and headers by name.
        core: to compile for.
        sizes: bytes of flash and of RAM.
        optimise: such as "-O2".
        device: name of the core in an error.

    Raises:
        InputError: the code does not compile, or does not fit.
    """
    folder.mkdir()
    own = resources.files(__package__)
    script = (own / core.script).read_text("utf-8").replace("flash_bytes", str(sizes[0]))
    texts = {
        **files,
        "emulator.ld": script.replace("ram_bytes", str(sizes[1])),
        "emulator_library.c": (own / "library.c").read_text("utf-8"),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    library = Path(str(resources.files("ziglang"))) / "lib/libc"
    musl = library / "musl"
    included = [f"-isystem{library / 'include' / part}" for part in (f"{core.headers}-linux-musl", "generic-musl")]
    # Only musl's sources see its internal headers, which define names such as `hidden`.
    internal = ["-Dhidden=", *(f"-I{musl / part}" for part in ("src/internal", "src/math", "arch/generic"))]
    model = [name for name in sorted(files) if name.endswith(".c")]
    command = [*zig_command(), "cc", "-target", core.target, f"-mcpu={core.cpu}", optimise, *_FLAGS, *included]
    libraries = ["emulator_library.c", *(str(musl / f"src/math/{name}.c") for name in _MUSL_SOURCES)]
    linking = ["-Wl,--gc-sections", f"-Wl,-e,{_ENTRY}", "-T", "emulator.ld", "-o", "image.elf"]
    # The model is strict C99; musl's sources are not.
    objects = [f"{name}.o" for name in model]
    for source, target in zip(model, objects, strict=True):
        _call_zig([*command, "-std=c99", "-c", source, "-o", target], folder, device, sizes)
    _call_zig([*command, "-std=gnu99", *internal, *objects, *libraries, *linking], folder, device, sizes)
    return _read_image((folder / "image.elf").read_bytes())


def _call_zig(command: list[str], folder: Path, device: str, sizes: tuple[int, int]) -> None:
    if message := run_compiler(command, folder):
        flash, ram = sizes
        raise ProgramTooLargeError(
            f"C that fits a {device} ({flash >> 10} KB flash, {ram >> 10} KB RAM)", message, "ziglang"
        )


def _read_image(data: bytes) -> Image:
    """Read entry and loaded segments of an ELF file of 32 bits, little-endian (System V ABI, chapter 5)."""
    entry, first = struct.unpack_from("<II", data, 24)
    size, count = struct.unpack_from("<HH", data, 42)
    segments = []
    for index in range(count):
        kind, offset, address, _, in_file, in_memory = struct.unpack_from("<6I", data, first + size * index)
        if kind == _LOAD_SEGMENT:
            segments.append((address, data[offset : offset + in_file], in_memory))
    return Image(entry, tuple(segments))


class Machine:
    """A core with a loaded program."""

    def __init__(self, image: Image, core: PipCore, memory: tuple[int, int, int], sizes: tuple[int, int]) -> None:
        """Load a program.

        Args:
            image: the program.
            core: that runs it.
            memory: address of RAM, bytes of flash, bytes of RAM.
            sizes: bytes of a row and of an answer.
        """
        # The package has no types.
        unicorn: Any = importlib.import_module("unicorn")
        constants: Any = importlib.import_module(f"unicorn.{'riscv' if core.is_riscv else 'arm'}_const")
        self._image, self._riscv, self._error = image, core.is_riscv, unicorn.UcError
        self._block_hook = unicorn.UC_HOOK_BLOCK
        self._access_hook = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE if core.is_strict else 0
        kind = (unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        if not core.is_riscv:
            kind = (unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._core = unicorn.Uc(*kind)
        if core.model:
            self._core.ctl_set_cpu_model(getattr(constants, core.model))
        prefix = "UC_RISCV_REG_" if core.is_riscv else "UC_ARM_REG_"
        self._constant: Callable[[str], int] = lambda name: getattr(constants, prefix + name)
        names = "SP RA A0 A1 PC" if core.is_riscv else "SP LR R0 R1 PC"
        self._stack, self._link, self._row, self._answer, self._counter = map(self._constant, names.split())
        ram_address, flash, ram = memory
        self._top = (ram_address + ram) & ~15
        self._low = max((a + size for a, _, size in image.segments if a >= ram_address), default=ram_address)
        self._core.mem_map(core.flash_address, flash)
        self._core.mem_map(ram_address, ram)
        self._sizes = sizes
        self._answer_address = HOST_ADDRESS + _aligned(sizes[0])
        self._end = self._answer_address + _aligned(sizes[1])
        self._core.mem_map(HOST_ADDRESS, -(-(self._end + 16 - HOST_ADDRESS) // 4096) * 4096)
        for address, content, _ in image.segments:
            self._core.mem_write(address, content)

    def call(self, row: bytes, timeout: float) -> bytes:
        """Return the answer to a row.

        Raises:
            StoppedError: the program faults, or does not end within `timeout` seconds.
        """
        core = self._core
        core.mem_write(HOST_ADDRESS, row)
        core.reg_write(self._stack, self._top)
        core.reg_write(self._link, self._end | (0 if self._riscv else 1))
        core.reg_write(self._row, HOST_ADDRESS)
        core.reg_write(self._answer, self._answer_address)
        try:
            core.emu_start(self._image.entry, self._end, timeout=int(timeout * 1e6))
        except self._error as error:
            raise StoppedError(f"the program stopped: {error}") from None
        if core.reg_read(self._counter) & ~1 != self._end:
            raise StoppedError(f"the program did not end within {timeout:g} s")
        return bytes(core.mem_read(self._answer_address, self._sizes[1]))

    def measure(self, row: bytes, timeout: float) -> tuple[int, int]:
        """Return the instructions of a call, and the bytes of stack that it used.

        Raises:
            StoppedError: as `call`.
        """
        core = self._core
        blocks: Counter[tuple[int, int]] = Counter()

        def count(_: object, address: int, size: int, __: object) -> None:
            blocks[address, size] += 1

        low = max(self._low, self._top - MAX_STACK_BYTES)
        core.mem_write(low, _PAINT * (self._top - low))
        unaligned: list[int] = []

        def check(_: object, __: int, address: int, size: int, *___: object) -> None:
            if address % size:
                unaligned.append(address)

        core.hook_add(self._block_hook, count)
        if self._access_hook:
            core.hook_add(self._access_hook, check)
        self.call(row, timeout)
        if unaligned:
            raise StoppedError(f"the program stopped: unaligned access to 0x{unaligned[0]:08x}")
        lengths = {block: self._count_instructions(bytes(core.mem_read(*block))) for block in blocks}
        stack = bytes(core.mem_read(low, self._top - low))
        clean = len(stack) - len(stack.lstrip(_PAINT))
        return sum(lengths[block] * times for block, times in blocks.items()), len(stack) - clean // 4 * 4

    def _count_instructions(self, code: bytes) -> int:
        """Return the number of instructions: of 2 bytes, or of 4 as their first half-word says."""
        count = start = 0
        while start < len(code):
            (half,) = struct.unpack_from("<H", code, start)
            is_long = half & 3 == 3 if self._riscv else half >> 11 >= 0x1D
            start += 4 if is_long else 2
            count += 1
        return count


def _aligned(size: int) -> int:
    return -(-size // 16) * 16


def run_image(
    image: Image, core: PipCore, memory: tuple[int, int, int], rows: NDArray[Any], output_bytes: int, timeout: float
) -> tuple[NDArray[np.uint8], int, int]:
    """Run a program on rows.

    Args:
        image: the program.
        core: that runs it.
        memory: address of RAM, bytes of flash, bytes of RAM.
        rows: contiguous, one row a call.
        output_bytes: bytes of an answer.
        timeout: seconds that a call may take.

    Returns:
        Answers as uint8, shape (n, output_bytes), the instructions of the first call, and its stack in bytes.

    Raises:
        StoppedError: the program faults, or does not end in time.
    """
    given = [row.tobytes() for row in rows]
    sizes = (len(given[0]), output_bytes)
    instructions, stack = Machine(image, core, memory, sizes).measure(given[0], timeout)
    machine = Machine(image, core, memory, sizes)
    answers = b"".join(machine.call(row, timeout) for row in given)
    return np.frombuffer(answers, np.uint8).reshape(len(rows), output_bytes), instructions, stack
