"""What layers with a state have in common in C: tables by unit, a table's sigmoid and tanh, the loop over a window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators import Site, recurrence

C = parts(__file__, "gates.c")
WITHIN = C["within"]


def over_window(site: Site) -> None:
    """Write a loop over the samples of a window, with a state in memory of the call."""
    made, samples = recurrence.known[site.operator.kind], site.values[0].shape[1]
    parts = made.parts(site)
    held = [site.unit.fresh((part.size,), "int8") for part in parts]
    names = [source.leaves[0].buffer.name for source in held]
    clear = [f"memset({name}, {part.first}, {part.size});" for name, part in zip(names, parts, strict=True)]
    output = site.output
    site.unit.step([*clear, *made.lines(site, names, samples)], site.inputs, (output, *held))


def by_unit(rows: NDArray[np.int32], gates: int) -> NDArray[np.int32]:
    """Return numbers of gates, then units, as of units, then gates."""
    return np.ascontiguousarray(rows.reshape(gates, -1).T).astype(np.int32).ravel()


def weights_by_unit(unit: Unit, weights: NDArray[np.int8], gates: int, role: str) -> str:
    """Return the table of weights in the order in which `dots` reads them: unit, input, gate."""
    rows = weights.reshape(gates, -1, weights.shape[1])
    return unit.table(np.ascontiguousarray(rows.transpose(1, 2, 0)).ravel(), role)


def between(unit: Unit) -> None:
    """Add sigmoid and tanh between two entries of a table, of 16 bits and of numbers in steps of 2^-12 / 3."""
    for name in ("between", "sigmoid_between", "tanh_between"):
        unit.helper(name, C[name])
