"""Sums of several output channels at once, so that a byte of the input is read once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.text import NOINLINE
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._rounding import Start, requantised

# Sums that fit the registers of every core beside the two addresses and the two bytes.
TOGETHER = 4
# Bytes that the code of one more block saves when it is left out; products cost about as much time each.
_BLOCK_BYTES = 160


def repeats(channels: int, work: int, together: int = TOGETHER) -> bool:
    """Return whether the last block of channels begins so early that it is a whole one, and works some out again.

    Args:
        channels: of the output.
        work: bytes of weights, or products, that a channel takes in all.
        together: channels of a block.
    """
    rest = channels % together
    return channels > together and rest > 0 and (together - rest) * work <= _BLOCK_BYTES


def interleaved(weights: NDArray[np.int8], together: int = TOGETHER, places: int = 1) -> NDArray[np.int8]:
    """Return weights (channels, inputs) in the order in which `dots` reads them: block of channels, input, channel.

    Args:
        weights: int8.
        together: channels of a block.
        places: at which every weight is used.
    """
    whole = len(weights) // together * together
    blocks = weights[:whole].reshape(-1, together, weights.shape[1]).transpose(0, 2, 1)
    last = weights[-together:] if repeats(len(weights), places * weights.shape[1], together) else weights[whole:]
    return np.concatenate([blocks.ravel(), last.T.ravel()])


def dots(unit: Unit, count: int, zero: str, kind: str = "int8_t") -> Callable[[str, str, str], str]:
    """Return a writer of the call that adds dot products with `count` interleaved rows of weights to as many sums.

    Args:
        unit: where the function goes.
        count: rows.
        zero: to take off each byte of x, as C has it; empty for nothing.
        kind: C type of x.
    """
    names = lanes(count)
    less = " - zero" if zero else ""

    def pair(index: int) -> list[str]:
        return [f"v = x[{index}]{less};", *(f"{name} += v * w[{index * count + k}];" for k, name in enumerate(names))]

    factor = "(x - zero)" if zero else "x"
    lines = [
        f"/* sum[k] += {factor} * w, the weights of {count} channels side by side. */",
        f"@_apart static void @_{_name(count, zero, kind)}(const {kind} *x, const int8_t *w, int n, "
        f"{'int32_t zero, ' if zero else ''}int32_t *sum) {{",
        f"    int32_t {', '.join(f'{name} = sum[{k}]' for k, name in enumerate(names))}, v;",
        "    for (; n > 1; n -= 2) {",
        *("        " + line for offset in range(2) for line in pair(offset)),
        "        x += 2;",
        f"        w += {2 * count};",
        "    }",
        "    if (n > 0) {",
        *("        " + line for line in pair(0)),
        "    }",
        *(f"    sum[{k}] = {name};" for k, name in enumerate(names)),
        "}",
    ]
    # Within the loops around it a sum would lie on the stack instead of in a register.
    unit.helper("apart", NOINLINE)
    function = unit.helper(_name(count, zero, kind), "\n".join(lines))
    return lambda x, w, n: f"{function}({x}, {w}, {n}, {f'{zero}, ' if zero else ''}sum);"


def _name(count: int, zero: str, kind: str) -> str:
    return f"dots{count}{'_less' if zero else ''}{'' if kind == 'int8_t' else '_wide'}"


def lanes(count: int) -> list[str]:
    """Return names of numbers that are worked out side by side."""
    return [f"s{k}" for k in range(count)]


def over_blocks(
    channels: int, block: Callable[[int], Sequence[str]], *, together: int = TOGETHER, work: int = 0
) -> list[str]:
    """Return lines of `block`, which takes a count of channels, for all channels; `j` is the first of each block.

    Args:
        channels: of the output.
        block: its lines for a count of channels.
        together: channels of a block.
        work: products that a channel takes in all.
    """
    whole, rest = channels // together * together, channels % together
    if repeats(channels, work, together):
        first = f"const int j = b < {channels - together} ? b : {channels - together};"
        return [f"for (int b = 0; b < {channels}; b += {together}) {{", *_inner([first, *block(together)]), "}"]
    lines: list[str] = []
    if whole > together:
        lines += [f"for (int j = 0; j < {whole}; j += {together}) {{", *_inner(block(together)), "}"]
    elif whole:
        lines += ["{", *_inner(["const int j = 0;", *block(together)]), "}"]
    if rest:
        lines += ["{", *_inner([f"const int j = {whole};", *block(rest)]), "}"]
    return lines


def _inner(lines: Sequence[str]) -> list[str]:
    return ["    " + line for line in lines]


def over_channels(
    site: Site,
    start: Start,
    channels: int,
    sums: Callable[[int], Sequence[str]],
    *,
    at: str = "",
    together: int,
    work: int,
) -> list[str]:
    """Return lines for every block of output channels: biases, the sums, bytes out.

    Args:
        site: with the operator.
        start: of the sums.
        channels: of the output.
        sums: lines that add to `sum[0]` to `sum[count - 1]` for the channels from `j` on, for a count of channels.
        at: where the first channel of the output lies, as 'place * 8 + '.
        together: channels of a block.
        work: products that a channel takes in all.
    """

    def block(count: int) -> list[str]:
        biased = site.unit.slots or bool(start.bias.any())
        lines = [f"int32_t sum[{count}]{'' if biased else ' = {0}'};"]
        if biased:
            lines.append(f"memcpy(sum, {site.unit.table(start.bias.astype(np.int32), 'bias')} + j, sizeof sum);")
        return [*lines, *sums(count), *given(site, count, requantised(site, "sum[k]", "j + k", start.largest), at)]

    return over_blocks(channels, block, together=together, work=work)


def given(site: Site, count: int, value: str, at: str = "") -> list[str]:
    """Return lines that write `value`, an expression of `k` and `sum[k]`, for a block's channels."""
    if count == 1:
        return [f"{site.result}[{at}j] = {value};".replace("sum[k]", "sum[0]").replace("j + k", "j")]
    return [f"for (int k = 0; k < {count}; ++k) {{", f"    {site.result}[{at}j + k] = {value};", "}"]
