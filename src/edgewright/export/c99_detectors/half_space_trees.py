"""Half-space trees, whose counts are those of the training or follow the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export._c_text import number
from edgewright.export.c99_detectors import Learnt, Score, Writer, floats

# SizeLimit of the paper, as Python has it: a node with fewer of a window's rows is not followed further.
_SMALL = 0.1


def _write(learnt: Learnt) -> Score:
    splits, mass = np.asarray(learnt["splits"]), np.asarray(learnt["mass"])
    window, depth, adapt = int(learnt["window"]), int(learnt["depth"]), bool(learnt["adapt"])
    (trees, inner), nodes = splits.shape, mass.shape[1]
    here = f"@_mass_of(context, {nodes} * tree + %s)" if adapt else "mass[%s]"
    lines = [
        "float total = 0.0f;",
        "memset(context->parts, 0, sizeof context->parts);",
        f"for (int tree = 0; tree < {trees}; ++tree) {{",
        *([] if adapt else [f"    const float *const mass = @_mass + {nodes} * tree;"]),
        "    int node = 0, level = 0;",
        f"    float rows = {here % 'node'};",
        f"    while (level < {depth} && rows >= {number(_SMALL * window)}) {{",
        f"        const int channel = @_splits[{inner} * tree + node];",
        f"        node = @_next(row, {inner} * tree, node);",
        f"        const float left = {here % 'node'};",
        "        const float fewer = (rows + 1.0f) / (2.0f * left + 1.0f);",
        "        context->parts[channel] += fewer > 1.0f ? logf(fewer) : 0.0f;",
        "        rows = left;",
        "        ++level;",
        "    }",
        f"    total += 1.0f / (1.0f + rows * (float)(1 << level) / {number(float(window))});",
        "}",
        *(_count(trees, inner, nodes, depth, window) if adapt else []),
        f"return total / {trees}.0f;",
    ]
    tables = {"middle": floats(learnt["middle"]), "cuts": floats(learnt["cuts"]), "mass": floats(mass)}
    return Score(
        tuple(lines),
        {**tables, "splits": splits},
        counts=("which", "seen") if adapt else (),
        # As small as the rows of a window allow: two counts of every node are most of the memory.
        whole={"counted": ("uint16_t" if window < 1 << 16 else "uint32_t", 2 * trees * nodes)} if adapt else {},
        often=_often(mass, depth, window),
        helpers="\n\n".join([_NEXT, *([_MASS.replace("$", str(trees * nodes))] if adapt else [])]),
    )


def _often(mass: NDArray[Any], depth: int, window: int) -> dict[str, float]:
    """Levels that a row of the training goes down in a tree, and in how many it is in the emptier half; means.

    Args:
        mass: rows in every node, shape (trees, nodes).
        depth: levels of a tree.
        window: rows that were counted.
    """
    inner = 2**depth - 1
    levels, emptier = 0.0, 0.0
    followed = np.ones((len(mass), 2 * inner + 1), bool)
    for node in range(inner):
        followed[:, node] &= mass[:, node] >= _SMALL * window
        for child in (2 * node + 1, 2 * node + 2):
            followed[:, child] = followed[:, node]
            there = mass[:, child] * followed[:, node]
            levels += float(there.sum())
            emptier += float((there * (mass[:, node] > 2 * mass[:, child])).sum())
    rows = max(float(mass[:, 0].sum()), 1.0)
    return {"while (level": levels / rows, "logf(": emptier / max(levels, 1.0), "if (++context->seen": 1 / window}


# The child in which a row lies; `first` is the tree's first inner node.
_NEXT = """\
static int @_next(const float *row, int first, int node) {
    const int channel = @_splits[first + node];
    const float x = @_finite(row[channel]) ? row[channel] : @_middle[channel];
    return 2 * node + 1 + (x >= @_cuts[first + node] ? 1 : 0);
}"""
_MASS = """\
/* The reference: counts of the training, then those of the last window, which is half `which - 1`. */
static float @_mass_of(@_detect_context *context, int place) {
    return context->which == 0u ? @_mass[place] : (float)context->counted[(context->which == 1u ? 0 : $) + place];
}"""


def _count(trees: int, inner: int, nodes: int, depth: int, window: int) -> list[str]:
    """Counts the row along its whole path in the half that is no reference; a full window makes it the reference."""
    return [
        f"const int half = context->which == 1u ? {trees * nodes} : 0;",
        f"for (int tree = 0; tree < {trees}; ++tree) {{",
        "    int node = 0;",
        f"    ++context->counted[half + {nodes} * tree];",
        f"    for (int level = 0; level < {depth}; ++level) {{",
        f"        node = @_next(row, {inner} * tree, node);",
        f"        ++context->counted[half + {nodes} * tree + node];",
        "    }",
        "}",
        f"if (++context->seen == {window}u) {{",
        "    context->seen = 0u;",
        "    context->which = half == 0 ? 1u : 2u;",
        f"    memset(context->counted + {trees * nodes} - half, 0, sizeof context->counted / 2u);",
        "}",
    ]


WRITER = Writer(_write)
