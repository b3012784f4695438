"""Constants in a slot of flash: where each lies behind one pointer, and the bytes that go there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgewright.export._c_text import TYPES
from edgewright.schema.graph import Array

# Tables begin at multiples of this: the largest number in them has eight bytes.
ALIGNMENT = 8


def slot_offsets(tables: Mapping[str, Array]) -> tuple[dict[str, int], int]:
    """Byte offsets by table, and how many bytes they take together."""
    offsets, end = {}, 0
    for name, array in tables.items():
        offsets[name] = end
        end += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    return offsets, end


def slot_bytes(tables: Mapping[str, Array]) -> bytes:
    """The tables as a slot holds them: little-endian, zeros between them."""
    offsets, end = slot_offsets(tables)
    made = bytearray(end)
    for name, array in tables.items():
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        made[offsets[name] : offsets[name] + len(data)] = data
    return bytes(made)


def slot_tables(name: str, tables: Mapping[str, Array]) -> list[str]:
    """The C by which code finds its tables: a pointer, and a macro for each."""
    offsets, end = slot_offsets(tables)
    lines = [
        "/* Constants lie in a slot of flash; NAME_update.c sets the pointer, 0 where there are none. */".replace(
            "NAME", name
        ),
        f"const unsigned char *{name}_constants = 0;",
        f"const uint32_t {name}_constants_length = {end}u;",
    ]
    for table, array in tables.items():
        kind = TYPES[array.dtype.name]
        # A number of entries in the text makes the lengths of tables part of the layout.
        lines.append(
            f"#define {table} ((const {kind} *)(const void *)({name}_constants + {offsets[table]})) /* {array.size} */"
        )
    return ["\n".join(lines)]
