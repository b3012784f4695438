/* A forecaster in C, driven over many values. */
#include "forecast.h"
#include <stddef.h>

/* lines probe */
#include "@_forecast.h"
#include <string.h>
int probe_forecast(const double *values, int n, int ahead, double *told) {
    static @_forecast_row rows[@@_FORECAST_HORIZON];
    static @_forecast_context context;
    const size_t bytes = (size_t)ahead * sizeof rows[0];
    memset(&context, 0xA5, sizeof context);
    @_forecast_init(&context);
    for (int i = 0; i < n; ++i) {
        double *const out = told + (size_t)i * (1 + bytes / sizeof(double));
        @_forecast_push(&context, values[i]);
        if (@_forecast(&context, ahead, rows) != ahead) {
            return i;
        }
        out[0] = (double)@_forecast_stale(&context);
        memcpy(out + 1, rows, bytes);
    }
    return n;
}
