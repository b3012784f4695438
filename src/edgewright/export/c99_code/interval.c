/* Both ends of the interval around an amount; `answers.py` writes the tables. */
#include "interval.h"
#define $tables static const float @_interval_edges[2], @_interval_low[3], @_interval_high[3];
#define $search part = @_part(prediction);
#define $count 2

int @_part(float prediction);

/* lines source */
#include "@_interval.h"

$tables
void @_interval(float prediction, float *low, float *high) {
    int part = 0;
$search    *low = prediction + @_interval_low[part];
    *high = prediction + @_interval_high[part];
}

/* alone */
int @_part(float prediction) {
    int part = 0;

/* lines search */
    while (part < $count && prediction > @_interval_edges[part]) {
        ++part;
    }

/* alone */
    return part;
}
