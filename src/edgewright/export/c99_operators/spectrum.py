"""Power spectra by a fixed-size FFT of mixed radix, with a quarter of a cosine in flash."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgewright.core.operators import where
from edgewright.export._c_source import Source
from edgewright.export._c_spectrum import OP, factors
from edgewright.export._c_text import APART
from edgewright.export._c_unit import Unit
from edgewright.export.c99_operators import Spot, operator
from edgewright.export.c99_operators._banded import over_rows
from edgewright.schema.errors import InputError

Table = NDArray[np.float32]
# Largest deviation from a formula, of the largest entry: float32 entries are right to half of 1.2e-7.
_TOLERANCE = 5e-7
# Largest radices that functions of a pass are written for, so that two lengths share one; larger ones have their own.
_RADICES = (8, 16)


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
        unit.helper("wave", _WAVE)
    tables = [factor[0], str(len(window)), scale[0], quarter, str(turn // 4)]
    if length % 2:
        tables.append(str(length))
        word, text, scratch = "direct", _DIRECT, [unit.fresh((length,))]
        target = unit.fresh(spot.shape)
    else:
        radices = factors(length // 2)
        tables += [unit.table(np.asarray(radices, np.uint16), "radices"), str(length // 2)]
        word, text = _fast(unit, radices), _POWER
        text = text.replace("TRANSFORM", word)
        word = word.replace("transform", "power")
        scratch = [_first(spot, source, length), unit.fresh((length,))]
        target = _last(spot, scratch[1 - len(radices) % 2])
    word = f"{word}{factor[2]}{scale[2]}"
    text = text.replace("NAME", word).replace("FILL", _HANN if factor[2] == "_hann" else _ANY)
    text = text.replace("WINDOW", factor[1]).replace("BINS", _EACH if scale[2] else _ALIKE).replace("SCALE", scale[1])
    memory = ", ".join(s.leaves[0].buffer.name for s in scratch)
    if unit.floats:
        unit.helper("apart", APART)
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
        unit.helper("pass4", _PASS4)
    if maximum:
        unit.helper(f"pass_{plain}", _GENERAL.replace("NAME", f"pass_{plain}").replace("MOST", str(plain)))
    unit.helper(word, _TRANSFORM.replace("NAME", word).replace("CALL", "\n        ".join(lines)))
    return word


_WAVE = """\
/* The cosine of j of 4 * turns parts of a whole turn, from a table of the first quarter. */
static float @_wave(const float *quarter, int turns, int j) {
    j = j > 2 * turns ? 4 * turns - j : j;
    return j > turns ? -quarter[2 * turns - j] : quarter[j];
}"""
# The self-sorting form of Stockham (Cochran et al., "What is the Fast Fourier Transform?", Proc. IEEE 55, 1967):
# no reordering by reversed digits, so any radix will do.
_PASS4 = """\
/* One pass of radix 4 over n groups of s complex numbers of a transform of `half`. */
static void @_pass4(const float *in, float *out, int n, int s, const float *quarter, int turns, int half) {
    const int far = n / 4 * s * 2, unit = 4 * turns / half * s;
    const float *f = in + far, *g = f + far, *h = g + far;
    for (int j = 0; j < turns; j += unit, out += 6 * s) {
        const int k = 2 * j, l = 3 * j;
        const float c1 = quarter[j], d1 = -quarter[turns - j];
        const float c2 = k > turns ? -quarter[2 * turns - k] : quarter[k];
        const float d2 = -quarter[k > turns ? k - turns : turns - k];
        const float c3 = l > turns ? -quarter[l > 2 * turns ? l - 2 * turns : 2 * turns - l] : quarter[l];
        const float d3 = l > 2 * turns ? quarter[3 * turns - l] : -quarter[l > turns ? l - turns : turns - l];
        float *u = out + 2 * s, *v = u + 2 * s, *w = v + 2 * s;
        for (const float *const end = in + 2 * s; in != end; in += 2, f += 2, g += 2, h += 2) {
            const float a = in[0] + g[0], a_i = in[1] + g[1], b = in[0] - g[0], b_i = in[1] - g[1];
            const float c = f[0] + h[0], c_i = f[1] + h[1], d = f[0] - h[0], d_i = f[1] - h[1];
            const float x = b + d_i, x_i = b_i - d, y = a - c, y_i = a_i - c_i, z = b - d_i, z_i = b_i + d;
            *out++ = a + c;
            *out++ = a_i + c_i;
            *u++ = x * c1 - x_i * d1;
            *u++ = x * d1 + x_i * c1;
            *v++ = y * c2 - y_i * d2;
            *v++ = y * d2 + y_i * c2;
            *w++ = z * c3 - z_i * d3;
            *w++ = z * d3 + z_i * c3;
        }
    }
}"""
_GENERAL = """\
/* One pass of radix p over n groups of s complex numbers of a transform of `half`. */
static void @_NAME(const float *in, float *out, int p, int n, int s, const float *quarter, int turns, int half) {
    const int m = n / p, whole = 4 * turns, unit = whole / half * s;
    float c[MOST], d[MOST];
    for (int u = 0, j = 0; u < p; ++u, j += whole / p) {
        c[u] = @_wave(quarter, turns, j);
        d[u] = @_wave(quarter, turns, j < 3 * turns ? j + turns : j - 3 * turns);
    }
    for (int q = 0; q < m; ++q) {
        for (int r = 0; r < p; ++r) {
            const int j = q * r * unit;
            const float e = @_wave(quarter, turns, j);
            const float f = @_wave(quarter, turns, j < 3 * turns ? j + turns : j - 3 * turns);
            for (int i = 0; i < s; ++i) {
                const float *v = in + 2 * (i + s * q);
                float re = v[0], im = v[1];
                for (int u = 1, k = r; u < p; ++u) {
                    v += 2 * s * m;
                    re += v[0] * c[k] - v[1] * d[k];
                    im += v[0] * d[k] + v[1] * c[k];
                    k += r;
                    k -= k >= p ? p : 0;
                }
                out[2 * (i + s * (p * q + r))] = re * e - im * f;
                out[2 * (i + s * (p * q + r)) + 1] = re * f + im * e;
            }
        }
    }
}"""
_TRANSFORM = """\
/* The complex transform of `half` numbers in a; the result lies in what is given back, a or b. */
static float *@_NAME(float *a, float *b, const uint16_t *radices, int half, const float *quarter, int turns) {
    for (int n = half, s = 1; n > 1; ++radices) {
        float *const done = b;
        CALL
        b = a;
        a = done;
        n /= *radices;
        s *= *radices;
    }
    return a;
}"""
# What a transform begins with: a window of Hann is the same forwards and backwards.
_ANY = """\
for (int i = 0; i < 2 * half; ++i) {
        a[i] = i < count ? x[i * step] * WINDOW : 0.0f;
    }"""
_HANN = """\
(void)count;
    a[0] = x[0] * 0.0f;
    for (int i = 1, j = 2 * half - 1; i <= half; ++i, --j) {
        const float part = WINDOW, other = x[j * step] * part;
        a[i] = x[i * step] * part;
        a[j] = other;
    }"""
# What it ends with: factors of its bins.
_ALIKE = """\
const float size = 0.25f * scale[k == 0 ? 0 : 1];
        out[k] = size * (re * re + im * im);
        out[half - k] = size * (other * other + other_i * other_i);"""
_EACH = """\
out[k] = 0.25f * scale[k] * (re * re + im * im);
        out[half - k] = 0.25f * scale[half - k] * (other * other + other_i * other_i);"""
_POWER = """\
/* Squared magnitudes of the real transform of 2 * half numbers: even and odd ones as one complex transform. */
@_apart static void @_NAME(const float *x, int step, const float *window, int count, const float *scale,
                   const float *quarter, int turns, const uint16_t *radices, int half, float *a, float *b,
                   float *out) {
    const int unit = 2 * turns / half;
    (void)window;
    FILL
    a = @_TRANSFORM(a, b, radices, half, quarter, turns);
    for (int k = 0; 2 * k <= half; ++k) {
        /* The bins k and half - k are sums and differences of the same terms. */
        const float *z = a + 2 * k, *y = k == 0 ? a : a + 2 * (half - k);
        const float even = z[0] + y[0], even_i = z[1] - y[1], odd = z[1] + y[1], odd_i = y[0] - z[0];
        const float c = quarter[k * unit], d = -quarter[turns - k * unit];
        const float p = c * odd - d * odd_i, r = c * odd_i + d * odd;
        const float re = even + p, im = even_i + r, other = even - p, other_i = r - even_i;
        BINS
    }
}"""
_DIRECT = """\
/* Squared magnitudes of the real transform of an odd number of samples, bin by bin. */
static void @_NAME(const float *x, int step, const float *window, int count, const float *scale,
                   const float *quarter, int turns, int length, float *a, float *out) {
    const int unit = 4 * turns / length;
    (void)window;
    for (int i = 0; i < count; ++i) {
        a[i] = x[i * step] * WINDOW;
    }
    for (int k = 0; 2 * k < length; ++k) {
        float re = 0.0f, im = 0.0f;
        for (int i = 0, j = 0; i < count; ++i) {
            re += a[i] * @_wave(quarter, turns, j);
            im += a[i] * @_wave(quarter, turns, j < 3 * turns ? j + turns : j - 3 * turns);
            j += k * unit;
            j -= j >= 4 * turns ? 4 * turns : 0;
        }
        out[k] = SCALE * (re * re + im * im);
    }
}"""
