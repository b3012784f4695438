"""Convolutions on bytes, channels last."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.text import NOINLINE
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators import Site, kernel
from edgewright.export.c99_operators._dots import TOGETHER, dots, interleaved, lanes, over_channels, repeats
from edgewright.export.c99_operators._place import kernel_of, over_places, over_rows_of_taps
from edgewright.export.c99_operators._rounding import start_of

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
    unit.helper("apart", NOINLINE)
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


@kernel("dense")
def dense(site: Site) -> None:
    """Write a dot product for each output; the bias includes the zero point of the input."""
    weights = site.operator.arrays["weights"]
    outputs, inputs = weights.shape
    start = start_of(site, 0)

    vectors = site.unit.vectors == "helium" and not start.zero

    def sums(count: int) -> list[str]:
        call = vector_dots(site.unit, count) if vectors else dots(site.unit, count, start.zero)
        return [call(site.name(), "w", str(inputs)), f"w += {count * inputs};"]

    site.step(
        [
            f"const int8_t *w = {site.unit.table(rows(weights) if vectors else interleaved(weights), 'weights')};",
            *over_channels(site, start, outputs, sums, together=TOGETHER, work=inputs),
        ]
    )


@kernel("conv")
def conv(site: Site) -> None:
    """Every filter over every place; a row of the kernel is one dot product where its taps lie side by side."""
    k, weights = kernel_of(site), site.operator.arrays["weights"]
    groups = site.operator.numbers.get("groups", (1,))[0]
    start = start_of(site, 0, padded=k.padded)
    filters, width = len(weights), weights.shape[3]
    size, each = filters // groups, k.size[0] * k.size[1] * width
    # A block of filters reads the same channels.
    together = TOGETHER if size % TOGETHER == 0 or groups == 1 else 1
    group = f" + j / {size} * {width}" if groups > 1 else ""

    def sums(count: int) -> list[str]:
        call = dots(site.unit, count, start.zero)
        if groups == 1 and k.dilations[1] == 1:
            run = f"taps * {width}" if k.taps == "taps" else str(k.size[1] * width)
            body = [call(f"{site.name()} + at", f"w + {count * width} * tap", run)]
        else:
            image = f"{site.name()} + at + x * {k.dilations[1] * k.source[2]}{group}"
            body = [
                f"for (int x = 0; x < {k.taps}; ++x) {{",
                "    " + call(image, f"w + {count * width} * (tap + x)", str(width)),
                "}",
            ]
        return [*over_rows_of_taps(k, body), f"w += {count * each};"]

    blocks = over_channels(
        site, start, filters, sums, at=f"place * {filters} + ", together=together, work=k.work * width
    )
    table = site.unit.table(interleaved(weights.reshape(filters, -1), together, math.prod(k.places[:2])), "weights")
    site.step(over_places(k, [f"const int8_t *w = {table};", *blocks]))


@kernel("depthwise")
def depthwise(site: Site) -> None:
    """Write a convolution with filters of its own for every channel."""
    k, weights = kernel_of(site), site.operator.arrays["weights"]
    start = start_of(site, 2, padded=k.padded)
    filters, channels = k.places[2], k.source[2]
    each = filters // channels
    together = TOGETHER if each == 1 else 1
    table = site.unit.table(weights, "weights")

    def sums(count: int) -> list[str]:
        own = lanes(count)
        lines = [f"int32_t {', '.join(f'{name} = sum[{n}]' for n, name in enumerate(own))};"]
        body = [
            f"const int8_t *x = {site.name()} + at + {'j' if each == 1 else f'j / {each}'};",
            f"const int8_t *w = {table} + tap * {filters} + j;",
            f"for (int n = 0; n < {k.taps}; ++n) {{",
            *(f"    {name} += {_less(f'x[{n}]', start.zero)} * w[{n}];" for n, name in enumerate(own)),
            f"    x += {k.dilations[1] * channels};",
            f"    w += {filters};",
            "}",
        ]
        return [*lines, *over_rows_of_taps(k, body), *(f"sum[{n}] = {name};" for n, name in enumerate(own))]

    at = f"place * {filters} + "
    site.step(over_places(k, over_channels(site, start, filters, sums, at=at, together=together, work=k.work)))


def _less(text: str, zero: str) -> str:
    return f"({text} - {zero})".replace("- -", "+ ") if zero else text
