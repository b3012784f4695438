"""The files of a network in Verilog: the machine, its memories, a test bench, and a project for the iCE40 UP5K."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.network import run_integer
from edgewright.export.verilog import program_of
from edgewright.export.verilog._layout import (
    BLOCKS,
    CELLS,
    HUGES,
    MULTIPLIERS,
    Layout,
    blocks,
    cells,
    huges,
    template,
)
from edgewright.export.verilog._machine import machine
from edgewright.schema.integer import IntegerNetwork

CLOCK_HZ = 12_000_000
# Pins of the package SG48 that the three connectors of an iCEbreaker lead out, eight each.
_CONNECTORS = (
    ("in_data", (4, 2, 47, 45, 3, 48, 46, 44)),
    ("out_data", (43, 38, 34, 31, 42, 36, 32, 28)),
)
_SINGLE = {"clk": 35, "reset_n": 10, "in_valid": 27, "in_ready": 25, "out_valid": 21, "out_ready": 19}


def constraints() -> str:
    """Return the pins."""
    lines = [
        "# Written by Edgewright. SPDX-License-Identifier: 0BSD",
        "# iCEbreaker; on another board, change the numbers.",
    ]
    lines += [f"set_io {name} {pin}" for name, pin in _SINGLE.items()]
    lines += [f"set_io {name}[{bit}] {pin}" for name, pins in _CONNECTORS for bit, pin in enumerate(pins)]
    return "\n".join([*lines, ""])


def readme(layout: Layout, name: str, count: int, facts: Mapping[str, str]) -> str:
    """Return what a user of the files must know."""
    program, network = layout.program, layout.program.network
    first, last = network.values[network.input], network.values[network.output]
    cycles = layout.cycles()
    loaded = (
        f"\nThe {len(program.weights):,} bytes of weights are more than the block RAM holds, and SPRAM has no\n"
        f"contents after configuration: after each reset, first send the bytes of `{name}_weights.hex` through the\n"
        "same stream.\n"
        if layout.loaded
        else ""
    )
    return template("README.md.in", {
        "LOADED": loaded, "NAME": name,
        "STEPS": len(program.steps), "COUNT": count, "INPUTS": f"{program.inputs:,}", "OUTPUTS": f"{program.outputs:,}",
        "SHAPE": " x ".join(map(str, first.shape)), "FIRST_SCALE": f"{first.scale:.9g}", "FIRST_ZERO": first.zero,
        "LAST_SCALE": f"{last.scale:.9g}", "LAST_ZERO": last.zero, "CELLS": f"{cells(layout):,}",
        "ALL_CELLS": f"{CELLS:,}", "BLOCKS": blocks(layout), "ALL_BLOCKS": BLOCKS, "HUGES": huges(layout),
        "ALL_HUGES": HUGES, "ALL_MULTIPLIERS": MULTIPLIERS, "CYCLES": f"{cycles:,}",
        "MILLISECONDS": f"{cycles / CLOCK_HZ * 1e3:.3g}", "MEGAHERTZ": f"{CLOCK_HZ / 1e6:g}",
        "WEIGHTS": f"{len(program.weights):,}", "FACTORS": f"{len(program.factors):,}", "ROW_BITS": layout.row_bits,
        "ACTIVATIONS": f"{program.activations:,}",
        "ABOUT": "".join(f"- {key}: {text}\n" for key, text in facts.items()),
    })  # fmt: skip


def bench(layout: Layout, name: str, count: int) -> str:
    """Return the bench of a module: `count` samples of NAME_vectors_in.hex against NAME_vectors_out.hex."""
    program, weights = layout.program, len(layout.program.weights)
    limit = 4 * (layout.cycles() + program.inputs + program.outputs) + 2 * weights + 1000
    return template("bench.v", {
        "LOAD_MEMORY": f"    reg [7:0] weights [0:{weights - 1}];\n" if layout.loaded else "",
        "LOAD": _LOAD if layout.loaded else "", "NAME": name, "COUNT": count, "INPUTS": program.inputs,
        "OUTPUTS": program.outputs, "LIMIT": limit, "WEIGHTS": weights,
    })  # fmt: skip


_LOAD = """\
        $readmemh("@NAME@_weights.hex", weights);
        for (i = 0; i < @WEIGHTS@; i = i + 1) send(weights[i]);
"""


# Samples of the test bench where no package has any.
_SAMPLES = 16


def layout_of(network: IntegerNetwork) -> Layout:
    """Return a network on the machine; weights that block RAM cannot hold come through the stream.

    Raises:
        UnknownNameError, InputError: as of `program_of`.
    """
    layout = Layout(program_of(network))
    return layout if blocks(layout) <= BLOCKS else Layout(layout.program, loaded=True)


def design(layout: Layout, name: str) -> dict[str, str]:
    """Return what a simulator needs: the machine, its memories, and a bench without vectors."""
    weights = layout.program.weights.tobytes() or b"\0"
    return {
        f"{name}.v": machine(layout, name),
        f"{name}_bench.v": bench(layout, name, _SAMPLES),
        f"{name}_weights.hex": _lines(f"{byte:02x}" for byte in weights),
        f"{name}_factors.hex": _lines(f"{layout.row(factor):x}" for factor in layout.program.factors),
    }


def verilog_files(
    network: IntegerNetwork, name: str, samples: NDArray[np.int8] | None = None, facts: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return all files of a network.

    Args:
        network: of integers, with a rounding.
        name: of the module, letters, digits and underscores.
        samples: int8 at the network's input for the test bench; made up when None.
        facts: further lines of the README, by what they are about.

    Raises:
        UnknownNameError: for an operator that has no Verilog form.
        InputError: for settings of an operator that have none.
    """
    layout = layout_of(network)
    shape = network.values[network.input].shape
    if samples is None:
        samples = np.random.default_rng(0).integers(-128, 128, (_SAMPLES, *shape)).astype(np.int8)
    answers = run_integer(network, samples)
    return {
        **design(layout, name),
        f"{name}_bench.v": bench(layout, name, len(samples)),
        f"{name}_vectors_in.hex": _bytes(samples),
        f"{name}_vectors_out.hex": _bytes(answers),
        f"{name}_ice40.v": template("top.v", {"NAME": name}),
        f"{name}_ice40.pcf": constraints(),
        "Makefile": template("Makefile.in", {"NAME": name, "MEGAHERTZ": CLOCK_HZ // 1_000_000}),
        "README.md": readme(layout, name, len(samples), facts or {}),
    }


def _bytes(values: NDArray[np.int8]) -> str:
    return _lines(f"{byte:02x}" for byte in np.ascontiguousarray(values, np.int8).tobytes())


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)
