"""Denoisers of speech and of motion on people who were left out, beside classical filters, and what a step costs.

Data in ../shared/data: speechocean762 (80 speakers, one recording each, 16 kHz) and HAPT (21 people, 50 Hz). Speakers
who are left out are drawn by the seed of the training; people 26 to 30 of HAPT are left out by name. Sizes of the
networks were chosen on validation speakers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import ROOT, TargetReport, markdown, python, spent
from edgewright.export.c99_stream.stream import write_denoiser_c99
from edgewright.export.emulator import Entry, installed_tools, run_on_device
from edgewright.graph.restoration import DenoiserFile, read_as

DATA = ROOT.parent / "shared" / "data"
_NOISE = ("white", "pink", "hum", "impulse")
_STEPS = 20


@dataclass(frozen=True)
class Task:
    """A denoiser that is trained: its data and sizes, and the noise that it must be better against."""

    name: str
    data: tuple[str, ...]
    training: tuple[str, ...]
    wins: tuple[str, ...]


TASKS = (
    Task("speech", (str(DATA / "speechocean762" / "WAVE"), "--kind", "wav"),
         ("--set", "filters=48", "--epochs", "30", "--windows", "4000"), ("pink", "impulse")),
    Task("motion", (str(DATA / "har-hapt"), "--kind", "hapt", "--columns", "acc_x,acc_y,acc_z"),
         ("--hold-out", "26,27,28,29,30", "--set", "hop=1", "--set", "first=8", "--set", "delay=6", "--set",
          "filters=24", "--epochs", "20", "--windows", "6000"), ("hum", "impulse")),
)  # fmt: skip


def main(names: Sequence[str]) -> int:
    """Print the tables; 1 where the denoiser is not better than every baseline where it must be."""
    report = TargetReport()
    edgewright = str(Path(python()).with_name("edgewright"))
    with tempfile.TemporaryDirectory() as folder:
        for task in TASKS:
            if names and task.name not in names:
                continue
            file = Path(folder) / f"{task.name}.denoiser"
            noise = [word for kind in _NOISE for word in ("--noise", kind)]
            used = spent([edgewright, "restore", "denoise", *task.data, *noise, *task.training, "--out", str(file)])
            completed = subprocess.run([edgewright, "restore", "score", str(file), *task.data, "--json"],
                                       check=True, capture_output=True)  # fmt: skip
            score = json.loads(completed.stdout)
            print(f"\n{task.name}: {score['recordings']} recordings of {score['groups']} held out, "
                  f"trained in {used.cpu_seconds:.0f} CPU-s\n")  # fmt: skip
            print(_table(score["rows"]))
            for sentence in score["loses"]:
                print(f"\nworse: {sentence}")
            for kind in task.wins:
                _judge(report, task.name, kind, score["rows"])
            _device(read_as(DenoiserFile, file))
    print()
    print(markdown(["SNR improvement over the best baseline", "measured", "at least", ""], report.rows))
    return 0 if report.reached else 1


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """SNR improvements by noise and method."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    noises = list(dict.fromkeys(row["noise"] for row in rows))
    cells = {(row["noise"], row["method"]): row["snr"] for row in rows}
    body = [[method, *(_span(cells[noise, method]) for noise in noises)] for method in methods]
    return markdown(["SNR improvement, dB", *noises], body)


def _span(figure: dict[str, Any]) -> str:
    return f"{figure['value']:.1f} ({figure['low']:.1f} to {figure['high']:.1f})"


def _judge(report: TargetReport, name: str, kind: str, rows: Sequence[dict[str, Any]]) -> None:
    """Require that the smallest advantage over a baseline, and the low end of its interval, are above zero."""
    ours = [row for row in rows if row["noise"] == kind and row["over"] and row["method"] != "float"]
    nearest = min(ours, key=lambda row: float(row["over"]["value"]))
    title = f"{name}, {kind} noise, over {nearest['method']}"
    report(title, f"{_span(nearest['over'])} dB", "above 0", nearest["over"]["low"] > 0)


def _device(denoiser: DenoiserFile) -> None:
    """Print what a step takes on an emulated Cortex-M4."""
    if "qemu" not in installed_tools("cortex-m4"):
        print("\nleft out: GCC and QEMU are not installed")
        return
    spec, code = denoiser.spec, write_denoiser_c99(denoiser, name="denoiser")
    width = spec.hop * len(spec.columns)
    x = np.random.default_rng(0).standard_normal((1, _STEPS * width)).astype(np.float32)
    call = (f"static denoiser_context context; denoiser_init(&context); for (int i = 0; i < {_STEPS}; ++i) "
            f"denoiser_step(&context, (const float *)in + {width} * i, (float *)out + {width} * i);")  # fmt: skip
    run = run_on_device(code.files, Entry("denoiser.h", call, 4 * x.size, 4 * x.size), "cortex-m4", x, tools="qemu")
    each = run.instructions / _STEPS / spec.hop
    print(f"\nCortex-M4: {each:,.0f} instructions a sample ({spec.macs:,.0f} multiply-accumulates), "
          f"{each * spec.rate / 1e6:.1f} million a second; {run.flash:,} bytes of flash, {run.ram:,} of RAM, "
          f"{run.stack:,} of stack; {1000 * (spec.hop + spec.delay) / spec.rate:.3g} ms late")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
