"""Convolutions on bytes, channels last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_operators import Site, kernel
from edgewright.export.c99_operators._place import Kernel, kernel_of, over_places, over_taps
from edgewright.export.c99_operators._rounding import bias_text, folded_bias, less, requantised


@kernel("conv")
def conv(site: Site) -> None:
    """Every filter over every place; a row of the kernel is one dot product where its taps lie side by side."""
    k, weights = kernel_of(site), site.operator.arrays["weights"]
    groups = site.operator.numbers.get("groups", (1,))[0]
    bias, zero = _bias(site, k, 0)
    width, size = weights.shape[3], len(weights) // groups
    channels, filters = k.source[2], k.places[2]
    group = f" + (j / {size}) * {width}" if groups > 1 else ""
    if not k.padded and groups == 1 and k.dilations[1] == 1:
        run = k.size[1] * channels
        row = f"top + {k.dilations[0]} * y" if k.size[0] > 1 else "top"
        inner = [
            f"for (int y = 0; y < {k.size[0]}; ++y) {{",
            f"    const int8_t *in = {site.name()} + (({row}) * {k.source[1]} + left) * {channels};",
            f"    for (int i = 0; i < {run}; ++i) {{",
            f"        sum += {_less('in[i]', zero)} * *w++;",
            "    }",
            "}",
        ]
    else:
        inner = over_taps(
            k,
            [
                f"const int8_t *v = w + (y * {k.size[1]} + x) * {width};",
                f"for (int i = 0; i < {width}; ++i) {{",
                f"    sum += {_less(f'{site.name()}[at{group} + i]', zero)} * v[i];",
                "}",
            ],
        )
        inner.append(f"w += {k.size[0] * k.size[1] * width};")
    body = [
        f"const int8_t *w = {site.unit.table(weights)};",
        f"for (int j = 0; j < {filters}; ++j) {{",
        f"    int32_t sum = {bias_text(site, bias, 'j')};",
        *("    " + line for line in inner),
        f"    {site.result}[place * {filters} + j] = {requantised(site, 'sum', 'j')};",
        "}",
    ]
    site.step(over_places(k, body))


@kernel("depthwise")
def depthwise(site: Site) -> None:
    """A filter, or several, of its own for every channel."""
    k, weights = kernel_of(site), site.operator.arrays["weights"]
    bias, zero = _bias(site, k, 2)
    filters, channels = k.places[2], k.source[2]
    each = filters // channels
    read = f"{site.name()}[at + {'j' if each == 1 else f'j / {each}'}]"
    body = [
        f"for (int j = 0; j < {filters}; ++j) {{",
        f"    int32_t sum = {bias_text(site, bias, 'j')};",
        *(
            "    " + line
            for line in over_taps(
                k, [f"sum += {_less(read, zero)} * {site.unit.table(weights)}[(y * {k.size[1]} + x) * {filters} + j];"]
            )
        ),
        f"    {site.result}[place * {filters} + j] = {requantised(site, 'sum', 'j')};",
        "}",
    ]
    site.step(over_places(k, body))


def _bias(site: Site, k: Kernel, axis: int) -> tuple[NDArray[np.int64], int]:
    """Biases, and the zero point to take off each byte, 0 where it is within them.

    Padding stands for the real number 0: with it the taps that count differ from place to place.
    """
    bias, folded = folded_bias(site, axis)
    if k.padded or not folded:
        own = site.operator.arrays
        plain = own["bias"].astype(np.int64).ravel() if "bias" in own else bias * 0
        return plain, site.values[0].zero
    return bias, 0


def _less(text: str, zero: int) -> str:
    return f"({text}{less(zero)})" if zero else text
