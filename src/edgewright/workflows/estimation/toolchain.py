"""The generated C of a graph compiled for a core and counted under emulation."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from edgewright.export.c99 import write_c99
from edgewright.export.emulator import Entry, run_on_device
from edgewright.schema.data import Floats
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork

_NAME = "model"
# Instructions spent on counting: to some dozens of a million, in a tenth of the time that exact counts take.
_COUNTED = 3e7


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What a program takes: bytes of flash, of static memory, of stack, and instructions of one answer."""

    flash: int
    static: int
    stack: int
    instructions: int

    @property
    def ram(self) -> int:
        """Static memory and stack, bytes."""
        return self.static + self.stack


def truth_of(graph: Graph, network: IntegerNetwork | None, core: str, row: Floats | None = None) -> Truth:
    """Compiles and counts.

    Args:
        graph: the whole pipeline, float or in QDQ form.
        network: the integers of its network; None for the float network.
        core: name of an emulated core.
        row: a sample, shape as the graph's input; made up where there is none.

    Raises:
        InputError: for a program that does not fit the emulated board.
        CheckFailedError: when a tool is missing or the program does not end.
    """
    shape = graph.inputs[0].shape
    if row is None:
        row = np.random.default_rng(0).normal(0.0, 0.5, shape).astype(np.float32)
    words = 1 + sum(math.prod(v.shape) if v.name != "label" else 1 for v in graph.outputs)
    size = math.prod(shape)
    call = f"static {_NAME}_context context; {_NAME}_predict(&context, (const float *)in, ({_NAME}_answer *)out);"
    entry = Entry(f"{_NAME}.h", call, size * 4, words * 4)
    files = write_c99(graph, network, name=_NAME)
    rows = np.asarray(row, np.float32).reshape(1, size)
    done = run_on_device(files, entry, core, rows, timeout=300.0, counted=_COUNTED)
    return Truth(flash=done.flash, static=done.ram, stack=done.stack, instructions=done.instructions)
