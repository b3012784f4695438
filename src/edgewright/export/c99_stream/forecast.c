/* Forecasts by recursions over lags; `forecast.py` writes the tables. */
#include "forecast.h"
#define $tables \
    static const float @_start[13] = {1}, @_bias[1] = {1}, @_share[1] = {1}, @_weights[2] = {1}, @_widths[3] = {1}; \
    static const int32_t @_lags[2] = {1, 12}, @_from[2] = {0, 2};
#define $copy memcpy(context->ring, @_start, 12u * sizeof *@_start);
#define $reach 12
#define $unused (void)context;
#define $sum (void)ahead;
#define $add z = level + z;
#define $low -9.0f
#define $high 9.0f
#define $parts 1
#define $remember context->steps[h] = u - level;
#define $back return (double)u * 2.0 + 1.0;
#define $positive && value > 0.0
#define $taken log(value)
#define $centre 1.0
#define $spread 2.0
#define $keep context->next = (context->next + 1u) % 12u;
#define $half @_widths[@@_FORECAST_HORIZON * k + h]
#define $array path[part]

/* lines source */
#include "@_forecast.h"

#include <float.h>
#include <math.h>
#include <string.h>

$tables

void @_forecast_init(@_forecast_context *context) {
    memset(context, 0, sizeof *context);
$copy    context->level = @_start[$reach];
}

/* The step `ahead` rows after the next one, by one recursion; those before it stand in path. */
static float @_ahead(const @_forecast_context *context, int part, int ahead, float level) {
    float z = @_bias[part];
$unused$sum$add    return z < $low ? $low : z > $high ? $high : z;
}

/* Fills path: the forecasts of every recursion. */
static void @_follow(@_forecast_context *context, int rows) {
    for (int part = 0; part < $parts; ++part) {
        float level = context->level;
        for (int h = 0; h < rows; ++h) {
            const float u = @_ahead(context, part, h, level);
$remember            context->path[part][h] = u;
            level = u;
        }
    }
}

static float @_mixed(const @_forecast_context *context, int h) {
    float u = 0.0f;
    for (int part = 0; part < $parts; ++part) {
        u += @_share[part] * context->path[part][h];
    }
    return u;
}

static double @_value(float u) {
$back
}

void @_forecast_push(@_forecast_context *context, double value) {
    const int there = value >= -DBL_MAX && value <= DBL_MAX$positive;
    const double wide = there ? ($taken - $centre) / $spread : 0.0;
    const int usable = there && wide >= -1e30 && wide <= 1e30;
    if (!usable) {
        @_follow(context, 1);
    }
    const float u = usable ? (float)wide : @_mixed(context, 0);
    context->stale = usable ? 0u : context->stale + 1u;
$keep    context->level = u;
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
            const float half = $half;
            out[h].low[k] = @_value(u - half);
            out[h].high[k] = @_value(u + half);
        }
    }
    return rows;
}

uint32_t @_forecast_stale(const @_forecast_context *context) {
    return context->stale;
}

/* alone */
float @_sum(const @_forecast_context *context, int part, int ahead);
float @_sum(const @_forecast_context *context, int part, int ahead) {
    float z = 0.0f;

/* lines sum */
    for (int k = (int)@_from[part]; k < (int)@_from[part + 1]; ++k) {
        const int back = (int)@_lags[k] - ahead;
        const float past = back > 0 ? context->ring[(context->next + ${reach}u - (uint32_t)back) % ${reach}u]
                                    : context->$array[-back];
        z += @_weights[k] * past;
    }

/* alone */
    return z;
}
