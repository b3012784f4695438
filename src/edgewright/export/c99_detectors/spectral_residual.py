"""Spectral residual: what stands out of the spectrum of the last rows."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_detectors import Learnt, Score, Writer, floats

# As Python has them: points from which the stream is prolonged, and by how many.
_SLOPE, _AHEAD = 5, 5


def _write(learnt: Learnt) -> Score:
    channels, samples, smooth = (int(learnt[name]) for name in ("channels", "samples", "smooth"))
    points = samples + _AHEAD
    lines = (
        "const uint32_t before = context->seen;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        f"    float *const held = context->held + {samples} * i;",
        f"    const float missing = before > 0u ? held[{samples - 1}] : 0.0f;",
        f"    memmove(held, held + 1, {samples - 1}u * sizeof *held);",
        # So that the difference of the largest and the smallest is a number of float32.
        f"    held[{samples - 1}] = @_finite(row[i]) ? @_bounded(row[i], 1e37f) : missing;",
        "    context->parts[i] = 0.0f;",
        "}",
        f"context->seen += before < {samples}u ? 1u : 0u;",
        f"if (context->seen < {samples}u) {{",
        "    return NAN;",
        "}",
        "float most = 0.0f;",
        f"for (int i = 0; i < {channels}; ++i) {{",
        f"    context->parts[i] = @_finite(row[i]) ? @_saliency(context, context->held + {samples} * i) : 0.0f;",
        "    most = context->parts[i] > most ? context->parts[i] : most;",
        "}",
        "return most;",
    )
    turn = 2 * np.pi * np.arange(points) / points
    # A mean over an odd number of places leaves the spectrum that of real numbers: half of it says all.
    bins = points if smooth % 2 == 0 else points // 2 + 1
    return Score(
        lines,
        {"cosine": floats(np.cos(turn)), "sine": floats(np.sin(turn))},
        {"held": channels * samples, "values": points, "real": bins, "turned": bins, "logs": points // 2 + 1},
        ("seen",),
        helpers="\n\n".join([_forward(samples, points), _residual(points, smooth), _back(samples, points, smooth)]),
    )


def _forward(samples: int, points: int) -> str:
    half = points // 2 + 1
    return f"""\
/* Directions of the spectrum of the window, prolonged, and the logarithms of its amplitudes; 0 for what is still. */
static int @_spectrum(@_detect_context *context, const float *held) {{
    float low = held[0], high = held[0], mean = 0.0f, slope = 0.0f;
    for (int k = 1; k < {samples}; ++k) {{
        low = held[k] < low ? held[k] : low;
        high = held[k] > high ? held[k] : high;
    }}
    if (!(high > low)) {{
        return 0;
    }}
    for (int k = 0; k < {samples}; ++k) {{
        context->values[k] = (held[k] - low) / (high - low);
        mean += context->values[k];
    }}
    mean /= {samples}.0f;
    for (int k = 0; k < {samples}; ++k) {{
        context->values[k] -= mean;
    }}
    /* The newest row takes no part: a spike would be prolonged. */
    for (int k = 0; k < {_SLOPE}; ++k) {{
        slope += (context->values[{samples - 2}] - context->values[{samples - 2 - _SLOPE} + k]) / (float)({_SLOPE} - k);
    }}
    for (int k = {samples}; k < {points}; ++k) {{
        context->values[k] = context->values[{samples - 1 - _SLOPE}] + slope;
    }}
    for (int f = 0; f < {half}; ++f) {{
        float real = 0.0f, turned = 0.0f;
        for (int k = 0, place = 0; k < {points}; ++k) {{
            real += context->values[k] * @_cosine[place];
            turned -= context->values[k] * @_sine[place];
            place += place + f < {points} ? f : f - {points};
        }}
        const float amplitude = sqrtf(real * real + turned * turned) + 1e-8f;
        context->logs[f] = logf(amplitude);
        context->real[f] = real / amplitude;
        context->turned[f] = turned / amplitude;
    }}
    return 1;
}}"""


def _residual(points: int, smooth: int) -> str:
    half, whole = points // 2 + 1, smooth % 2 == 0
    mirror = [
        f"    for (int f = {half}; f < {points}; ++f) {{",
        f"        context->real[f] = context->real[{points} - f];",
        f"        context->turned[f] = -context->turned[{points} - f];",
        "    }",
    ]
    # Half a spectrum counts twice but for its ends, which have no mirror image.
    ends = f"f > 0 && 2 * f != {points}" if points % 2 == 0 else "f > 0"
    twice = [] if whole else [f"        grown *= {ends} ? 2.0f : 1.0f;"]
    return "\n".join(
        [
            "/* The logarithm at a place of the ring that a spectrum is. */",
            "static float @_log(@_detect_context *context, int place) {",
            f"    const int at = place < 0 ? place + {points} : place < {points} ? place : place - {points};",
            f"    return context->logs[at < {half} ? at : {points} - at];",
            "}",
            "",
            "/* Amplitudes become what they are above the mean of their neighbours. */",
            "static void @_residual(@_detect_context *context) {",
            *(mirror if whole else []),
            f"    for (int f = 0; f < {points if whole else half}; ++f) {{",
            "        float mean = 0.0f;",
            f"        for (int k = {smooth // 2 + 1 - smooth}; k <= {smooth // 2}; ++k) {{",
            "            mean += @_log(context, f + k);",
            "        }",
            f"        {'const ' if whole else ''}float grown = expf(@_log(context, f) - mean / {smooth}.0f);",
            *twice,
            "        context->real[f] *= grown;",
            "        context->turned[f] *= grown;",
            "    }",
            "}",
        ]
    )


def _back(samples: int, points: int, smooth: int) -> str:
    whole = smooth % 2 == 0
    imaginary = "            turned += context->real[f] * @_sine[place] + context->turned[f] * @_cosine[place];"
    return "\n".join(
        [
            "/* How far the newest row is above the mean saliency of the window, in means. */",
            "static float @_saliency(@_detect_context *context, const float *held) {",
            "    if (!@_spectrum(context, held)) {",
            "        return 0.0f;",
            "    }",
            "    @_residual(context);",
            "    float newest = 0.0f, mean = 0.0f;",
            f"    for (int k = 0; k < {samples}; ++k) {{",
            f"        float real = 0.0f{', turned = 0.0f' if whole else ''};",
            f"        for (int f = 0, place = 0; f < {points if whole else points // 2 + 1}; ++f) {{",
            "            real += context->real[f] * @_cosine[place] - context->turned[f] * @_sine[place];",
            *([imaginary] if whole else []),
            f"            place += place + k < {points} ? k : k - {points};",
            "        }",
            f"        newest = {'sqrtf(real * real + turned * turned)' if whole else 'fabsf(real)'} / {points}.0f;",
            "        mean += newest;",
            "    }",
            f"    mean /= {samples}.0f;",
            "    const float above = newest - mean;",
            "    return above > 0.0f ? above / (mean > 1e-8f ? mean : 1e-8f) : 0.0f;",
            "}",
        ]
    )


WRITER = Writer(_write)
