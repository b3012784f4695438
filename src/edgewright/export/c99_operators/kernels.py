"""Counts of patterns in windows, in integers of 16 bits: the functions stand in `kernels.c`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from edgewright.core.operators import where
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import NOINLINE
from edgewright.export.c99_graph.kernels import OP
from edgewright.export.c99_operators import Spot, operator
from edgewright.schema.errors import InputError

_FUNCTION = re.compile(r"(?:/\*(?:(?!\*/).)*\*/\n)static (?:void|int) (\w+)\(.*?\n\}", re.DOTALL)
_CALLED = re.compile(r"\b(round_values|count_above|count_kernels)(?=\()")


@operator(OP)
def count_kernels(spot: Spot) -> Source:
    """(1, channels, samples) -> (1, kernels).

    Raises:
        InputError: for tables that are not constant.
    """
    unit = spot.unit
    tables = [table for table in spot.constants[1:] if table is not None]
    if len(tables) != len(spot.inputs) - 1:
        raise InputError("constant tables of kernels", "others", where(spot.node))
    levels, factors, rows, taps, biases, centres, step = tables
    source = unit.stored(spot.source(0))
    leaf, (channels, samples) = source.leaves[0], source.shape[1:]
    # It stands in the code, so that a slot of flash is not filled with tables of longer kernels than memory is for.
    wide = 4 << int(np.max(rows[:, 0]))
    values, row = (unit.fresh((n,), "int16") for n in (channels * samples, 2 * (samples + wide)))
    target = unit.fresh(spot.shape)
    unit.helper("apart", NOINLINE)
    text = Path(__file__).with_suffix(".c").read_text(encoding="utf-8")
    for function in _FUNCTION.finditer(text):
        # The inner loop has the registers of a small core for itself.
        unit.helper(function[1], _CALLED.sub(r"@_\1", function[0]).replace("static int ", "@_apart static int "))
    name, (channel, sample) = unit.name, leaf.view.strides[1:]
    first = f"{leaf.buffer.name}{f' + {leaf.offset}' if leaf.offset else ''}"
    scales = [unit.table(levels.astype(np.float32), "levels"), unit.table(factors.astype(np.float32), "factors")]
    unit.step(
        [
            f"{name}_round_values({first}, {channel}, {sample}, {', '.join(scales)}, {spot.node.attributes['limit']},"
            f" {channels}, {samples}, {values.leaves[0].buffer.name});"
        ],
        (source,),
        (values,),
    )
    kernels = {"rows": np.asarray(rows, np.uint8).ravel(), "taps": taps, "biases": biases, "centres": centres}
    names = [unit.table(table, role) for role, table in kernels.items()]
    memory = [s.leaves[0].buffer.name for s in (values, row, target)]
    unit.step(
        [
            f"{name}_count_kernels({memory[0]}, {channels}, {samples}, {names[0]}, {len(rows)}, {', '.join(names[1:])},"
            f" {int(step)}, {wide}, {', '.join(memory[1:])});"
        ],
        (values,),
        (row, target),
    )
    return target
