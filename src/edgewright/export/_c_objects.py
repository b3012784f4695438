"""The C form of `core.objects`: from the map of an answer to a bounded list of objects, on integers, without a heap."""

from __future__ import annotations

from edgewright.core.objects import HIGHEST, LOWEST, UNIT
from edgewright.export._c_text import guarded, label_lines, number
from edgewright.schema.objects import ObjectMap

_HEADER = """\
/* Objects in a picture: cells of @'s map whose log-odds against the background reach a threshold, touching cells of
 * a label together, the centre of each weighted. Integers but for one float32 difference and product a cell; no heap.
 */
""" + guarded(
    "@@_OBJECTS_H",
    '"@.h"',
    """\
%(labels)s#define @@_LABELS %(count)d
#define @@_ROWS %(rows)d
#define @@_COLUMNS %(columns)d
#define @@_MOST_OBJECTS %(most)d
/* Log-odds from which a cell counts, in 1/%(unit)d: chosen on validation pictures. */
#define @@_THRESHOLD (%(threshold)d)

/* Centre in pixels of the picture; the score is the largest log-odds of its cells in 1/%(unit)d. */
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
""",
)
_SOURCE = """\
#include "@_objects.h"

#define CELLS (@@_ROWS * @@_COLUMNS)

/* Log-odds of the likeliest object against the background; what is no number counts as the lowest. */
static void @_heat(const float *map, @_objects *objects) {
    for (int i = 0; i < CELLS; ++i) {
        const float *const cell = map + i * (@@_LABELS + 1);
        int best = 1;
        for (int k = 2; k <= @@_LABELS; ++k) {
            best = cell[k] > cell[best] ? k : best;
        }
        float odds = cell[best] - cell[0];
        odds = odds > %(lowest)s ? odds : %(lowest)s;
        odds = odds < %(highest)s ? odds : %(highest)s;
        odds = odds * %(unit)s;
        objects->odds[i] = (int8_t)((int)(odds + %(shift)s) - %(whole)d);
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
            const int row = i / @@_COLUMNS, column = i %% @@_COLUMNS;
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
    @_object made = {objects->label[first], 0, 0, %(least)d};
    for (int i = first; i < CELLS; ++i) {
        if (objects->part[i] == first) {
            const int64_t weight = objects->odds[i] - @@_THRESHOLD + 1;
            total += weight;
            across += weight * (2 * (i %% @@_COLUMNS) + 1);
            down += weight * (2 * (i / @@_COLUMNS) + 1);
            made.score = objects->odds[i] > made.score ? objects->odds[i] : made.score;
        }
    }
    made.x = @_middle(across, total, %(width)d, @@_COLUMNS);
    made.y = @_middle(down, total, %(height)d, @@_ROWS);
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
"""


def write_objects_c99(spec: ObjectMap, *, name: str) -> dict[str, str]:
    """Return NAME_objects.h and NAME_objects.c, which read the answers of NAME.h.

    Args:
        spec: how the map is read.
        name: of the files, and prefix of every name in them.
    """
    labels = "".join(f"{text}\n" for text in label_lines(name.upper(), spec.labels)).replace("@", " at ")
    sizes = {
        "labels": labels, "count": len(spec.labels), "rows": spec.rows, "columns": spec.columns, "most": spec.most,
        "threshold": spec.threshold, "unit": UNIT,
    }  # fmt: skip
    numbers = {
        "lowest": number(LOWEST / UNIT), "highest": number(HIGHEST / UNIT), "unit": number(float(UNIT)),
        "shift": number(0.5 - 2 * LOWEST), "whole": -2 * LOWEST, "least": LOWEST, "width": spec.width,
        "height": spec.height,
    }  # fmt: skip
    texts = {f"{name}_objects.h": _HEADER % sizes, f"{name}_objects.c": _SOURCE % numbers}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}
