/* NAME_forecast.h; `forecast.py` writes the sizes. */
#include <stdint.h>
#define $column x
#define $name linear
#define $lags 2
#define $horizon 3
#define $levels 2
#define $ram 9
#define $flash 9
#define $libm
#define $told 90 %
#define $held 3
#define $parts 1
#define $anchors 2
#define $waiting 4
#define $steps float steps[@@_FORECAST_HORIZON];

/* lines title */
/* Forecasts of $column: $name, $lags lags, $horizon rows ahead.
 * Memory: $ram bytes of RAM in the caller's context, $flash bytes of tables. No heap. Compile with
 * -ffp-contract=off for the same bits as Python$libm. */

/* lines header */
#define @@_FORECAST_HORIZON $horizon
#define @@_FORECAST_LEVELS $levels

/* A forecast of one row: its value, and the ends of each interval ($told). */
typedef struct {
    double middle;
    double low[@@_FORECAST_LEVELS];
    double high[@@_FORECAST_LEVELS];
} @_forecast_row;

/* What is remembered. */
typedef struct {
    float level;
    uint32_t next;
    uint32_t stale;
    float ring[$held];
    float path[$parts][@@_FORECAST_HORIZON];
    uint32_t rows;
    uint32_t slots[$anchors];
    float scales[$anchors][@@_FORECAST_LEVELS];
    float waiting[$waiting][1 + @@_FORECAST_LEVELS];
$steps} @_forecast_context;

/* Starts at the last row of the data it was fitted on: call it first, and to return there. */
void @_forecast_init(@_forecast_context *context);

/* The next row's value; NAN where it is missing: it then counts as its forecast. The intervals adapt to values. */
void @_forecast_push(@_forecast_context *context, double value);

/* Forecasts the next `rows` rows, 1 to @@_FORECAST_HORIZON, and gives how many that are; 0 for another number. */
int @_forecast(@_forecast_context *context, int rows, @_forecast_row *out);

/* Rows without a value since the last one that had one. */
uint32_t @_forecast_stale(const @_forecast_context *context);
