"""The source file of a forecaster in C."""

from __future__ import annotations

from edgewright.export._c_text import number
from edgewright.monitor.forecasting.forecaster_file import ForecasterFile

_SOURCE = """\
#include "@_forecast.h"

#include <float.h>
#include <math.h>
#include <string.h>

%(tables)s

void @_forecast_init(@_forecast_context *context) {
    memset(context, 0, sizeof *context);
%(copy)s    context->level = @_start[%(reach)d];
}

/* The step `ahead` rows after the next one, by one recursion; those before it stand in path. */
static float @_ahead(const @_forecast_context *context, int part, int ahead, float level) {
    float z = @_bias[part];
%(unused)s%(sum)s%(add)s    return z < %(low)s ? %(low)s : z > %(high)s ? %(high)s : z;
}

/* Fills path: the forecasts of every recursion. */
static void @_follow(@_forecast_context *context, int rows) {
    for (int part = 0; part < %(parts)d; ++part) {
        float level = context->level;
        for (int h = 0; h < rows; ++h) {
            const float u = @_ahead(context, part, h, level);
%(remember)s            context->path[part][h] = u;
            level = u;
        }
    }
}

static float @_mixed(const @_forecast_context *context, int h) {
    float u = 0.0f;
    for (int part = 0; part < %(parts)d; ++part) {
        u += @_share[part] * context->path[part][h];
    }
    return u;
}

static double @_value(float u) {
%(back)s
}

void @_forecast_push(@_forecast_context *context, double value) {
    const int there = value >= -DBL_MAX && value <= DBL_MAX%(positive)s;
    const double wide = there ? (%(taken)s - %(centre)s) / %(spread)s : 0.0;
    const int usable = there && wide >= -1e30 && wide <= 1e30;
    if (!usable) {
        @_follow(context, 1);
    }
    const float u = usable ? (float)wide : @_mixed(context, 0);
    context->stale = usable ? 0u : context->stale + 1u;
%(keep)s    context->level = u;
}

int @_forecast(@_forecast_context *context, int rows, @_forecast_row *out) {
    if (rows < 1 || rows > @@_FORECAST_HORIZON) {
        return 0;
    }
    @_follow(context, rows);
    for (int h = 0; h < rows; ++h) {
        const float u = @_mixed(context, h);
        out[h].middle = @_value(u);
        for (int k = 0; k < @@_FORECAST_LEVELS; ++k) {
            const float half = %(half)s;
            out[h].low[k] = @_value(u - half);
            out[h].high[k] = @_value(u + half);
        }
    }
    return rows;
}

uint32_t @_forecast_stale(const @_forecast_context *context) {
    return context->stale;
}
"""
_SUM = """\
    for (int k = (int)@_from[part]; k < (int)@_from[part + 1]; ++k) {
        const int back = (int)@_lags[k] - ahead;
        const float past = back > 0 ? context->ring[(context->next + %(reach)du - (uint32_t)back) %% %(reach)du]
                                    : context->%(array)s[-back];
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
    fresh = "u - context->level" if model.difference else "u"
    return _SOURCE % {
        "tables": tables, "reach": reach,
        "copy": f"    memcpy(context->ring, @_start, {reach}u * sizeof *@_start);\n" if reach else "",
        "parts": len(model.parts),
        "sum": _SUM % {"reach": reach, "array": "steps" if model.difference else "path[part]"}
        if reach
        else "    (void)ahead;\n",
        "unused": "" if reach else "    (void)context;\n",
        "add": "    z = level + z;\n" if model.difference else "    (void)level;\n",
        "low": number(model.low), "high": number(model.high),
        "back": f"    const double level = {unscaled};\n    return exp(level < 700.0 ? level : 700.0);"
        if logs
        else f"    return {unscaled};",
        "positive": " && value > 0.0" if logs else "", "taken": "log(value)" if logs else "value",
        "centre": centre, "spread": spread,
        "keep": f"    context->ring[context->next] = {fresh};\n    context->next = (context->next + 1u) % {reach}u;\n"
        if reach
        else "",
        "remember": "            context->steps[h] = u - level;\n" if model.difference else "",
        "half": "@_widths[@@_FORECAST_HORIZON * k + h]" if made.spec.levels else "0.0f",
    }  # fmt: skip


def _double(value: float) -> str:
    """A float64 constant that reads back as the same bits."""
    text = repr(float(value))
    return f"({text})" if text.startswith("-") else text
