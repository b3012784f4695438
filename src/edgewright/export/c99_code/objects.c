/* From the map of an answer to a list of objects; `answers.py` writes the numbers. */
#include "objects.h"
#define $lowest -8.0f
#define $highest 7.9f
#define $unit 16.0f
#define $shift 256.5f
#define $whole 256
#define $least -128
#define $width 56
#define $height 40

/* lines source */
#include "@_objects.h"

#define CELLS (@@_ROWS * @@_COLUMNS)

/* Log-odds of the likeliest object against the background; a cell with what is no number counts as the lowest. */
static void @_heat(const float *map, @_objects *objects) {
    for (int i = 0; i < CELLS; ++i) {
        const float *const cell = map + i * (@@_LABELS + 1);
        int best = 1;
        for (int k = 2; k <= @@_LABELS; ++k) {
            best = cell[k] > cell[best] || cell[k] != cell[k] ? k : best;
        }
        float odds = cell[best] - cell[0];
        odds = odds > $lowest ? odds : $lowest;
        odds = odds < $highest ? odds : $highest;
        odds = odds * $unit;
        objects->odds[i] = (int8_t)((int)(odds + $shift) - $whole);
        objects->label[i] = (uint8_t)(best - 1);
    }
}

/* Numbers cells by the first cell that they touch, directly or through others of their label; -1 for the others. */
static void @_join(@_objects *objects) {
    int changed = 1;
    for (int i = 0; i < CELLS; ++i) {
        objects->part[i] = (int16_t)(objects->odds[i] >= @@_THRESHOLD ? i : -1);
    }
    while (changed) {
        changed = 0;
        for (int i = 0; i < CELLS; ++i) {
            const int row = i / @@_COLUMNS, column = i % @@_COLUMNS;
            for (int down = -1; down <= 1 && objects->part[i] >= 0; ++down) {
                for (int right = -1; right <= 1; ++right) {
                    const int r = row + down, c = column + right, j = r * @@_COLUMNS + c;
                    if (r < 0 || r >= @@_ROWS || c < 0 || c >= @@_COLUMNS || objects->part[j] < 0) {
                        continue;
                    }
                    if (objects->label[j] == objects->label[i] && objects->part[j] < objects->part[i]) {
                        objects->part[i] = objects->part[j];
                        changed = 1;
                    }
                }
            }
        }
    }
}

/* A mean of odd half cells in pixels, halves up, within the picture. */
static int @_middle(int64_t weighted, int64_t total, int pixels, int cells) {
    const int64_t at = (2 * weighted * pixels + 2 * cells * total) / (4 * cells * total);
    return at < pixels ? (int)at : pixels - 1;
}

static @_object @_object_of(const @_objects *objects, int first) {
    int64_t total = 0, across = 0, down = 0;
    @_object made = {objects->label[first], 0, 0, $least};
    for (int i = first; i < CELLS; ++i) {
        if (objects->part[i] == first) {
            const int64_t weight = objects->odds[i] - @@_THRESHOLD + 1;
            total += weight;
            across += weight * (2 * (i % @@_COLUMNS) + 1);
            down += weight * (2 * (i / @@_COLUMNS) + 1);
            made.score = objects->odds[i] > made.score ? objects->odds[i] : made.score;
        }
    }
    made.x = @_middle(across, total, $width, @@_COLUMNS);
    made.y = @_middle(down, total, $height, @@_ROWS);
    return made;
}

int @_find_objects(const @_answer *answer, @_objects *objects) {
    @_heat(answer->prediction, objects);
    @_join(objects);
    objects->count = 0;
    for (int i = 0; i < CELLS; ++i) {
        if (objects->part[i] != i) {
            continue;
        }
        const @_object one = @_object_of(objects, i);
        int at = objects->count;
        while (at > 0 && objects->found[at - 1].score < one.score) {
            --at;
        }
        if (at == @@_MOST_OBJECTS) {
            continue;
        }
        const int last = objects->count < @@_MOST_OBJECTS ? objects->count : @@_MOST_OBJECTS - 1;
        for (int k = last; k > at; --k) {
            objects->found[k] = objects->found[k - 1];
        }
        objects->found[at] = one;
        objects->count = last + 1;
    }
    return objects->count;
}
