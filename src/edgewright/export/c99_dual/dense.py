"""Dense layers: four rows at a time over inputs of 16 bits, from the biases to the bytes in one function."""

from __future__ import annotations

from edgewright.export.c99_code.parts import filled
from edgewright.export.c99_code.source import Buffer, Source
from edgewright.export.c99_code.unit import UNREAD, Unit
from edgewright.export.c99_dual import dual
from edgewright.export.c99_dual._rows import C, instructions, rows_of
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._rounding import single
from edgewright.export.cores import SHORT


@dual("dense")
def dense(site: Site) -> Source | None:
    """Write the layer; its inputs and outputs have 16 bits, which the next one takes as they are."""
    unit, weights = site.unit, site.operator.arrays["weights"]
    # A turn of the loop takes two pairs of inputs.
    rows = rows_of(site, weights, multiple=2 if unit.unrolled == SHORT else 4) if weights.shape[1] > 2 else None
    if rows is None or len(set(rows.multipliers.tolist())) > 1 or len(set(rows.shifts.tolist())) > 1:
        return None
    once = single(site)
    instructions(unit, single=once)
    layer, table = unit.helper("layer", C["layer"]), unit.table(rows.words, "weights")
    code = filled(C["dense"], once=once, short=unit.unrolled == SHORT)
    function = unit.helper(f"dense_{'once' if once else 'twice'}", code)
    given = unit.wide.get(site.inputs[0].leaves[0].buffer.key)
    if given is None:
        given = unit.buffer(rows.pairs, "uint32")
        call = f"{unit.helper('widen', C['widen'])}({site.name()}, {weights.shape[1]}, {given.name});"
        unit.step([call], site.inputs, (_whole(unit, given),))
    sums = unit.buffer(len(rows.multipliers) // 2, "uint32")
    factor = f"{rows.shifts[0]}, {site.target.zero}, {rows.multipliers[0]}"
    unit.helper("anew", C["anew"])
    lines = [
        f"static const {layer} layer = {{{factor}, {table} + {rows.words.size}, {table}, {rows.pairs}}};",
        f"{function}({given.name}, &layer, {sums.name});",
        f"{unit.name}_ANEW",
    ]
    unit.step(lines, (_whole(unit, given),), (_whole(unit, sums),))
    unit.wide[site.output.leaves[0].buffer.key] = sums
    call = f"{unit.helper('narrow_bytes', C['narrow_bytes'])}({sums.name}, {len(weights)}, {site.result});"
    unit.step([call], (_whole(unit, sums),), (site.output,), work=UNREAD)
    return site.output


def _whole(unit: Unit, buffer: Buffer) -> Source:
    return unit.source(buffer, (buffer.size,))
