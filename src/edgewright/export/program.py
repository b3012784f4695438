"""A pipeline as the C writer would write it, counted instead of written: bytes of tables and memory, kinds of work."""

from __future__ import annotations

import numpy as np

from edgewright.export._c_counts import Tally
from edgewright.export._c_files import STEPS
from edgewright.export._c_pipeline import lay_out
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.program import Program


def program_of(graph: Graph, network: IntegerNetwork | None = None) -> Program:
    """Counts the program that `write_c99` would write.

    Args:
        graph: the whole pipeline, float or in QDQ form.
        network: the integers of its network; None for the float network.

    Returns:
        Tables and static memory to the byte; code and instructions as counts, which a core's coefficients weigh.

    Raises:
        InputError, UnknownNameError: as `write_c99`.
    """
    unit, face = lay_out(graph, network, name="model")
    kept = [leaf.buffer for source in face.outputs.values() for leaf in source.leaves]
    unit.mark(face.outputs.values())
    borders = (0, *face.borders, len(unit.steps))
    inside = range(borders[2], borders[3]) if network is not None else range(0)
    arena = unit.arena(kept, inside, face.ends)
    tally = Tally(unit.name, unit.table_sizes)
    for place, step in enumerate(unit.steps):
        if not step.condition:
            tally.step(step.lines, place in inside, step.work)
    tally.functions("\n".join([*unit.helpers(), *(line for step in unit.steps for line in step.lines)]))
    floats = sum(not step.condition for step in unit.steps) - len(inside)
    tally.add("function", 1.0, len(borders) - 1 + floats // STEPS)
    answers = [int(np.prod(source.shape)) for source in face.outputs.values()]
    tally.add("answer", sum(answers))
    tally.copies(4 * count for count in answers)
    return Program(
        name=graph.name,
        constants=unit.table_bytes,
        values=arena.floats + arena.integers,
        written=tally.written,
        run=tally.run,
    )
