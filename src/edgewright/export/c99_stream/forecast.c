/* Forecasts by recursions over lags; `forecast.py` writes the tables. */
#include "forecast.h"
#define $tables \
    static const float @_start[4], @_bias[1], @_share[1], @_weights[2], @_widths[6], @_within[4], @_beyond[4]; \
    static const int32_t @_lags[2], @_from[2], @_anchors[2];
#define $copy memcpy(context->ring, @_start, 3u * sizeof *@_start);
#define $reach 3
#define $unused
#define $sum z += @_sum(context, part, ahead);
#define $add z = level + z;
#define $low -99.0f
#define $high 99.0f
#define $parts 1
#define $remember context->steps[h] = u - level;
#define $back return (double)u * 2.0 + 1.0;
#define $positive && value < 1e300
#define $taken value
#define $centre 1.0
#define $spread 2.0
#define $keep \
    context->ring[context->next] = u - context->level; \
    context->next = (context->next + 1u) % 3u;
#define $anchors 2
#define $lowest 0.5f
#define $highest 4.0f
#define $array steps

float @_sum(const @_forecast_context *context, int part, int ahead);

/* lines source */
#include "@_forecast.h"

#include <float.h>
#include <math.h>
#include <string.h>

$tables

/* The step `ahead` rows after the next one, by one recursion; those before it stand in path. */
static float @_ahead(const @_forecast_context *context, int part, int ahead, float level) {
    float z = @_bias[part];
$unused$sum$add    return z < $low ? $low : z > $high ? $high : z;
}

/* Fills path: the forecasts of every recursion. */
static void @_follow(@_forecast_context *context) {
    for (int part = 0; part < $parts; ++part) {
        float level = context->level;
        for (int h = 0; h < @@_FORECAST_HORIZON; ++h) {
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

/* Changes the scales by the forecasts that a value ends, and makes room for the next ones. */
static void @_adapt(@_forecast_context *context, float u, int usable) {
    int32_t first = 0;
    context->rows += context->rows < (uint32_t)@@_FORECAST_HORIZON;
    for (int j = 0; j < $anchors; ++j) {
        const uint32_t steps = (uint32_t)@_anchors[j];
        context->slots[j] = (context->slots[j] + 1u) % steps;
        const float *issued = context->waiting[(uint32_t)first + context->slots[j]];
        for (int k = 0; usable && context->rows >= steps && k < @@_FORECAST_LEVELS; ++k) {
            const int at = j * @@_FORECAST_LEVELS + k;
            const float scale = context->scales[j][k] * (fabsf(u - issued[0]) > issued[1 + k] ? @_beyond[at] : @_within[at]);
            context->scales[j][k] = scale < $lowest ? $lowest : scale > $highest ? $highest : scale;
        }
        first += @_anchors[j];
    }
}

/* Forecasts, and keeps the forecast and the intervals of each anchor until its value comes. */
static void @_wait(@_forecast_context *context) {
    int32_t first = 0;
    @_follow(context);
    for (int j = 0; j < $anchors; ++j) {
        const int h = (int)@_anchors[j] - 1;
        float *issued = context->waiting[(uint32_t)first + context->slots[j]];
        issued[0] = @_mixed(context, h);
        for (int k = 0; k < @@_FORECAST_LEVELS; ++k) {
            const float half = context->scales[j][k] * @_widths[@@_FORECAST_HORIZON * k + h];
            issued[1 + k] = k > 0 && half < issued[k] ? issued[k] : half;
        }
        first += @_anchors[j];
    }
}

/* The scale of an interval: that of its anchor, or between those of the anchors before and after. */
static float @_scale(const @_forecast_context *context, int k, int ahead) {
    int j = 0;
    while ((int)@_anchors[j] < ahead) {
        ++j;
    }
    const float after = context->scales[j][k];
    if ((int)@_anchors[j] == ahead) {
        return after;
    }
    const float before = context->scales[j - 1][k];
    const float share = (float)(ahead - (int)@_anchors[j - 1]) / (float)(@_anchors[j] - @_anchors[j - 1]);
    return before + (after - before) * share;
}

void @_forecast_init(@_forecast_context *context) {
    memset(context, 0, sizeof *context);
$copy    context->level = @_start[$reach];
    for (int j = 0; j < $anchors; ++j) {
        for (int k = 0; k < @@_FORECAST_LEVELS; ++k) {
            context->scales[j][k] = 1.0f;
        }
    }
    @_wait(context);
}

void @_forecast_push(@_forecast_context *context, double value) {
    const int there = value >= -DBL_MAX && value <= DBL_MAX$positive;
    const double wide = there ? ($taken - $centre) / $spread : 0.0;
    const int usable = there && wide >= -1e30 && wide <= 1e30;
    const float u = usable ? (float)wide : @_mixed(context, 0);
    context->stale = usable ? 0u : context->stale + 1u;
    @_adapt(context, u, usable);
$keep    context->level = u;
    @_wait(context);
}

int @_forecast(@_forecast_context *context, int rows, @_forecast_row *out) {
    if (rows < 1 || rows > @@_FORECAST_HORIZON) {
        return 0;
    }
    for (int h = 0; h < rows; ++h) {
        const float u = @_mixed(context, h);
        float below = 0.0f;
        out[h].middle = @_value(u);
        for (int k = 0; k < @@_FORECAST_LEVELS; ++k) {
            const float own = @_scale(context, k, h + 1) * @_widths[@@_FORECAST_HORIZON * k + h];
            const float half = own < below ? below : own;
            below = half;
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
