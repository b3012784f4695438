"""C of int8 layers: weighted, elementwise and pooling."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import NOINLINE, smallest
from edgewright.export.c99_code.unit import Unit, nested
from edgewright.export.c99_operators import Site, kernel
from edgewright.export.c99_operators._place import (
    TOGETHER,
    Kernel,
    dots,
    given,
    interleaved,
    kernel_of,
    lanes,
    over_blocks,
    over_channels,
    over_places,
    over_rows_of_taps,
    repeats,
)
from edgewright.export.c99_operators._rounding import C, clamp, divide, requantised, rescaled, start_of

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


INT8_ELEMENTWISE_C = parts(__file__, "int8_elementwise.c")


@kernel("reshape")
def reshape(site: Site) -> Source:
    """Another shape: the same memory."""
    return site.inputs[0].seen(lambda view: view.reshape(site.target.shape))


@kernel("transpose")
def transpose(site: Site) -> None:
    """Axes in another order."""
    order, shape = site.operator.numbers["order"], site.values[0].shape
    walk = site.inputs[0].seen(lambda view: view.reshape(shape).transpose(order))
    site.unit.copy(walk, site.output.viewed(lambda view: view.reshape(walk.shape)) or site.output)


@kernel("slice")
def cut(site: Site) -> None:
    """Neighbours along one axis."""
    (axis,), (begin,), (end,) = (site.operator.numbers[name] for name in ("axis", "begin", "end"))
    shape, places = site.values[0].shape, (*(slice(None),) * axis, slice(begin, end))
    walk = site.inputs[0].seen(lambda view: view.reshape(shape)[places])
    site.unit.copy(walk, site.output.viewed(lambda view: view.reshape(walk.shape)) or site.output)


@kernel("pad")
def pad(site: Site) -> None:
    """Write padding of height and width with the byte that means 0."""
    top, left, _, _ = site.operator.numbers["pads"]
    height, width, channels = site.values[0].shape
    whole = site.target.shape[1] * channels
    size, start = int(np.prod(site.target.shape)), top * whole + left * channels
    body = [f"{site.result}[{start} + i0 * {whole} + i1] = {site.name()}[i0 * {width * channels} + i1];"]
    site.step(
        [
            f"memset({site.result}, {site.unit.whole(site.target.zero)}, {size});",
            *nested((height, width * channels), ("i0", "i1"), body),
        ]
    )


@kernel("concat")
def concat(site: Site) -> None:
    """One after the other along an axis."""
    axis = site.operator.numbers["axis"][0]
    whole = int(np.prod(site.target.shape[axis:]))
    lines, start = [], 0
    for index, value in enumerate(site.values[:-1]):
        part = int(np.prod(value.shape[axis:]))
        rows = int(np.prod(value.shape[:axis]))
        line = f"memcpy({site.result} + i * {whole} + {start}, {site.name(index)} + i * {part}, {part});"
        lines += nested((rows,), ("i",), [line])
        start += part
    site.step(lines)


# As core/kernels/elementwise.py: bits of fraction while adding.
EXTRA_BITS = 20


def _each(site: Site, expression: str) -> Source:
    """Write a byte from those of the inputs at the same place, whose memory it may take."""
    target, size = site.taken_over(), int(np.prod(site.target.shape))
    name = target.leaves[0].buffer.name
    lines = [f"for (int i = 0; i < {size}; ++i) {{", f"    {name}[i] = {expression};", "}"]
    site.unit.step(lines, site.inputs, (target,))
    return target


@kernel("relu", "quantise")
def rescale(site: Site) -> Source:
    """Another grid, and the clamp of an activation."""
    return _each(site, requantised(site, f"{site.name()}[i]{site.unit.less(site.values[0].zero)}", "0", 255))


@kernel("add")
def add(site: Site) -> Source:
    """Both on one grid with more bits, added, brought to the output's grid."""
    less, whole = site.unit.less, site.unit.whole
    inside = [
        rescaled(site, f"({site.name(i)}[i]{less(site.values[i].zero)}) * {1 << EXTRA_BITS}", "0", 255 << EXTRA_BITS, i)
        for i in range(2)
    ]
    total = f"{rescaled(site, f'{inside[0]} + {inside[1]}', '0', 255 << EXTRA_BITS + 1, 2)}{less(-site.target.zero)}"
    return _each(site, f"{clamp(site.unit)}({total}, {whole(site.operator.low)}, {whole(site.operator.high)})")


@kernel("logistic", "table")
def looked_up(site: Site) -> Source:
    """Write a table of 256 bytes."""
    return _each(site, f"{site.unit.table(site.operator.arrays['table'])}[{site.name()}[i] + 128]")


@kernel("multiply")
def multiply(site: Site) -> Source | None:
    """Product of both, brought to the output's grid; a second factor of one row is that of every place."""
    less, channels = site.unit.less, site.values[1].shape[-1]
    at = "i" if site.values[1].shape == site.target.shape else f"i % {channels}"
    factors = (f"{site.name()}[i]{less(site.values[0].zero)}", f"{site.name(1)}[{at}]{less(site.values[1].zero)}")
    return _each(site, requantised(site, f"({factors[0]}) * ({factors[1]})", "0", 255 * 255))


@kernel("softmax")
def softmax(site: Site) -> None:
    """Write softmax in fixed point over the last axis: exp by table, the reciprocal by three Newton steps."""
    unit = site.unit
    divide(unit)
    unit.helper("high", INT8_ELEMENTWISE_C["high"])
    unit.helper("reciprocal", INT8_ELEMENTWISE_C["reciprocal"])
    function = unit.helper("softmax_bytes", INT8_ELEMENTWISE_C["softmax_bytes"])
    length = site.values[0].shape[-1]
    rows = site.output.leaves[0].buffer.size // length
    table = unit.table(smallest(site.operator.arrays["table"]))
    at = f" + i * {length}"
    site.step(
        [
            f"for (int i = 0; i < {rows}; ++i) {{",
            f"    {function}({site.name()}{at}, {site.result}{at}, {length}, {table});",
            "}",
        ]
    )


@kernel("max_pool")
def max_pool(site: Site) -> None:
    """Write the largest byte under the kernel."""
    k, operator = kernel_of(site), site.operator
    free = (operator.low, operator.high) == (-128, 127)
    value = "(int8_t)sum[k]" if free else f"{clamp(site.unit)}(sum[k], {operator.low}, {operator.high})"

    def block(count: int) -> list[str]:
        body = [f"{name} = x[{n}] > {name} ? x[{n}] : {name};" for n, name in enumerate(lanes(count))]
        return [*_taps(site, k, count, "INT8_MIN", body), *given(site, count, value, _offset(k))]

    site.step(over_places(k, over_blocks(k.source[2], block, work=k.work)))


@kernel("average_pool")
def average_pool(site: Site) -> None:
    """Write the mean of the bytes under the kernel, rounded half away from zero, without padding."""
    k, operator = kernel_of(site), site.operator
    rows = "(lower - upper)" if k.fewest[0] < k.size[0] else str(k.size[0])
    count_of_taps = f"{rows} * {k.taps}" if k.padded else str(math.prod(k.size))
    mean_of = f"{site.unit.helper('average', C['average'])}(sum[k], {count_of_taps})"
    value = f"{clamp(site.unit)}({mean_of}, {operator.low}, {operator.high})"

    def block(count: int) -> list[str]:
        body = [f"{name} += x[{n}];" for n, name in enumerate(lanes(count))]
        return [*_taps(site, k, count, "0", body), *given(site, count, value, _offset(k))]

    site.step(over_places(k, over_blocks(k.source[2], block, work=k.work)))


@kernel("mean")
def mean(site: Site) -> None:
    """Write the mean over height and width, with a scale of its own."""
    height, width, channels = site.values[0].shape
    count = height * width
    value = requantised(site, f"sum[k]{site.unit.less(count * site.values[0].zero)}", "j + k", 255 * count)

    def block(together: int) -> list[str]:
        return [
            _lanes(together, "0"),
            f"const int8_t *x = {site.name()} + j;",
            f"for (int i = 0; i < {count}; ++i, x += {channels}) {{",
            *(f"    {name} += x[{n}];" for n, name in enumerate(lanes(together))),
            "}",
            _sums(together),
            *given(site, together, value),
        ]

    site.step(over_blocks(channels, block, work=count))


def _lanes(count: int, value: str) -> str:
    return f"int32_t {', '.join(f'{name} = {value}' for name in lanes(count))};"


def _sums(count: int) -> str:
    return f"const int32_t sum[{count}] = {{{', '.join(lanes(count))}}};"


def _taps(site: Site, k: Kernel, count: int, first: str, body: list[str]) -> list[str]:
    """`body` for every tap, on numbers that begin as `first` and end as `sum`; `x` is the block's first byte there."""
    walk = [
        f"const int8_t *x = {site.name()} + at + j;",
        f"for (int n = 0; n < {k.taps}; ++n, x += {k.dilations[1] * k.source[2]}) {{",
        *("    " + line for line in body),
        "}",
    ]
    return [_lanes(count, first), *over_rows_of_taps(k, walk), _sums(count)]


def _offset(k: Kernel) -> str:
    return f"place * {k.places[2]} + "
