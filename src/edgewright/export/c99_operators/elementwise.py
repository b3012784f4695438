"""C of elementwise operators, windows and spectra in floating point."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ExportError
from edgewright.core.operators import where
from edgewright.core.operators._attributes import geometry
from edgewright.core.operators.elementwise import FAR, LIMIT, NEAR, SPLIT
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.source import Source, combined, work
from edgewright.export.c99_code.text import NOINLINE, number
from edgewright.export.c99_code.unit import Unit, nested
from edgewright.export.c99_graph.recognition import SPECTRUM, factors
from edgewright.export.c99_graph.rows import LONG
from edgewright.export.c99_operators import Spot, operator
from edgewright.export.c99_operators.linear import over_rows

# Operators more a value for which a long expression is repeated over a larger shape.
_REPEATED = 10
_BINARY = {"Add": "({0} + {1})", "Sub": "({0} - {1})", "Mul": "({0} * {1})", "Div": "({0} / {1})"}
_UNARY = {
    "Neg": "(-{0})",
    "Abs": "fabsf({0})",
    "Sqrt": "sqrtf({0})",
    "Exp": "expf({0})",
    "Log": "logf({0})",
    "Floor": "floorf({0})",
    "Ceil": "ceilf({0})",
    "Round": "rintf({0})",
    "Sin": "sinf({0})",
    "Cos": "cosf({0})",
    "Tanh": "tanhf({0})",
    "Reciprocal": "(1.0f / {0})",
    "Identity": "{0}",
}
_COMPARE = {
    "Greater": "({0} > {1})",
    "GreaterOrEqual": "({0} >= {1})",
    "Less": "({0} < {1})",
    "LessOrEqual": "({0} <= {1})",
    "Equal": "({0} == {1})",
    "And": "({0} && {1})",
    "Or": "({0} || {1})",
    "Xor": "({0} != {1})",
}
C = parts(__file__, "elementwise.c")


def _polynomial(coefficients: tuple[float, ...], x: str) -> str:
    """Horner's scheme, one product and one sum a step."""
    text = number(coefficients[0])
    for coefficient in coefficients[1:]:
        text = f"({text} * {x} + {number(coefficient)})"
    return text


# The error function as core/operators/elementwise.py says it.
_ERF = {"limit": number(LIMIT), "split": number(SPLIT), "far": _polynomial(FAR, "t"), "near": _polynomial(NEAR, "s")}


def expression_of(spot: Spot, text: str, *sources: Source, kind: str = "") -> Source:
    """Return an expression over inputs; one that would be repeated over a larger shape is worked out before."""
    inner = tuple(
        s
        if s.plain or not s.leaves or s.shape == spot.shape or _size(s) == _size_of(spot.shape) or _cheap(spot, s)
        else spot.unit.stored(s)
        for s in sources
    )
    expression = combined(text, kind or spot.kind, inner)
    return expression if expression.shape == spot.shape else expression.spread(spot.shape)


def _cheap(spot: Spot, source: Source) -> bool:
    """Return whether a long expression is rather repeated than kept: memory is dearer than a few instructions."""
    more = _size_of(spot.shape) // max(_size(source), 1) - 1
    return spot.unit.floats and source.shape[-1] >= LONG and work(source) * more <= _REPEATED


def _size(source: Source) -> int:
    return _size_of(source.shape)


def _size_of(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def call(spot: Spot, op: str) -> str:
    """Name of a helper function."""
    return spot.unit.helper(op.lower(), filled(C[op], **_ERF))


@operator(*_BINARY, *_COMPARE)
def binary(spot: Spot) -> Source:
    """Two values."""
    return expression_of(spot, {**_BINARY, **_COMPARE}[spot.node.op], spot.source(0), spot.source(1))


@operator(*_UNARY, "Not")
def unary(spot: Spot) -> Source:
    """One value."""
    return expression_of(spot, "(!{0})" if spot.node.op == "Not" else _UNARY[spot.node.op], spot.source(0))


@operator("Relu", "Sign", "Sigmoid", "IsNaN", "Erf")
def by_helper(spot: Spot) -> Source:
    """One value, by a helper function."""
    return expression_of(spot, call(spot, spot.node.op) + "({0})", spot.source(0))


@operator("LeakyRelu")
def leaky(spot: Spot) -> Source:
    """Relu with a slope below 0."""
    slope = spot.unit.constant(np.asarray(spot.node.attributes.get("alpha", 0.01), np.float32))
    return expression_of(spot, call(spot, "LeakyRelu") + "({0}, {1})", spot.source(0), slope)


@operator("Max", "Min")
def extreme(spot: Spot) -> Source:
    """Return the largest or smallest of several values."""
    function = call(spot, spot.node.op)
    text, sources = "{0}", tuple(s for s in spot.inputs if s is not None)
    for index in range(1, len(sources)):
        text = f"{function}({text}, {{{index}}})"
    return expression_of(spot, text, *sources)


@operator("Clip")
def clip(spot: Spot) -> Source:
    """Between two limits, each of which may be left out."""
    text, sources = "{0}", [spot.source(0)]
    for index, op in ((1, "Max"), (2, "Min")):
        if index < len(spot.inputs) and spot.inputs[index] is not None:
            text = f"{call(spot, op)}({text}, {{{len(sources)}}})"
            sources.append(spot.source(index))
    return expression_of(spot, text, *sources)


@operator("Pow")
def power(spot: Spot) -> Source:
    """Return a power; squares and cubes of a value in memory are products."""
    exponent = spot.constants[1]
    base = spot.source(0)
    if exponent is not None and exponent.size == 1 and float(exponent.ravel()[0]) in (2.0, 3.0):
        base = spot.unit.stored(base)
        times = int(exponent.ravel()[0])
        return expression_of(spot, "(" + " * ".join(["{0}"] * times) + ")", base)
    return expression_of(spot, "powf({0}, {1})", base, spot.source(1))


@operator("Where")
def where_(spot: Spot) -> Source:
    """One of two values by a condition."""
    return expression_of(spot, "({0} ? {1} : {2})", spot.source(0), spot.source(1), spot.source(2))


@operator("Cast")
def cast(spot: Spot) -> Source:
    """Another type; float to whole numbers cuts towards zero."""
    source = spot.source(0)
    if source.kind == spot.kind:
        return source
    text = {"float32": "((float){0})", "bool": "({0} != 0)"}.get(spot.kind, "((int32_t){0})")
    if (source.kind, spot.kind) == ("float32", "int32"):
        text = call(spot, "Whole") + "({0})"
    return expression_of(spot, text, source)


Pair = tuple[int, int]
_AT = re.compile(r"AT<(.+?)>")


@dataclass(frozen=True)
class Frame:
    """A kernel over an image; one axis is a height of 1.

    Attributes:
        kernel, strides, dilations: height and width.
        before, after: padding.
        image: channels, height and width of the input.
        places: of the output.
    """

    kernel: Pair
    strides: Pair
    dilations: Pair
    before: Pair
    after: Pair
    image: tuple[int, int, int]
    places: tuple[int, int, int]


def frame(spot: Spot, kernel: tuple[int, ...]) -> Frame:
    """Return settings of a node.

    Raises:
        InputError: for more than two axes.
    """
    shape, out = spot.source(0).shape[1:], spot.shape[1:]
    if len(kernel) not in (1, 2) or len(shape) != len(kernel) + 1:
        raise ExportError("a kernel of one or two axes", f"{len(kernel)}", where(spot.node))
    plan = geometry(spot.node, kernel)
    around = plan.padding(shape[1:])

    def two(values: tuple[int, ...], fill: int) -> Pair:
        return (fill, values[0]) if len(values) == 1 else (values[0], values[1])

    return Frame(
        two(tuple(kernel), 1),
        two(plan.strides, 1),
        two(plan.dilations, 1),
        two(tuple(a for a, _ in around), 0),
        two(tuple(b for _, b in around), 0),
        (shape[0], *two(shape[1:], 1)),
        (out[0], *two(out[1:], 1)),
    )


def walk(spot: Spot, f: Frame, body: tuple[list[str], list[str], list[str]]) -> Source:
    """Return loops over channels and places: lines before the taps, at each tap within the image, and after them.

    The lines may use c (output channel), top, left, y, x, row, column, `out` (place of the result), and AT<channel> for
    the input there.
    """
    source = spot.unit.stored(spot.source(0))
    target = spot.unit.fresh(spot.shape)
    (kh, kw), (dh, dw), (_, h, w) = f.kernel, f.dilations, f.image
    leaf, result = source.leaves[0], target.leaves[0].buffer.name
    start = f"{leaf.offset} + " if leaf.offset else ""
    channel, across = leaf.view.strides[1], leaf.view.strides[-1]
    down = leaf.view.strides[2] if len(source.shape) == 4 else w * across
    # In the order of channels, rows and columns, places need two products; the counts of estimates are of these.
    in_order = source.lying

    def entry(channel_index: re.Match[str]) -> str:
        if in_order:
            return f"{leaf.buffer.name}[{start}({channel_index[1]} * {h} + row) * {w} + column]"
        return f"{leaf.buffer.name}[{start}{channel} * {channel_index[1]} + {down} * row + {across} * column]"

    def filled(lines: list[str]) -> list[str]:
        return [_AT.sub(entry, line).replace("OUT[", f"{result}[") for line in lines]

    before, tap, after = (filled(lines) for lines in body)
    inner = [
        f"const int top = i1 * {f.strides[0]} - {f.before[0]}, left = i2 * {f.strides[1]} - {f.before[1]};",
        f"const int out = (c * {f.places[1]} + i1) * {f.places[2]} + i2;",
        *before,
        f"for (int y = 0; y < {kh}; ++y) {{",
        f"    const int row = top + y * {dh};",
        f"    for (int x = 0; x < {kw} && row >= 0 && row < {h}; ++x) {{",
        f"        const int column = left + x * {dw};",
        f"        if (column >= 0 && column < {w}) {{",
        *("            " + line for line in tap),
        "        }",
        "    }",
        "}",
        *after,
    ]
    spot.unit.step(nested(f.places, ("c", "i1", "i2"), inner), (source,), (target,))
    return target


@operator("Conv")
def conv(spot: Spot) -> Source:
    """Filter of constant weights.

    Raises:
        InputError: for weights that are computed.
    """
    weights = spot.constants[1]
    bias = spot.constants[2] if len(spot.constants) > 2 else None
    if weights is None or (bias is None and len(spot.node.inputs) > 2 and spot.node.inputs[2]):
        raise ExportError("constant weights and bias", "others", where(spot.node))
    f = frame(spot, tuple(weights.shape[2:]))
    groups = int(str(spot.node.attributes.get("group", 1)))
    each, width = f.places[0] // groups, weights.shape[1]
    table = spot.unit.table(np.asarray(weights, np.float32), "weights")
    start = "0.0f" if bias is None else f"{spot.unit.table(np.asarray(bias, np.float32), 'bias')}[c]"
    taps = f.kernel[0] * f.kernel[1]
    channel = f"(c / {each} * {width} + k)" if groups > 1 else "k"
    tap = [
        f"for (int k = 0; k < {width}; ++k) {{",
        f"    a += AT<{channel}> * {table}[(c * {width} + k) * {taps} + y * {f.kernel[1]} + x];",
        "}",
    ]
    return walk(spot, f, ([f"float a = {start};"], tap, ["OUT[out] = a;"]))


def _kernel(spot: Spot) -> tuple[int, ...]:
    if spot.node.op.startswith("Global"):
        return spot.source(0).shape[2:]
    kernel = spot.node.attributes.get("kernel_shape", ())
    return tuple(int(length) for length in kernel)  # type: ignore[union-attr]


@operator("MaxPool", "GlobalMaxPool")
def max_pool(spot: Spot) -> Source:
    """Return the largest value under the kernel."""
    f = frame(spot, _kernel(spot))
    value = "AT<c>"
    tap = [f"const float v = {value};", "if (v > a || v != v) {", "    a = v;", "}"]
    return walk(spot, f, (["float a = -INFINITY;"], tap, ["OUT[out] = a;"]))


@operator("AveragePool", "GlobalAveragePool")
def average_pool(spot: Spot) -> Source:
    """Return the mean under the kernel, of values or of padding too."""
    f = frame(spot, _kernel(spot))
    value = "AT<c>"
    counted = bool(spot.node.attributes.get("count_include_pad", 0))
    if not counted:
        return walk(spot, f, (["float a = 0.0f, n = 0.0f;"], [f"a += {value};", "n += 1.0f;"], ["OUT[out] = a / n;"]))
    after = ["int n = 0;"]
    conditions = []
    for axis, name, first in ((0, "y", "top"), (1, "x", "left")):
        # A window that ceil_mode lets reach beyond the padding counts only what is padded.
        conditions.append(f"{first} + {name} * {f.dilations[axis]} < {f.image[axis + 1] + f.after[axis]}")
    after += nested(f.kernel, ("y", "x"), [f"n += {' && '.join(conditions)};"])
    return walk(spot, f, (["float a = 0.0f;"], [f"a += {value};"], [*after, "OUT[out] = a / (float)n;"]))


Table = NDArray[np.float32]
# Largest deviation from a formula, of the largest entry: float32 entries are right to half of 1.2e-7.
_TOLERANCE = 5e-7
# Largest radices that functions of a pass are written for, so that two lengths share one; larger ones have their own.
_RADICES = (8, 16)
SPECTRUM_C = parts(__file__, "spectrum.c")


@operator(SPECTRUM)
def power_spectrum(spot: Spot) -> Source:
    """(..., samples) -> (..., bins).

    Raises:
        InputError: for tables that are not constant.
    """
    unit = spot.unit
    length = int(str(spot.node.attributes["length"]))
    window, power = spot.constants[1], spot.constants[2]
    if window is None or power is None:
        raise ExportError("constant tables of a spectrum", "others", where(spot.node))
    source = unit.stored(spot.source(0))
    turn = math.lcm(length, 4)
    angle = np.cos(2 * np.pi * np.arange(turn // 4 + 1) / turn)
    # Of a quarter turn the cosine is 0; the last digit of pi would leave 6e-17.
    quarter = unit.table(np.where(angle < 1e-15, 0.0, angle).astype(np.float32), "cosine")
    factor, power = _window(unit, np.asarray(window, np.float32), np.asarray(power, np.float32), length)
    scale = _scale(unit, power, length)
    if factor[2] == "_hann" or length % 2 or set(factors(length // 2)) != {4}:
        unit.helper("wave", SPECTRUM_C["wave"])
    tables = [factor[0], str(len(window)), scale[0], quarter, str(turn // 4)]
    if length % 2:
        tables.append(str(length))
        word, holes, scratch = "direct", {}, [unit.fresh((length,))]
        target = unit.fresh(spot.shape)
    else:
        radices = factors(length // 2)
        tables += [unit.table(np.asarray(radices, np.uint16), "radices"), str(length // 2)]
        holes = {"transform": _fast(unit, radices)}
        word = holes["transform"].replace("transform", "power")
        scratch = [_first(spot, source, length), unit.fresh((length,))]
        target = _last(spot, scratch[1 - len(radices) % 2])
    word = f"{word}{factor[2]}{scale[2]}"
    # A window of Hann is the same forwards and backwards.
    first = filled(SPECTRUM_C["hann"] if factor[2] == "_hann" else SPECTRUM_C["any"], window=factor[1])
    holes |= {
        "fill": first,
        "window": factor[1],
        "scale": scale[1],
        "bins": SPECTRUM_C["each"] if scale[2] else SPECTRUM_C["alike"],
    }
    text = filled(SPECTRUM_C["direct"] if length % 2 else SPECTRUM_C["power"], direct=word, power=word, **holes)
    memory = ", ".join(s.leaves[0].buffer.name for s in scratch)
    if unit.floats:
        unit.helper("apart", NOINLINE)
    else:
        text = text.replace("@_apart ", "")
    call = f"{unit.helper(word, text)}({{x}}, {{step}}, {', '.join(tables)}, {memory}, {{y}});"
    over_rows(spot, source, target, call, tuple(scratch))
    return target


def _first(spot: Spot, source: Source, length: int) -> Source:
    """Return what the transform begins in: the memory of its input where that is spent and long enough."""
    leaf = source.leaves[0]
    own = spot.spent and math.prod(spot.shape[:-1]) == 1 and leaf.whole and leaf.buffer.size == length
    return source if own else spot.unit.fresh((length,))


def _last(spot: Spot, other: Source) -> Source:
    """Return memory for the bins: of one row, that of the two which does not hold the end of the transform."""
    count = spot.shape[-1]
    if math.prod(spot.shape) > count:
        return spot.unit.fresh(spot.shape)
    leaf = other.leaves[0]
    return Source(spot.shape, other.kind, (replace(leaf, view=leaf.base[:count].reshape(spot.shape)),), "{0}")


def _window(unit: Unit, window: Table, power: Table, length: int) -> tuple[tuple[str, str, str], Table]:
    """Table, C and short name of the window's factors, and the factors of the bins that go with them."""
    if (window == window[0]).all():
        return ("0", "1.0f", ""), power * window[0] * window[0]
    count = len(window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(count) / count)
    size = float(np.abs(window).max() / hann.max())
    if count == length and np.abs(window - hann * size).max() <= _TOLERANCE * size:
        return ("0", "(0.5f - 0.5f * @_wave(quarter, turns, i * unit))", "_hann"), power * np.float32(size * size)
    if np.abs(window[1:] - window[1:][::-1]).max() <= _TOLERANCE * np.abs(window).max():
        half = unit.table(window[: count // 2 + 1], "window")
        return (half, "window[2 * i < count ? i : count - i]", "_half"), power
    return (unit.table(window, "window"), "window[i]", "_full"), power


def _scale(unit: Unit, power: Table, length: int) -> tuple[str, str, str]:
    """Table, C and short name of the bins' factors: two where all but those at the ends are alike."""
    last = len(power) - (length % 2 == 0)
    inner = power[1:last]
    alike = len(inner) > 0 and np.abs(inner - inner[0]).max() <= _TOLERANCE * inner[0]
    if alike and abs(power[-1] - (power[0] if length % 2 == 0 else inner[0])) <= _TOLERANCE * inner[0]:
        ends = "k == 0" if length % 2 else "k % half == 0"
        return unit.table(np.array([power[0], inner.mean()], np.float32), "scale"), f"scale[{ends} ? 0 : 1]", ""
    return unit.table(power, "scale"), "scale[k]", "_each"


def _fast(unit: Unit, radices: tuple[int, ...]) -> str:
    """Name of the function that runs the passes, with functions for these radices alone."""
    maximum = max(radices) if set(radices) != {4} else 0
    plain = next((limit for limit in _RADICES if maximum <= limit), maximum)
    four = "@_pass4(a, b, n, s, quarter, turns, half);"
    other = f"@_pass_{plain}(a, b, *radices, n, s, quarter, turns, half);"
    if not maximum:
        word, lines = "transform4", [four]
    elif 4 not in radices:
        word, lines = f"transform{plain}", [other]
    else:
        word, lines = f"transform4_{plain}", ["if (*radices == 4) {", f"    {four}", "} else {", f"    {other}", "}"]
    if 4 in radices:
        unit.helper("pass4", SPECTRUM_C["pass4"])
    if maximum:
        unit.helper(f"pass_{plain}", filled(SPECTRUM_C["general"], **{"pass": f"pass_{plain}", "maximum": plain}))
    unit.helper(word, filled(SPECTRUM_C["transform"], transform=word, call="\n        ".join(lines)))
    return word
