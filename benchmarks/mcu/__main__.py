"""What integer networks take on an emulated Cortex-M4, M0+ and RISC-V, in every path, beside emlearn and peers.

Flash is the program less an empty one, memory static, stack by what was overwritten, instructions counted exactly;
every byte is compared with the reference, which equals LiteRT's kernels. `python -m benchmarks.mcu kws` takes one;
`hapt` is a whole pipeline, trained first.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.accelerators.models import FOLDER
from benchmarks.mcu.networks import CASES, Case, Limits
from benchmarks.mcu.pipelines import EVENT, whole_programs
from benchmarks.table import TargetReport, markdown, python, spent
from benchmarks.training.environments import environment
from edgewright.core.integer.network import run_integer
from edgewright.core.records.network import IntegerNetwork
from edgewright.export.c99_code.pipeline import write_network_c99
from edgewright.export.c99_graph.graph import pixels, turning
from edgewright.export.cores import vectors_of
from edgewright.export.emulator import DeviceRun, Entry, run_on_device
from edgewright.profiles.catalogue import load_profile

# Inputs that are compared; a slow network gets as many as so many instructions of emulation allow.
_INPUTS, _MAX_INSTRUCTIONS = 1000, 4e9
_CALL = "static net_network_context context; net_network(&context, (const int8_t *)in, (int8_t *)out);"
# Instructions of 10-64-64-3 on a Cortex-M0+ by CMSIS-NN.
_SMALLEST_CORE = 43_347
# Seconds from kws as .tflite to its C.
_SECONDS = 2.0


@dataclass(frozen=True)
class Form:
    """A way of writing and compiling the code: name, device, core that it is written for, and a line before it."""

    name: str
    device: str
    core: str
    before: str = ""


FORMS = (
    Form("assembly", "cortex-m4", "cortex-m4"),
    Form("intrinsics", "cortex-m4", "cortex-m4", "#define net_NO_ASSEMBLY\n"),
    Form("C99", "cortex-m4", ""),
    Form("C99", "cortex-m0plus", ""),
    Form("vectors of 128 bits", "riscv32v", "riscv32v"),
    Form("C99", "riscv32", ""),
)
_SEVEN = Form("assembly", "cortex-m7", "cortex-m7")


def main(names: Sequence[str]) -> int:
    """Print the tables; 1 where a limit is missed or a byte differs."""
    report, rows = TargetReport(), []
    for name, case in CASES.items():
        if names and name not in names:
            continue
        network = case.make()
        for form in (*FORMS, _SEVEN) if case.tflm else FORMS:
            run, differ, count = _run(network, form)
            rows.append([name, f"{form.device}, {form.name}", *_figures(run, form), f"{differ} of {count} inputs", ""])
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
            report(f"{name}, {form.device}, {form.name}: inputs that differ", str(differ), "0", differ == 0)
            if form is _SEVEN:
                _judge(report, f"{name}, {form.device}", run, Limits(0, 0, 0, case.tflm))
            elif form.name == "assembly":
                _judge(report, name, run, case.limits)
            if name == "10-64-64-3" and form.device == "cortex-m0plus":
                got = run.instructions
                report("10-64-64-3 on Cortex-M0+", f"{got:,}", f"below {_SMALLEST_CORE:,}", got < _SMALLEST_CORE)
        rows.append([name, "peers, measured before", "", "", "", "", "", case.peers])
        if case.widths:
            run = _emlearn(case)
            rows.append([name, "cortex-m4, emlearn (float)", *_figures(run, FORMS[0]), "", ""])
    if not names or "hapt" in names:
        for name, run in whole_programs().items():
            rows.append([f"hapt, {name}", "cortex-m4, assembly", *_figures(run, FORMS[0]), "", ""])
            if name == EVENT:
                _judge(report, f"hapt, {name}", run, Limits(24_000, 0, 0, 400_000))
                got = run.ram + run.stack
                report(f"hapt, {name}, ram + stack", f"{got:,}", "8,000", got <= 8000)
    if not names or "kws" in names:
        seconds = _seconds()
        report("kws from .tflite to C", f"{seconds:.2f} s of processor", f"{_SECONDS:g} s", seconds < _SECONDS)
    head = [
        "network",
        "code",
        "flash, bytes",
        "RAM + stack, bytes",
        "instructions",
        "cycles, modelled",
        "differ",
        "peers",
    ]
    print(markdown(head, rows))
    print()
    print(markdown(["what", "got", "target", ""], report.rows))
    return 0 if report.reached else 1


def _run(network: IntegerNetwork, form: Form) -> tuple[DeviceRun, int, int]:
    """Return what a path takes, how many inputs give another byte than the reference, and how many were compared."""
    first, last = (math.prod(network.values[i].shape) for i in (network.input, network.output))
    files = {file: form.before + text for file, text in write_network_c99(network, name="net", core=form.core).items()}
    entry = Entry("net.h", _CALL, first, last)
    x = np.random.default_rng(1).integers(-128, 128, (_INPUTS, *network.values[network.input].shape)).astype(np.int8)

    def run(count: int, counted: float) -> DeviceRun:
        given = pixels(x[:count]) if turning(network) is not None else x[:count]
        return run_on_device(
            files, entry, form.device, given.reshape(count, -1), timeout=900.0, counted=counted, tools="qemu"
        )

    one = run(1, 3e8)
    count = int(min(_INPUTS, max(2, _MAX_INSTRUCTIONS // one.instructions)))
    wanted = run_integer(network, x[:count]).reshape(count, -1)
    outputs = run(count, 1.0).outputs.view(np.int8)
    return one, int((outputs != wanted).any(axis=1).sum()), count


def _figures(run: DeviceRun, form: Form) -> list[str]:
    # An instruction works on up to eight vectors, whose cycles nobody has measured.
    cycles = None if vectors_of(form.core) else load_profile(form.device).cycles
    modelled = f"{run.instructions * cycles.value:,.0f}" if cycles is not None else ""
    return [f"{run.flash:,}", f"{run.ram:,} + {run.stack:,}", f"{run.instructions:,}", modelled]


def _judge(report: TargetReport, name: str, run: DeviceRun, limits: Limits) -> None:
    for quantity in ("flash", "ram", "stack", "instructions"):
        got, limit = int(getattr(run, quantity)), int(getattr(limits, quantity))
        if limit:
            report(f"{name}, {quantity}", f"{got:,}", f"{limit:,}", got <= limit)


def _emlearn(case: Case) -> DeviceRun:
    """Return what the same layers take as emlearn writes them, floats."""
    command = [environment("emlearn", ["emlearn", "scikit-learn"]), str(Path(__file__).with_name("write_emlearn.py"))]
    # It compiles into the folder that it runs in.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, *map(str, case.widths)], check=True, capture_output=True, text=True, cwd=folder
        )
    files = json.loads(done.stdout)
    call = f"*(int32_t *)out = net_predict((const float *)in, {case.widths[0]});"
    rows = np.zeros((1, case.widths[0]), np.float32)
    return run_on_device(files, Entry("net.h", call, 4 * case.widths[0], 4), "cortex-m4", rows, tools="qemu")


def _seconds() -> float:
    """Return processor seconds of the command that reads the .tflite and writes its C, Python's start included."""
    command = [str(Path(python()).with_name("edgewright")), "export", str(FOLDER / "kws_ref_model.tflite")]
    with tempfile.TemporaryDirectory() as folder:
        return spent([*command, "--to", "c99", "--device", "cortex-m4", "--out", folder]).cpu_seconds


if __name__ == "__main__":
    started = time.perf_counter()
    code = main(sys.argv[1:])
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    sys.exit(code)
