"""Half-space trees whose counts are those of the training."""

from __future__ import annotations

import numpy as np

from edgewright.export._c_text import number
from edgewright.export.c99_detectors import Learnt, Score, Writer, floats
from edgewright.schema.errors import InputError

# SizeLimit of the paper, as Python has it: a node with fewer of a window's rows is not followed further.
_SMALL = 0.1


def _write(learnt: Learnt) -> Score:
    if learnt["adapt"]:
        raise InputError(
            "counts that stay as they are", "counts that follow the rows", "detector half_space_trees in C",
            "Fit it with adapt = false: counts that follow would take twice their size in RAM",
        )  # fmt: skip
    splits, mass = np.asarray(learnt["splits"]), np.asarray(learnt["mass"])
    window, depth = float(learnt["window"]), int(learnt["depth"])
    (trees, inner), nodes = splits.shape, mass.shape[1]
    lines = (
        "float total = 0.0f;",
        "memset(@_now.parts, 0, sizeof @_now.parts);",
        f"for (int tree = 0; tree < {trees}; ++tree) {{",
        f"    const float *const mass = @_mass + {nodes} * tree;",
        "    int node = 0, level = 0;",
        f"    while (level < {depth} && mass[node] >= {number(_SMALL * window)}) {{",
        f"        const int channel = @_splits[{inner} * tree + node];",
        "        const float x = @_finite(row[channel]) ? row[channel] : @_middle[channel];",
        f"        const int next = 2 * node + 1 + (x >= @_cuts[{inner} * tree + node] ? 1 : 0);",
        "        const float fewer = (mass[node] + 1.0f) / (2.0f * mass[next] + 1.0f);",
        "        @_now.parts[channel] += fewer > 1.0f ? logf(fewer) : 0.0f;",
        "        node = next;",
        "        ++level;",
        "    }",
        f"    total += 1.0f / (1.0f + mass[node] * (float)(1 << level) / {number(window)});",
        "}",
        f"return total / {trees}.0f;",
    )
    return Score(
        lines,
        {"middle": floats(learnt["middle"]), "cuts": floats(learnt["cuts"]), "mass": floats(mass), "splits": splits},
    )


WRITER = Writer(_write)
