#include "c99_code/objects.c"
#include "check.h"
#include <math.h>

static ew_answer answer;
static ew_objects objects;

/* Fills a map with what no object is, or gives a cell the logits 0, a and b. */
static void cell(int row, int column, float a, float b) {
    float *const at = answer.prediction + 3 * (EW_COLUMNS * row + column);
    at[0] = 0.0f;
    at[1] = a;
    at[2] = b;
}

static int objects_of(void) {
    const int count = ew_find_objects(&answer, &objects);
    CHECK(count == objects.count);
    return count;
}

static void clear(void) {
    for (int i = 0; i < EW_ROWS * EW_COLUMNS; ++i) {
        cell(i / EW_COLUMNS, i % EW_COLUMNS, -1.0f, -1.0f);
    }
}

int main(void) {
    clear();
    CHECK(objects_of() == 0);
    /* Five rows of seven cells of eight pixels; a cell counts from 9/16 on. */
    cell(0, 0, 0.5624f, -1.0f);
    cell(4, 6, -1.0f, 0.5625f);
    CHECK(objects_of() == 2 && objects.found[0].label == 0 && objects.found[1].label == 1);
    CHECK(objects.found[0].score == 9 && objects.found[1].x == 52 && objects.found[1].y == 36);
    cell(0, 0, 0.53f, -1.0f);
    CHECK(objects_of() == 1);
    /* Cells that touch at a corner are one object, at the mean weighted by what is above 8/16: 8 and 24 of 32. */
    clear();
    cell(1, 1, 1.0f, 0.0f);
    cell(2, 2, 2.0f, 0.0f);
    CHECK(objects_of() == 1 && objects.found[0].score == 32);
    CHECK(objects.found[0].x == 12 + 6 && objects.found[0].y == 12 + 6);
    /* Not where their labels differ, nor from the end of a row to the beginning of the next one. */
    cell(2, 2, 0.0f, 2.0f);
    CHECK(objects_of() == 2 && objects.found[0].label == 1 && objects.found[1].label == 0);
    clear();
    cell(0, 6, 1.0f, 0.0f);
    cell(1, 0, 1.0f, 0.0f);
    CHECK(objects_of() == 2 && objects.found[0].x == 52 && objects.found[1].x == 4);
    clear();
    cell(0, 0, 1.0f, 0.0f);
    cell(1, 1, 1.0f, 0.0f);
    CHECK(objects_of() == 1);
    /* A horseshoe whose ends meet last. */
    clear();
    for (int i = 0; i < 5; ++i) {
        cell(i, 2, 1.0f, 0.0f);
        cell(i, 4, 1.0f, 0.0f);
    }
    cell(4, 3, 1.0f, 0.0f);
    CHECK(objects_of() == 1 && objects.found[0].x == 28);
    /* The three surest of five, the first of equal ones; a score is bounded. */
    clear();
    cell(0, 0, 1.0f, 0.0f);
    cell(0, 2, 2.0f, 0.0f);
    cell(0, 4, 1.0f, 0.0f);
    cell(0, 6, 1.5f, 0.0f);
    cell(2, 0, 1e9f, 0.0f);
    CHECK(objects_of() == 3 && objects.found[0].score == 126 && objects.found[0].y == 20);
    CHECK(objects.found[1].score == 32 && objects.found[2].score == 24);
    cell(0, 6, 1.0f, 0.0f);
    CHECK(objects_of() == 3 && objects.found[2].score == 16 && objects.found[2].x == 4);
    /* A cell with a number that is none is no object, whichever number it is. */
    clear();
    cell(0, 0, NAN, 5.0f);
    cell(2, 2, 5.0f, NAN);
    cell(4, 4, 5.0f, 5.0f);
    answer.prediction[3 * (4 * EW_COLUMNS + 4)] = NAN;
    CHECK(objects_of() == 0);
    return failures;
}
