"""A .tflite compiled for an Ethos-U by Vela, which places every operator on the NPU or leaves it to the CPU."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgewright.core.errors import ExportError, MissingExtraError
from edgewright.graph.from_tflite_file import TfliteFile, parse_tflite

CONFIGURATIONS = (
    "ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512",
    "ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048",
)  # fmt: skip
DEFAULT = "ethos-u55-128"
NOT_RUN = "compiled by Vela, not run: no Ethos-U is emulated here"
_LIBRARY = "ethosu"
_SECONDS = 300
# Of Vela's messages, those that say why a model is refused.
_REASONS = 3


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """An operator of the file before it was compiled: its name, the shape it gives, and whether the NPU runs it."""

    operator: str
    shape: tuple[int, ...]
    npu: bool


class VelaReport(msgspec.Struct, frozen=True, kw_only=True):
    """What Vela made of a file.

    Attributes:
        configuration: of the NPU, as 'ethos-u55-128'.
        operators: of the file, in order.
        sram, flash: bytes that the NPU takes.
        cycles: of the NPU for one answer, waiting for memory included, as Vela models them.
        clock: hertz that Vela assumes.
        macs: multiply-accumulates on the NPU.
        model: the compiled file.
    """

    configuration: str
    operators: tuple[Placement, ...]
    sram: int
    flash: int
    cycles: int
    clock: float
    macs: int
    model: bytes = b""

    @property
    def npu(self) -> int:
        """How many operators the NPU runs."""
        return sum(operator.npu for operator in self.operators)

    @property
    def cpu(self) -> int:
        """How many operators are left to the CPU."""
        return len(self.operators) - self.npu

    def __str__(self) -> str:
        """Say what was placed where, and what it takes."""
        return (
            f"{self.npu} of {len(self.operators)} operators on {self.configuration}, {self.cpu} on the CPU; "
            f"SRAM {self.sram:,} B, flash {self.flash:,} B, {self.cycles:,} cycles modelled"
        )


def is_installed() -> bool:
    """Return whether Vela can be run here."""
    return importlib.util.find_spec(_LIBRARY) is not None


def need_vela() -> None:
    """Refuse what compiles for an Ethos-U where Vela is not installed.

    Raises:
        MissingExtraError: it is not.
    """
    if not is_installed():
        raise MissingExtraError("accelerators", "Vela, which compiles for an Ethos-U,")


def compile_vela(model: bytes, configuration: str = DEFAULT) -> VelaReport:
    """Compile a .tflite.

    Args:
        model: the file.
        configuration: one of `CONFIGURATIONS`.

    Raises:
        InputError: for a configuration that there is not, or a file that Vela refuses, with its reasons.
        MissingExtraError: Vela is not installed.
    """
    if configuration not in CONFIGURATIONS:
        raise ExportError(f"one of {', '.join(CONFIGURATIONS)}", repr(configuration), "configuration of an Ethos-U")
    need_vela()
    before = parse_tflite(model)
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        (room / "model.tflite").write_bytes(model)
        _run(room, configuration)
        compiled = (room / "model_vela.tflite").read_bytes()
        figures = _figures(room)
    return VelaReport(
        configuration=configuration,
        operators=place_operators(before, parse_tflite(compiled)),
        sram=_bytes(figures, "sram_memory_used"),
        flash=_bytes(figures, "off_chip_flash_memory_used") + _bytes(figures, "on_chip_flash_memory_used"),
        cycles=round(float(figures["cycles_total"])),
        clock=float(figures["core_clock"]),
        macs=round(float(figures["nn_macs"])),
        model=compiled,
    )


def place_operators(before: TfliteFile, after: TfliteFile) -> tuple[Placement, ...]:
    """Return the operators of a file; those that stand in the compiled file too are left to the CPU."""
    left = Counter(_key(after, number) for number in range(len(after.operators)))
    placements = []
    for number, operator in enumerate(before.operators):
        key = _key(before, number)
        on_cpu = left[key] > 0
        left[key] -= on_cpu
        placements.append(Placement(operator=operator.name, shape=key[1], npu=not on_cpu))
    return tuple(placements)


def _key(file: TfliteFile, number: int) -> tuple[str, tuple[int, ...]]:
    operator = file.operators[number]
    return operator.name, tuple(int(length) for length in file.tensors[operator.outputs[0]].shape)


def _run(room: Path, configuration: str) -> None:
    """Run the compiler in a process of its own: what ends it does not end this one."""
    command = [
        sys.executable, "-c", "from ethosu.vela.vela import main; main()", "--accelerator-config", configuration,
        "--output-dir", str(room), str(room / "model.tflite"),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ExportError(f"Vela to end within {_SECONDS} s", "it is still running", configuration) from None
    if done.returncode or not (room / "model_vela.tflite").exists():
        lines = _reasons([*done.stdout.splitlines(), *done.stderr.splitlines()])
        raise ExportError(
            "operators that Vela maps to an Ethos-U or leaves to the CPU", lines, f"Vela, {configuration}",
            "Change the layer that it names, or run the int8 network on the CPU: edgewright export --to tflite",
        )  # fmt: skip


def _reasons(lines: Sequence[str]) -> str:
    """Return the last of what Vela said, in one line."""
    kept = [line.strip() for line in lines if line.strip() and not line.startswith(("Warning", "  File", "Traceback"))]
    first = next((number for number, line in enumerate(kept) if "Error" in line), max(0, len(kept) - _REASONS))
    return " ".join(kept[first : first + _REASONS])[:300] or "no reason given"


def _figures(room: Path) -> dict[str, str]:
    (path,) = room.glob("*_summary_*.csv")
    with path.open(newline="") as file:
        return next(iter(csv.DictReader(file)))


def _bytes(figures: dict[str, str], name: str) -> int:
    """Return a size that Vela writes in KiB."""
    return round(float(figures.get(name) or 0) * 1024)
