"""The source file of a forecaster in C."""

from __future__ import annotations

from edgewright.export._c_text import number
from edgewright.runtime.forecasting.forecaster_file import ForecasterFile

_SOURCE = """\
#include "@_forecast.h"

#include <float.h>
#include <math.h>
#include <string.h>

%(tables)s

static struct {
    float ring[%(held)d];
    float level;
    float path[%(parts)d][@@_FORECAST_HORIZON];
%(steps)s    uint32_t next;
    uint32_t stale;
    uint32_t begun;
} @_now;

void @_forecast_reset(void) {
    memset(&@_now, 0, sizeof @_now);
%(copy)s    @_now.level = @_start[%(reach)d];
    @_now.begun = 1u;
}

/* The step `ahead` rows after the next one, by one recursion; those before it stand in path. */
static float @_ahead(int part, int ahead, float level) {
    float z = @_bias[part];
%(sum)s%(add)s    return z < %(low)s ? %(low)s : z > %(high)s ? %(high)s : z;
}

/* Fills path: the forecasts of every recursion. */
static void @_follow(int rows) {
    for (int part = 0; part < %(parts)d; ++part) {
        float level = @_now.level;
        for (int h = 0; h < rows; ++h) {
            const float u = @_ahead(part, h, level);
%(remember)s            @_now.path[part][h] = u;
            level = u;
        }
    }
}

static float @_mixed(int h) {
    float u = 0.0f;
    for (int part = 0; part < %(parts)d; ++part) {
        u += @_share[part] * @_now.path[part][h];
    }
    return u;
}

static double @_value(float u) {
%(back)s
}

void @_forecast_push(double value) {
    if (!@_now.begun) {
        @_forecast_reset();
    }
    const int there = value >= -DBL_MAX && value <= DBL_MAX%(positive)s;
    const double wide = there ? (%(taken)s - %(centre)s) / %(spread)s : 0.0;
    const int usable = there && wide >= -1e30 && wide <= 1e30;
    if (!usable) {
        @_follow(1);
    }
    const float u = usable ? (float)wide : @_mixed(0);
    @_now.stale = usable ? 0u : @_now.stale + 1u;
%(keep)s    @_now.level = u;
}

int @_forecast(int rows, @_forecast_row *out) {
    if (rows < 1 || rows > @@_FORECAST_HORIZON) {
        return 0;
    }
    if (!@_now.begun) {
        @_forecast_reset();
    }
    @_follow(rows);
    for (int h = 0; h < rows; ++h) {
        const float u = @_mixed(h);
        out[h].middle = @_value(u);
        for (int k = 0; k < @@_FORECAST_LEVELS; ++k) {
            const float half = %(half)s;
            out[h].low[k] = @_value(u - half);
            out[h].high[k] = @_value(u + half);
        }
    }
    return rows;
}

uint32_t @_forecast_stale(void) {
    return @_now.stale;
}
"""
_SUM = """\
    for (int k = (int)@_from[part]; k < (int)@_from[part + 1]; ++k) {
        const int back = (int)@_lags[k] - ahead;
        const float past = back > 0 ? @_now.ring[(@_now.next + %(reach)du - (uint32_t)back) %% %(reach)du]
                                    : @_now.%(array)s[-back];
        z += @_weights[k] * past;
    }
"""


def source(made: ForecasterFile, tables: str) -> str:
    """Its text, with @ for the prefix of names.

    Args:
        made: the forecaster.
        tables: definitions of the constants start, weights, widths and lags.
    """
    model = made.spec.model
    reach, logs = model.reach, model.scale == "log"
    centre, spread = _double(model.centre), _double(model.spread)
    unscaled = f"(double)u * {spread} + {centre}"
    fresh = "u - @_now.level" if model.difference else "u"
    return _SOURCE % {
        "tables": tables, "held": max(reach, 1), "reach": reach,
        "steps": "    float steps[@@_FORECAST_HORIZON];\n" if model.difference else "",
        "copy": f"    memcpy(@_now.ring, @_start, {reach}u * sizeof *@_start);\n" if reach else "",
        "parts": len(model.parts),
        "sum": _SUM % {"reach": reach, "array": "steps" if model.difference else "path[part]"}
        if reach
        else "    (void)ahead;\n",
        "add": "    z = level + z;\n" if model.difference else "    (void)level;\n",
        "low": number(model.low), "high": number(model.high),
        "back": f"    const double level = {unscaled};\n    return exp(level < 700.0 ? level : 700.0);"
        if logs
        else f"    return {unscaled};",
        "positive": " && value > 0.0" if logs else "", "taken": "log(value)" if logs else "value",
        "centre": centre, "spread": spread,
        "keep": f"    @_now.ring[@_now.next] = {fresh};\n    @_now.next = (@_now.next + 1u) % {reach}u;\n"
        if reach
        else "",
        "remember": "            @_now.steps[h] = u - level;\n" if model.difference else "",
        "half": "@_widths[@@_FORECAST_HORIZON * k + h]" if made.spec.levels else "0.0f",
    }  # fmt: skip


def _double(value: float) -> str:
    """A float64 constant that reads back as the same bits."""
    text = repr(float(value))
    return f"({text})" if text.startswith("-") else text
