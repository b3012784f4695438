"""Loops of kernels: sums of several output channels at once, and the place of a kernel over an image of bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.text import NOINLINE
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._rounding import Start, requantised


@dataclass(frozen=True)
class Kernel:
    """A kernel's settings; pairs are height and width.

    Attributes:
        size: of the kernel.
        strides: from place to place.
        dilations: between taps.
        before: rows and columns of padding before the image.
        source, places: height, width and channels of input and output.
        fewest: taps within the image, at the place where they are fewest.
    """

    size: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    source: tuple[int, int, int]
    places: tuple[int, int, int]
    fewest: tuple[int, int]

    @property
    def padded(self) -> bool:
        """Whether any tap can lie outside the image."""
        return self.fewest != self.size

    @property
    def work(self) -> int:
        """Taps of a channel at all places together."""
        return math.prod(self.size) * math.prod(self.places[:2])

    @property
    def taps(self) -> str:
        """How many taps of a row lie within the image, as `over_places` says."""
        return str(self.size[1]) if self.fewest[1] == self.size[1] else "taps"


def kernel_of(site: Site) -> Kernel:
    """Return settings of a convolution or pool."""
    numbers = site.operator.numbers
    size, strides = (numbers["kernel"][0], numbers["kernel"][1]), (numbers["strides"][0], numbers["strides"][1])
    steps = numbers.get("dilations", (1, 1))
    dilations, before = (steps[0], steps[1]), (numbers["pads"][0], numbers["pads"][1])
    height, width, channels = site.values[0].shape
    rows, columns, filters = site.target.shape
    fewest = [
        min(
            sum(0 <= position * stride - first + tap * step < length for tap in range(taps))
            for position in range(count)
        )
        for taps, stride, step, first, length, count in zip(
            size, strides, dilations, before, (height, width), (rows, columns), strict=True
        )
    ]
    whole = (height, width, channels), (rows, columns, filters)
    return Kernel(size, strides, dilations, before, *whole, (fewest[0], fewest[1]))


def over_places(k: Kernel, body: list[str]) -> list[str]:
    """`body` for every place: `place` is its number, `top` and `left` are where the first tap lies.

    Where taps can lie outside the image, those from `from` on, `taps` of them, lie between its left and right end, and
    those from `upper` to before `lower` between its upper and lower one.
    """
    rows, columns, _ = k.places
    row, column = (f"place / {columns}", f"place % {columns}") if rows > 1 else ("0", "place")
    lines = [f"const int left = {_first(column, k.strides[1], k.before[1])};"]
    if k.source[0] > 1 or k.fewest[0] < k.size[0]:
        lines.append(f"const int top = {_first(row, k.strides[0], k.before[0])};")
    (kh, kw), (dh, dw), (h, w, _) = k.size, k.dilations, k.source
    if k.fewest[1] < kw:
        lines += [f"const int from = {_cut('left', dw)};", f"const int taps = {_until('left', dw, w, kw)} - from;"]
    if k.fewest[0] < kh:
        lines += [f"const int upper = {_cut('top', dh)};", f"const int lower = {_until('top', dh, h, kh)};"]
    lines += body
    return [f"for (int place = 0; place < {rows * columns}; ++place) {{", *("    " + line for line in lines), "}"]


def first_tap(k: Kernel) -> tuple[str, str, str]:
    """Return where the first tap within the image lies at a place, its number, and how many rows of taps lie within."""
    (kh, kw), (dh, dw), (h, w, c) = k.size, k.dilations, k.source
    y, rows = ("", str(kh)) if k.fewest[0] == kh else ("upper", "lower - upper")
    x = "" if k.fewest[1] == kw else "from"
    line = f"(top{f' + {_times(y, dh)}' if y else ''}) * {w} + " if h > 1 else ""
    at = f"({line}left{f' + {_times(x, dw)}' if x else ''}) * {c}"
    return at, " + ".join(term for term in (f"{y} * {kw}" if y else "", x) if term) or "0", rows


def over_rows_of_taps(k: Kernel, body: list[str]) -> list[str]:
    """`body` for every row of the kernel within the image, at a place.

    It may use `at` (offset of the first channel of the row's first tap) and `tap` (the number of that tap).
    """
    (kh, kw), (dh, dw), (h, w, c) = k.size, k.dilations, k.source
    column, first = ("left", "") if k.fewest[1] == kw else (f"left + {_times('from', dw)}", "from")
    line = f"(top + {_times('y', dh)})" if kh > 1 else "top"
    row = f"{line} * {w} + " if h > 1 else ""
    tap = " + ".join(term for term in (f"y * {kw}" if kh > 1 else "", first) if term) or "0"
    lines = [f"const int at = ({row}{column}) * {c};"]
    if any(re.search(r"\btap\b", line) for line in body):
        lines.append(f"const int tap = {tap};")
    lines += body
    if k.fewest[1] < 1:
        lines = ["if (taps > 0) {", *("    " + line for line in lines), "}"]
    if kh == 1 and k.fewest[0] == 1:
        return ["{", *("    " + line for line in lines), "}"]
    y, last = ("0", str(kh)) if k.fewest[0] == kh else ("upper", "lower")
    return [f"for (int y = {y}; y < {last}; ++y) {{", *("    " + line for line in lines), "}"]


def _cut(location: str, step: int) -> str:
    """Return the number of the first tap that does not lie before the image."""
    return f"{location} < 0 ? {f'({step - 1} - {location}) / {step}' if step > 1 else f'-{location}'} : 0"


def _until(location: str, step: int, length: int, taps: int) -> str:
    """Return the number of the first tap behind the image, or of all."""
    rest = f"({length + step - 1} - {location}) / {step}" if step > 1 else f"{length} - {location}"
    return f"({rest} < {taps} ? {rest} : {taps})"


def _first(location: str, stride: int, before: int) -> str:
    text = f"({location}) * {stride}" if stride != 1 and not location.isalnum() else _times(location, stride)
    return f"{text} - {before}" if before else text


def _times(name: str, step: int) -> str:
    return name if step == 1 else f"{step} * {name}"


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
