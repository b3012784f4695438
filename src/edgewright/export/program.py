"""A pipeline as the C writer would write it, counted instead of written: bytes of tables and memory, kinds of work."""

from __future__ import annotations

import re

import numpy as np

from edgewright.export._c_counts import Tally
from edgewright.export._c_files import STEPS
from edgewright.export._c_pipeline import lay_out
from edgewright.export._c_unit import Unit
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
    for routine in unit.routines:
        tally.routine(routine.name, [(rows, step.text) for rows, step in routine.parts])
    for place, step in enumerate(unit.steps):
        if not step.condition:
            tally.step(step.text, place in inside, step.work)
    texts = [line for step in unit.steps for line in step.text]
    texts += [line for routine in unit.routines for _, step in routine.parts for line in step.text]
    tally.functions("\n".join([*unit.helpers(), *texts]))
    floats = sum(not step.condition for step in unit.steps) - len(inside)
    tally.add("function", 1.0, len(borders) - 1 + floats // STEPS + len(unit.routines))
    answers = [int(np.prod(source.shape)) for source in face.outputs.values()]
    tally.add("answer", sum(answers))
    tally.copies(4 * count for count in answers)
    return Program(
        name=graph.name,
        constants=unit.table_bytes,
        values=arena.floats + arena.integers,
        written=tally.written,
        run=tally.run,
        network=_tables_of(unit, inside),
    )


def _tables_of(unit: Unit, inside: range) -> int:
    """Bytes of the tables that some steps name."""
    text = " ".join(line for place in inside for line in unit.steps[place].text)
    words = set(re.findall(r"\w+", text))
    return sum(array.nbytes for name, array in unit.contents().items() if name in words)
