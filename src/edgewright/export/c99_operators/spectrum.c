/* Power spectra by passes of mixed radix; `spectrum.py` writes the tables, and which window and factors there are.
 * The passes are the self-sorting form of Stockham (Cochran et al., "What is the Fast Fourier Transform?", Proc. IEEE 55,
 * 1967): no reordering by reversed digits, so any radix will do. */
#include <stdint.h>
#define @_apart
#define $maximum 8
#define $pass pass_8
#define $transform transform4_8
#define $power power4_8
#define $direct direct
#define $call \
    if (*radices == 4) { \
        @_pass4(a, b, n, s, quarter, turns, half); \
    } else { \
        @_pass_8(a, b, *radices, n, s, quarter, turns, half); \
    }
#define $fill @_any(x, step, window, count, a, half);
#define $bins @_each(scale, out, k, half, re, im, other, other_i);
#define $window window[i]
#define $scale scale[k]
void @_any(const float *x, int step, const float *window, int count, float *a, int half);
void @_each(const float *scale, float *out, int k, int half, float re, float im, float other, float other_i);

/* block wave */
/* The cosine of j of 4 * turns parts of a whole turn, from a table of the first quarter. */
static float @_wave(const float *quarter, int turns, int j) {
    j = j > 2 * turns ? 4 * turns - j : j;
    return j > turns ? -quarter[2 * turns - j] : quarter[j];
}

/* block pass4 */
/* One pass of radix 4 over n groups of s complex numbers of a transform of `half`. */
static void @_pass4(const float *in, float *out, int n, int s, const float *quarter, int turns, int half) {
    const int far = n / 4 * s * 2, unit = 4 * turns / half * s;
    const float *f = in + far, *g = f + far, *h = g + far;
    for (int j = 0; j < turns; j += unit, out += 6 * s) {
        const int k = 2 * j, l = 3 * j;
        const float c1 = quarter[j], d1 = -quarter[turns - j];
        const float c2 = k > turns ? -quarter[2 * turns - k] : quarter[k];
        const float d2 = -quarter[k > turns ? k - turns : turns - k];
        const float c3 = l > turns ? -quarter[l > 2 * turns ? l - 2 * turns : 2 * turns - l] : quarter[l];
        const float d3 = l > 2 * turns ? quarter[3 * turns - l] : -quarter[l > turns ? l - turns : turns - l];
        float *u = out + 2 * s, *v = u + 2 * s, *w = v + 2 * s;
        for (const float *const end = in + 2 * s; in != end; in += 2, f += 2, g += 2, h += 2) {
            const float a = in[0] + g[0], a_i = in[1] + g[1], b = in[0] - g[0], b_i = in[1] - g[1];
            const float c = f[0] + h[0], c_i = f[1] + h[1], d = f[0] - h[0], d_i = f[1] - h[1];
            const float x = b + d_i, x_i = b_i - d, y = a - c, y_i = a_i - c_i, z = b - d_i, z_i = b_i + d;
            *out++ = a + c;
            *out++ = a_i + c_i;
            *u++ = x * c1 - x_i * d1;
            *u++ = x * d1 + x_i * c1;
            *v++ = y * c2 - y_i * d2;
            *v++ = y * d2 + y_i * c2;
            *w++ = z * c3 - z_i * d3;
            *w++ = z * d3 + z_i * c3;
        }
    }
}

/* block general */
/* One pass of radix p over n groups of s complex numbers of a transform of `half`. */
static void @_$pass(const float *in, float *out, int p, int n, int s, const float *quarter, int turns, int half) {
    const int m = n / p, whole = 4 * turns, unit = whole / half * s;
    float c[$maximum], d[$maximum];
    for (int u = 0, j = 0; u < p; ++u, j += whole / p) {
        c[u] = @_wave(quarter, turns, j);
        d[u] = @_wave(quarter, turns, j < 3 * turns ? j + turns : j - 3 * turns);
    }
    for (int q = 0; q < m; ++q) {
        for (int r = 0; r < p; ++r) {
            const int j = q * r * unit;
            const float e = @_wave(quarter, turns, j);
            const float f = @_wave(quarter, turns, j < 3 * turns ? j + turns : j - 3 * turns);
            for (int i = 0; i < s; ++i) {
                const float *v = in + 2 * (i + s * q);
                float re = v[0], im = v[1];
                for (int u = 1, k = r; u < p; ++u) {
                    v += 2 * s * m;
                    re += v[0] * c[k] - v[1] * d[k];
                    im += v[0] * d[k] + v[1] * c[k];
                    k += r;
                    k -= k >= p ? p : 0;
                }
                out[2 * (i + s * (p * q + r))] = re * e - im * f;
                out[2 * (i + s * (p * q + r)) + 1] = re * f + im * e;
            }
        }
    }
}

/* block transform */
/* The complex transform of `half` numbers in a; the result lies in what is given back, a or b. */
static float *@_$transform(float *a, float *b, const uint16_t *radices, int half, const float *quarter, int turns) {
    for (int n = half, s = 1; n > 1; ++radices) {
        float *const done = b;
        $call
        b = a;
        a = done;
        n /= *radices;
        s *= *radices;
    }
    return a;
}

/* block power */
/* Squared magnitudes of the real transform of 2 * half numbers: even and odd ones as one complex transform. */
@_apart static void @_$power(const float *x, int step, const float *window, int count, const float *scale,
                   const float *quarter, int turns, const uint16_t *radices, int half, float *a, float *b,
                   float *out) {
    const int unit = 2 * turns / half;
    (void)window;
    $fill
    a = @_$transform(a, b, radices, half, quarter, turns);
    for (int k = 0; 2 * k <= half; ++k) {
        /* The bins k and half - k are sums and differences of the same terms. */
        const float *z = a + 2 * k, *y = k == 0 ? a : a + 2 * (half - k);
        const float even = z[0] + y[0], even_i = z[1] - y[1], odd = z[1] + y[1], odd_i = y[0] - z[0];
        const float c = quarter[k * unit], d = -quarter[turns - k * unit];
        const float p = c * odd - d * odd_i, r = c * odd_i + d * odd;
        const float re = even + p, im = even_i + r, other = even - p, other_i = r - even_i;
        $bins
    }
}

/* block direct */
/* Squared magnitudes of the real transform of an odd number of samples, bin by bin. */
static void @_$direct(const float *x, int step, const float *window, int count, const float *scale,
                   const float *quarter, int turns, int length, float *a, float *out) {
    const int unit = 4 * turns / length;
    (void)window;
    for (int i = 0; i < count; ++i) {
        a[i] = x[i * step] * $window;
    }
    for (int k = 0; 2 * k < length; ++k) {
        float re = 0.0f, im = 0.0f;
        for (int i = 0, j = 0; i < count; ++i) {
            re += a[i] * @_wave(quarter, turns, j);
            im += a[i] * @_wave(quarter, turns, j < 3 * turns ? j + turns : j - 3 * turns);
            j += k * unit;
            j -= j >= 4 * turns ? 4 * turns : 0;
        }
        out[k] = $scale * (re * re + im * im);
    }
}

/* alone */
void @_any(const float *x, int step, const float *window, int count, float *a, int half) {

/* block any */
for (int i = 0; i < 2 * half; ++i) {
        a[i] = i < count ? x[i * step] * $window : 0.0f;
    }

/* alone */
}
void @_hann(const float *x, int step, const float *window, int count, float *a, int half);
void @_hann(const float *x, int step, const float *window, int count, float *a, int half) {

/* block hann */
(void)count;
    a[0] = x[0] * 0.0f;
    for (int i = 1, j = 2 * half - 1; i <= half; ++i, --j) {
        const float part = $window, other = x[j * step] * part;
        a[i] = x[i * step] * part;
        a[j] = other;
    }

/* alone */
}
void @_alike(const float *scale, float *out, int k, int half, float re, float im, float other, float other_i);
void @_alike(const float *scale, float *out, int k, int half, float re, float im, float other, float other_i) {
    {

/* block alike */
const float size = 0.25f * scale[k == 0 ? 0 : 1];
        out[k] = size * (re * re + im * im);
        out[half - k] = size * (other * other + other_i * other_i);

/* alone */
    }
}
void @_each(const float *scale, float *out, int k, int half, float re, float im, float other, float other_i) {
    {

/* block each */
out[k] = 0.25f * scale[k] * (re * re + im * im);
        out[half - k] = 0.25f * scale[half - k] * (other * other + other_i * other_i);

/* alone */
    }
}
