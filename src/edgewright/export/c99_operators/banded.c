/* A smoother solved by elimination; `_banded.py` writes the factors.
 * In differences from row to row: a sum of values would lose the digits in which slow changes lie. */

/* block band */
/* Place of a row in tables of the first rows and the last two: those between are like the last of the first. */
static int @_band(int i, int head, int count) {
    return i < head ? i : i < count - 2 ? head - 1 : head + i - (count - 2);
}

/* block smooth */
/* (I + k D'D) y = x solved in place by elimination, D the second difference. */
static void @_smooth(float *y, const float *rest, const float *level, float scale, int head, int count) {
    float value = 0.0f, step = 0.0f, before = 0.0f, last = 1.0f, fall = 0.0f;
    for (int i = 0; i < count; ++i) {
        const int place = @_band(i, head, count);
        step = y[i] + before * step - level[place] * value;
        before = 1.0f - last;
        last = rest[place];
        value += step;
        y[i] = value;
    }
    value = step = 0.0f;
    for (int i = count - 1; i >= 0; --i) {
        const int place = @_band(i, head, count);
        const float own = last, next = i < count - 2 ? own : 1.0f;
        last = i > 0 ? rest[@_band(i - 1, head, count)] : 1.0f;
        fall = i < count - 1 ? fall + (last - next) : 0.0f;
        step = y[i] * (1.0f - own) * scale + (1.0f - next) * step - fall * value;
        fall = level[place];
        value += step;
        y[i] = value;
    }
}
