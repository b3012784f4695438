/* NAME_objects.h; `answers.py` writes labels and sizes. */
#include "model.h"
#define $labels
#define $count 2
#define $rows 5
#define $columns 7
#define $most 3
#define $threshold 9
#define $unit 16

/* lines title */
/* Objects in a picture: cells of @'s map whose log-odds against the background reach a threshold, touching cells of
 * a label together, the centre of each weighted. Integers but for one float32 difference and product a cell; no heap.
 */

/* lines header */
$labels#define @@_LABELS $count
#define @@_ROWS $rows
#define @@_COLUMNS $columns
#define @@_MOST_OBJECTS $most
/* Log-odds from which a cell counts, in 1/$unit: chosen on validation pictures. */
#define @@_THRESHOLD ($threshold)

/* Centre in pixels of the picture; the score is the largest log-odds of its cells in 1/$unit. */
typedef struct {
    int label, x, y, score;
} @_object;

/* The objects, the surest first; what follows them is memory of the call. */
typedef struct {
    int count;
    @_object found[@@_MOST_OBJECTS];
    int16_t part[@@_ROWS * @@_COLUMNS];
    int8_t odds[@@_ROWS * @@_COLUMNS];
    uint8_t label[@@_ROWS * @@_COLUMNS];
} @_objects;

/* Objects of an answer of @_predict or @_predict_pixels; returns how many. */
int @_find_objects(const @_answer *answer, @_objects *objects);
