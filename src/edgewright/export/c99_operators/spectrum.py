"""Power spectra by a fixed-size FFT of mixed radix, with a quarter of a cosine in flash."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgewright.core.operators import where
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import NOINLINE
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.spectrum import OP, factors
from edgewright.export.c99_operators import Spot, operator
from edgewright.export.c99_operators.linear import over_rows
from edgewright.schema.errors import InputError

Table = NDArray[np.float32]
# Largest deviation from a formula, of the largest entry: float32 entries are right to half of 1.2e-7.
_TOLERANCE = 5e-7
# Largest radices that functions of a pass are written for, so that two lengths share one; larger ones have their own.
_RADICES = (8, 16)
C = parts(__file__, "spectrum.c")


@operator(OP)
def power_spectrum(spot: Spot) -> Source:
    """(..., samples) -> (..., bins).

    Raises:
        InputError: for tables that are not constant.
    """
    unit = spot.unit
    length = int(str(spot.node.attributes["length"]))
    window, power = spot.constants[1], spot.constants[2]
    if window is None or power is None:
        raise InputError("constant tables of a spectrum", "others", where(spot.node))
    source = unit.stored(spot.source(0))
    turn = math.lcm(length, 4)
    angle = np.cos(2 * np.pi * np.arange(turn // 4 + 1) / turn)
    # Of a quarter turn the cosine is 0; the last digit of pi would leave 6e-17.
    quarter = unit.table(np.where(angle < 1e-15, 0.0, angle).astype(np.float32), "cosine")
    factor, power = _window(unit, np.asarray(window, np.float32), np.asarray(power, np.float32), length)
    scale = _scale(unit, power, length)
    if factor[2] == "_hann" or length % 2 or set(factors(length // 2)) != {4}:
        unit.helper("wave", C["wave"])
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
    first = filled(C["hann"] if factor[2] == "_hann" else C["any"], window=factor[1])
    holes |= {"fill": first, "window": factor[1], "scale": scale[1], "bins": C["each"] if scale[2] else C["alike"]}
    text = filled(C["direct"] if length % 2 else C["power"], direct=word, power=word, **holes)
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
        unit.helper("pass4", C["pass4"])
    if maximum:
        unit.helper(f"pass_{plain}", filled(C["general"], **{"pass": f"pass_{plain}", "maximum": plain}))
    unit.helper(word, filled(C["transform"], transform=word, call="\n        ".join(lines)))
    return word
