/* Products with constant matrices; `linear.py` writes the tables and the calls. */
#include <stdint.h>

/* block dense */
static void @_dense(const float *x, int step, const float *weights, const float *bias, float *y, int inputs,
                    int outputs) {
    for (int j = 0; j < outputs; ++j, weights += inputs) {
        float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
        int i = 0;
        for (; i + 3 < inputs; i += 4) {
            a += x[i * step] * weights[i];
            b += x[(i + 1) * step] * weights[i + 1];
            c += x[(i + 2) * step] * weights[i + 2];
            d += x[(i + 3) * step] * weights[i + 3];
        }
        for (; i < inputs; ++i) {
            a += x[i * step] * weights[i];
        }
        y[j] = (a + b) + (c + d) + (bias != 0 ? bias[j] : 0.0f);
    }
}

/* block runs */
static void @_runs(const float *x, int step, const float *weights, const uint16_t *first, const uint16_t *count,
                   float *y, int outputs) {
    for (int j = 0; j < outputs; weights += count[j++]) {
        float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
        const float *v = x + first[j] * step;
        int i = 0;
        for (; i + 3 < count[j]; i += 4) {
            a += v[i * step] * weights[i];
            b += v[(i + 1) * step] * weights[i + 1];
            c += v[(i + 2) * step] * weights[i + 2];
            d += v[(i + 3) * step] * weights[i + 3];
        }
        for (; i < count[j]; ++i) {
            a += v[i * step] * weights[i];
        }
        y[j] = (a + b) + (c + d);
    }
}

/* block line */
/* Sum of products with numbers on a line: their mean, and the step from one to the next. */
static float @_line(const float *x, float mean, float step, int count) {
    float a = 0.0f, b = 0.0f;
    for (int i = 0; i < count / 2; ++i) {
        const float first = x[i], last = x[count - 1 - i];
        a += first + last;
        b += (last - first) * (0.5f * (float)(count - 1 - 2 * i));
    }
    if (count % 2 == 1) {
        a += x[count / 2];
    }
    return mean * a + step * b;
}

/* block bands */
static void @_bands(const float *x, int step, const uint16_t *first, const uint16_t *count, float *y, int outputs) {
    for (int j = 0; j < outputs; ++j) {
        const float *v = x + first[j] * step;
        float a = 0.0f;
        for (int i = count[j]; i > 0; --i, v += step) {
            a += *v;
        }
        y[j] = a;
    }
}

/* block adjacent */
static void @_adjacent(const float *x, int step, const uint16_t *count, float *y, int outputs) {
    for (int j = 0; j < outputs; ++j) {
        float a = 0.0f;
        for (int i = count[j]; i > 0; --i, x += step) {
            a += *x;
        }
        y[j] = a;
    }
}

/* block shifted */
static void @_shifted(const float *x, int step, const float *first, const float *response, float *y, int count) {
    for (int j = 0; j < count; ++j) {
        float a = x[0] * first[j], b = 0.0f, c = 0.0f, d = 0.0f;
        const float *v = x + j * step;
        int i = 0;
        for (; i + 3 < j; i += 4) {
            a += v[-i * step] * response[i];
            b += v[-(i + 1) * step] * response[i + 1];
            c += v[-(i + 2) * step] * response[i + 2];
            d += v[-(i + 3) * step] * response[i + 3];
        }
        for (; i < j; ++i) {
            a += v[-i * step] * response[i];
        }
        y[j] = (a + b) + (c + d);
    }
}

/* block mirrored */
static void @_mirrored(const float *x, int step, const float *even, const float *odd, float *y, int half) {
    const float *last = x + (2 * half - 1) * step;
    for (int j = 0; j < half; ++j, even += half, odd += half) {
        float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
        int i = 0;
        for (; i + 1 < half; i += 2) {
            const float p = x[i * step], q = last[-i * step], r = x[(i + 1) * step], s = last[-(i + 1) * step];
            a += (p + q) * even[i];
            b += (p - q) * odd[i];
            c += (r + s) * even[i + 1];
            d += (r - s) * odd[i + 1];
        }
        if (i < half) {
            a += (x[i * step] + last[-i * step]) * even[i];
            b += (x[i * step] - last[-i * step]) * odd[i];
        }
        y[j] = (a + c) + (b + d);
        y[2 * half - 1 - j] = (a + c) - (b + d);
    }
}

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
