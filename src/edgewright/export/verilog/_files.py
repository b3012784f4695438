"""The files of a network in Verilog: the machine, its memories, a test bench, and a project for the iCE40 UP5K."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.network import run_integer
from edgewright.export.verilog import program_of
from edgewright.export.verilog._bench import bench
from edgewright.export.verilog._board import constraints, makefile, readme, top
from edgewright.export.verilog._layout import Layout
from edgewright.export.verilog._machine import machine
from edgewright.export.verilog._resources import BLOCKS, blocks
from edgewright.schema.integer import IntegerNetwork

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
        f"{name}_ice40.v": top(name),
        f"{name}_ice40.pcf": constraints(),
        "Makefile": makefile(name),
        "README.md": readme(layout, name, len(samples), facts or {}),
    }


def _bytes(values: NDArray[np.int8]) -> str:
    return _lines(f"{byte:02x}" for byte in np.ascontiguousarray(values, np.int8).tobytes())


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)
