"""Tree ensembles: every tree is walked from node to node, and other choices by computed place."""

from __future__ import annotations

from edgewright.export._c_source import Source
from edgewright.export._c_trees import OP
from edgewright.export.c99_operators import Spot, operator
from edgewright.export.c99_operators._choice import chosen


@operator("GatherElements")
def gather_elements(spot: Spot) -> Source:
    """One value along the axis for each entry of the indices."""
    return chosen(spot)


@operator(OP)
def walk(spot: Spot) -> Source:
    """Numbers of the leaves at which the trees end; a leaf follows itself."""
    unit = spot.unit
    x, start = unit.stored(spot.source(0)), unit.stored(spot.source(1), in_order=True)
    feature, threshold, yes, no = (unit.stored(spot.source(n)) for n in range(2, 6))
    target = unit.fresh(spot.shape, "int32")
    names = [s.leaves[0].buffer.name for s in (feature, threshold, yes, no)]
    value = x.leaves[0]
    test = f"v <= {names[1]}[n]"
    reads = [x, start, feature, threshold, yes, no]
    if len(spot.inputs) > 6:
        missing = unit.stored(spot.source(6))
        reads.append(missing)
        test = f"({test} || (v != v && {missing.leaves[0].buffer.name}[n]))"
    count, offset = target.leaves[0].buffer.size, start.leaves[0].offset
    place = f"{value.view.strides[-1]} * {names[0]}[n]" if value.view.strides[-1] != 1 else f"{names[0]}[n]"
    unit.step(
        [
            f"for (int i = 0; i < {count}; ++i) {{",
            f"    int32_t n = {start.leaves[0].buffer.name}[{f'{offset} + ' if offset else ''}i];",
            f"    for (int level = 0; level < {spot.node.attributes['depth']}; ++level) {{",
            f"        const float v = {value.buffer.name}[{f'{value.offset} + ' if value.offset else ''}{place}];",
            f"        n = {test} ? {names[2]}[n] : {names[3]}[n];",
            "    }",
            f"    {target.leaves[0].buffer.name}[i] = n;",
            "}",
        ],
        reads,
        (target,),
    )
    return target
