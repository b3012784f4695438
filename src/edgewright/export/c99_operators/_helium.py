"""Sums of products of 16 bytes at once, on cores with Helium."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgewright.export._c_text import APART
from edgewright.export._c_unit import Unit
from edgewright.export.c99_operators._dots import TOGETHER, repeats

_WHERE = """\
/* Cores with Helium multiply and add 16 bytes at once; -D@_NO_INTRINSICS leaves C99 over the same tables. */
#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1) && !defined(@_NO_INTRINSICS)
#include <arm_mve.h>
#define @_VECTORS 1
#endif"""


def rows(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return weights (channels, inputs) in the order in which `vector_dots` reads them: row after row."""
    count, inputs = weights.shape
    whole = count // TOGETHER * TOGETHER
    return np.concatenate([weights[:whole], weights[-TOGETHER:] if repeats(count, inputs) else weights[whole:]])


def vector_dots(unit: Unit, count: int) -> Callable[[str, str, str], str]:
    """Return a writer of the call that adds dot products with `count` rows of weights to as many sums.

    Args:
        unit: where the function goes.
        count: rows.
    """
    unit.helper("vectors", _WHERE)
    unit.helper("apart", APART)
    every = range(count)
    lines = [
        f"/* sum[k] += x * w, the weights of {count} channels one after another. */",
        f"@_apart static void @_rows{count}(const int8_t *x, const int8_t *w, int row, int n, int32_t *sum) {{",
        "#ifdef @_VECTORS",
        *(["    (void)row;"] if count == 1 else []),
        f"    int32_t {', '.join(f's{k} = sum[{k}]' for k in every)};",
        "    for (; n > 0; n -= 16, x += 16, w += 16) {",
        "        const mve_pred16_t some = vctp8q((uint32_t)n);",
        "        const int8x16_t v = vldrbq_z_s8(x, some);",
        *(f"        s{k} = vmladavaq_s8(s{k}, v, vldrbq_z_s8(w{f' + {k} * row' if k else ''}, some));" for k in every),
        "    }",
        *(f"    sum[{k}] = s{k};" for k in every),
        "#else",
        f"    for (int k = 0; k < {count}; ++k, w += row) {{",
        "        for (int i = 0; i < n; ++i) {",
        "            sum[k] += x[i] * w[i];",
        "        }",
        "    }",
        "#endif",
        "}",
    ]
    function = unit.helper(f"rows{count}", "\n".join(lines))
    return lambda x, w, n: f"{function}({x}, {w}, {n}, {n}, sum);"
