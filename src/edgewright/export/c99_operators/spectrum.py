"""Power spectra by a fixed-size FFT of mixed radix, tables in flash."""

from __future__ import annotations

import numpy as np

from edgewright.export._c_source import Source
from edgewright.export._c_spectrum import OP, factors
from edgewright.export.c99_operators import Spot, operator
from edgewright.export.c99_operators._rows import over_rows
from edgewright.runtime.operators import where
from edgewright.schema.errors import InputError


@operator(OP)
def power_spectrum(spot: Spot) -> Source:
    """(..., samples) -> (..., bins).

    Raises:
        InputError: for a length that the passes cannot make.
    """
    unit = spot.unit
    length = int(str(spot.node.attributes["length"]))
    window, power = spot.constants[1], spot.constants[2]
    radices = factors(length // 2)
    if radices is None or window is None or power is None:
        raise InputError("a length of small prime factors and constant tables", str(length), where(spot.node))
    even = bool((window == window[0]).all())
    if even:
        power = power * window[0] * window[0]
    angle = 2 * np.pi * np.arange(length) / length
    # Quarter turns are whole numbers; the last digit of pi would leave 6e-17.
    turns = np.round(np.stack([np.cos(angle), -np.sin(angle)], axis=1), 15) + 0.0
    tables = [
        "0" if even else unit.table(window),
        str(len(window)),
        unit.table(np.asarray(power, np.float32)),
        unit.table(turns.astype(np.float32)),
        unit.table(np.asarray(radices, np.uint8)),
        str(length // 2),
    ]
    source, target = unit.stored(spot.source(0)), unit.fresh(spot.shape)
    scratch = (unit.fresh((length,)), unit.fresh((length,)))
    unit.helper("pass", _STAGE)
    names = [s.leaves[0].buffer.name for s in scratch]
    call = f"{unit.helper('power', _POWER)}({{x}}, {{step}}, {', '.join([*tables, *names])}, {{y}});"
    over_rows(spot, source, target, call, scratch)
    return target


# The self-sorting form of Stockham (Cochran et al., "What is the Fast Fourier Transform?", Proc. IEEE 55, 1967):
# no reordering by reversed digits, so any radix will do.
_STAGE = """\
/* One pass of radix p over n groups of s complex numbers; turn[j] is exp(-2 pi i j / whole). */
static void @_pass(const float *in, float *out, int p, int n, int s, const float *turn, int whole) {
    const int m = n / p;
    for (int q = 0; q < m; ++q) {
        for (int r = 0; r < p; ++r) {
            for (int i = 0; i < s; ++i) {
                float re = 0.0f, im = 0.0f;
                int j = q * r * 2 * s;
                for (int u = 0; u < p; ++u) {
                    const float *v = in + 2 * (i + s * (q + m * u));
                    const float c = turn[2 * j], d = turn[2 * j + 1];
                    re += v[0] * c - v[1] * d;
                    im += v[0] * d + v[1] * c;
                    j += r * (whole / p);
                    j -= j >= whole ? whole : 0;
                }
                out[2 * (i + s * (p * q + r))] = re;
                out[2 * (i + s * (p * q + r)) + 1] = im;
            }
        }
    }
}"""
_POWER = """\
/* Squared magnitudes of the real transform of 2 * half numbers: even and odd ones as one complex transform. */
static void @_power(const float *x, int step, const float *window, int count, const float *scale, const float *turn,
                    const uint8_t *radices, int half, float *a, float *b, float *out) {
    for (int i = 0; i < 2 * half; ++i) {
        a[i] = i < count ? x[i * step] * (window != 0 ? window[i] : 1.0f) : 0.0f;
    }
    for (int n = half, s = 1; n > 1; ++radices) {
        float *const done = b;
        @_pass(a, b, *radices, n, s, turn, 2 * half);
        b = a;
        a = done;
        n /= *radices;
        s *= *radices;
    }
    for (int k = 0; k <= half; ++k) {
        const float *z = a + 2 * (k % half), *y = a + 2 * ((half - k) % half);
        const float even = z[0] + y[0], even_i = z[1] - y[1], odd = z[1] + y[1], odd_i = y[0] - z[0];
        const float c = turn[2 * k], d = turn[2 * k + 1];
        const float re = 0.5f * (even + c * odd - d * odd_i), im = 0.5f * (even_i + c * odd_i + d * odd);
        out[k] = scale[k] * (re * re + im * im);
    }
}"""
