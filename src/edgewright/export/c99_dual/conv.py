"""Convolutions: two places at once over four rows, the bytes under the kernel widened and side by side."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_code.source import Buffer, Source
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_dual import dual
from edgewright.export.c99_dual._rows import BLOCK, C, instructions, rows_of
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._place import Kernel, kernel_of
from edgewright.export.c99_operators._rounding import single


@dual("conv")
def conv(site: Site) -> Source | None:
    """Write every filter over places two by two; what lies outside the image is its zero point."""
    k, unit, weights = kernel_of(site), site.unit, site.operator.arrays["weights"]
    count = len(weights)
    if site.operator.numbers.get("groups", (1,))[0] > 1 or single(site) or count % BLOCK:
        return None
    flat = weights.reshape(count, -1)
    inputs = flat.shape[1]
    size = -(-inputs // 4) * 4
    turned = np.zeros((count, size), np.int8)
    turned[:, :inputs] = flat
    # As bytes of a word are widened: 0 and 2, then 1 and 3.
    turned = turned.reshape(count, -1, 4)[:, :, [0, 2, 1, 3]].reshape(count, size)
    rows = rows_of(site, turned, factors=True)
    if rows is None:
        return None
    instructions(unit, single=False)
    filters, table = unit.helper("filters", C["filters"]), unit.table(rows.words, "weights")
    function = unit.helper("two_places", C["two_places"])
    wide = unit.buffer(size, "uint32")
    settings = f"{{{site.target.zero}, {table} + {rows.words.size}, {table}, {rows.pairs}}}"
    lines = [f"static const {filters} filters = {settings};"]
    written = [unit.source(wide, (size,))]
    places = k.places[0] * k.places[1]
    interleave = unit.helper("side_by_side", C["side_by_side"])
    target: Source | None = None
    if k.size == (1, 1) and not k.padded and k.source[2] % 4 == 0:
        # Both places are read before they are written, and no later one lies before them.
        if count <= inputs:
            target = site.taken_over()
        first, second = (f"{site.name()} + {_pixel(k, name)}" for name in ("place", "next"))
        gather = [f"{interleave}({first}, {second}, {size}, {wide.name});"]
    else:
        patches = unit.buffer(2 * size, "int8")
        written.append(unit.source(patches, (2 * size,)))
        alike = k.places[:2] == k.source[:2] and k.strides == (1, 1) and k.places[1] % 2 == 0
        target = site.taken_over() if alike and count <= k.source[2] else None
        inside = target is not None and target.leaves[0].buffer is site.inputs[0].leaves[0].buffer
        overwritten = unit.buffer((k.before[0] + 1) * k.source[1] * k.source[2], "int8") if inside else None
        if overwritten is not None:
            written.append(unit.source(overwritten, (overwritten.size,)))
        gather = _patches(unit, site, k, patches.name, size, overwritten)
        gather.append(f"{interleave}({patches.name}, {patches.name} + {size}, {size}, {wide.name});")
        lines.append(_kernel(unit, site, k))
    target = target or site.output
    out = [f"{target.leaves[0].buffer.name} + {name} * {count}" for name in ("place", "next")]
    other = "place + 1" if places % 2 == 0 else f"place + 1 < {places} ? place + 1 : place"
    lines += [
        f"for (int place = 0; place < {places}; place += 2) {{",
        f"    const int next = {other};",
        *("    " + line for line in gather),
        f"    {function}({wide.name}, &filters, {out[0]}, {out[1]});",
        "}",
    ]
    unit.step(lines, site.inputs, (target, *written))
    return target


def _pixel(k: Kernel, name: str) -> str:
    columns, (down, right), (_, width, channels) = k.places[1], k.strides, k.source
    if (down, right) == (1, 1):
        return f"{name} * {channels}"
    return f"({name} / {columns} * {down * width} + {name} % {columns} * {right}) * {channels}"


def _kernel(unit: Unit, site: Site, k: Kernel) -> str:
    unit.helper("patch", C["patch"])
    height, width, channels = k.source
    numbers = (*k.size, *k.dilations, height, width, channels, k.before[0] + 1, site.values[0].zero)
    return f"static const {unit.name}_kernel kernel = {{{', '.join(map(str, numbers))}}};"


def _patches(unit: Unit, site: Site, k: Kernel, to: str, size: int, overwritten: Buffer | None) -> list[str]:
    """Return lines that copy what lies under the kernel at both places; lines that are overwritten are held."""
    columns, whole = k.places[1], k.source[1] * k.source[2]
    lines, before = [], f"{site.name()}, 0"
    if overwritten is not None:
        at = f"place / {columns}"
        lines = [
            f"if (place % {columns} == 0) {{",
            f"    memcpy({overwritten.name} + {at} % kernel.holds * {whole}, {site.name()} + {at} * {whole}, {whole});",
            "}",
        ]
        before = f"{overwritten.name}, {at} + 1"
    for name, start in (("place", to), ("next", f"{to} + {size}")):
        top = f"{name} / {columns} * {k.strides[0]} - {k.before[0]}"
        left = f"{name} % {columns} * {k.strides[1]} - {k.before[1]}"
        lines.append(f"{unit.name}_patch({site.name()}, {before}, {top}, {left}, &kernel, {start});")
    return lines
