"""Pools and means on bytes, channels last."""

from __future__ import annotations

from edgewright.export.c99_operators import Site, kernel
from edgewright.export.c99_operators._place import kernel_of, over_places, over_taps
from edgewright.export.c99_operators._rounding import clamp, less, requantised


@kernel("max_pool")
def max_pool(site: Site) -> None:
    """The largest byte under the kernel."""
    k, operator = kernel_of(site), site.operator
    channels = k.source[2]
    inner = over_taps(k, [f"if ({site.name()}[at + j] > top_byte) {{", f"    top_byte = {site.name()}[at + j];", "}"])
    limit = f"{clamp(site.unit)}(top_byte, {operator.low}, {operator.high})"
    site.step(
        over_places(
            k,
            [
                f"for (int j = 0; j < {channels}; ++j) {{",
                "    int8_t top_byte = INT8_MIN;",
                *("    " + line for line in inner),
                f"    {site.result}[place * {channels} + j] = {limit};",
                "}",
            ],
        )
    )


@kernel("average_pool")
def average_pool(site: Site) -> None:
    """The mean of the bytes under the kernel, halves away from zero; padding does not count."""
    k, operator = kernel_of(site), site.operator
    channels = k.source[2]
    inner = over_taps(k, [f"sum += {site.name()}[at + j];", "++count;"])
    limit = f"{clamp(site.unit)}(mean, {operator.low}, {operator.high})"
    site.step(
        over_places(
            k,
            [
                f"for (int j = 0; j < {channels}; ++j) {{",
                "    int32_t sum = 0, count = 0;",
                *("    " + line for line in inner),
                "    const int32_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;",
                f"    {site.result}[place * {channels} + j] = {limit};",
                "}",
            ],
        )
    )


@kernel("mean")
def mean(site: Site) -> None:
    """The mean over height and width, on a grid of its own."""
    height, width, channels = site.values[0].shape
    zero = site.values[0].zero
    total = f"(sum{less(height * width * zero)})" if zero else "sum"
    site.step(
        [
            f"for (int j = 0; j < {channels}; ++j) {{",
            "    int32_t sum = 0;",
            f"    for (int i = 0; i < {height * width}; ++i) {{",
            f"        sum += {site.name()}[i * {channels} + j];",
            "    }",
            f"    {site.result}[j] = {requantised(site, total, 'j')};",
            "}",
        ]
    )
