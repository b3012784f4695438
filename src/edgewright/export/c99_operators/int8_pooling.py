"""Pools and means on bytes, channels last."""

from __future__ import annotations

import math

from edgewright.export.c99_operators import Site, kernel
from edgewright.export.c99_operators._dots import given, lanes, over_blocks
from edgewright.export.c99_operators._place import Kernel, kernel_of, over_places, over_rows_of_taps
from edgewright.export.c99_operators._rounding import C, clamp, requantised


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
