/* Layers with a state on floats; `recurrent.py` writes their weights. */
#include <math.h>
float @_sigmoid(float a);

/* block lstm */
static void @_lstm(const float *x, int channel, int sample, const float *weights, const float *recurrent,
                      const float *bias, float *state, float *rest, float *every, int inputs, int units, int steps) {
    float *cell = rest, *gate = rest + units;
    for (int j = 0; j < units; ++j) {
        state[j] = cell[j] = 0.0f;
    }
    for (int t = 0; t < steps; ++t) {
        for (int j = 0; j < 4 * units; ++j) {
            const float *w = weights + j * inputs, *r = recurrent + j * units;
            float a = 0.0f, b = 0.0f;
            for (int i = 0; i < inputs; ++i) {
                a += w[i] * x[i * channel + t * sample];
            }
            for (int i = 0; i < units; ++i) {
                b += r[i] * state[i];
            }
            gate[j] = a + b + bias[j];
        }
        for (int j = 0; j < units; ++j) {
            cell[j] = @_sigmoid(gate[2 * units + j]) * cell[j] + @_sigmoid(gate[j]) * tanhf(gate[3 * units + j]);
            state[j] = @_sigmoid(gate[units + j]) * tanhf(cell[j]);
            if (every != 0) {
                every[j * steps + t] = state[j];
            }
        }
    }
}

/* block gru */
static void @_gru(const float *x, int channel, int sample, const float *weights, const float *recurrent,
                      const float *bias, float *state, float *rest, float *every, int inputs, int units, int steps) {
    float *gate = rest, *late = rest + 3 * units;
    for (int j = 0; j < units; ++j) {
        state[j] = 0.0f;
    }
    for (int t = 0; t < steps; ++t) {
        for (int j = 0; j < 3 * units; ++j) {
            const float *w = weights + j * inputs, *r = recurrent + j * units;
            float a = 0.0f, b = 0.0f;
            for (int i = 0; i < inputs; ++i) {
                a += w[i] * x[i * channel + t * sample];
            }
            for (int i = 0; i < units; ++i) {
                b += r[i] * state[i];
            }
            gate[j] = a + bias[j];
            b += bias[3 * units + j];
            if (j < 2 * units) {
                gate[j] = @_sigmoid(gate[j] + b);
            } else {
                late[j - 2 * units] = b;
            }
        }
        for (int j = 0; j < units; ++j) {
            const float fresh = tanhf(gate[2 * units + j] + gate[units + j] * late[j]);
            state[j] = fresh + gate[j] * (state[j] - fresh);
            if (every != 0) {
                every[j * steps + t] = state[j];
            }
        }
    }
}

/* block gru_before */
static void @_gru_before(const float *x, int channel, int sample, const float *weights, const float *recurrent,
                      const float *bias, float *state, float *rest, float *every, int inputs, int units, int steps) {
    float *const gate = rest, *const seen = rest + 3 * units, *const now = state;
    for (int j = 0; j < units; ++j) {
        now[j] = 0.0f;
    }
    for (int t = 0; t < steps; ++t) {
        state = now;
        for (int j = 0; j < 3 * units; ++j) {
            if (j == 2 * units) {
                for (int i = 0; i < units; ++i) {
                    seen[i] = @_sigmoid(gate[units + i]) * now[i];
                }
                state = seen;
            }
            const float *w = weights + j * inputs, *r = recurrent + j * units;
            float a = 0.0f, b = 0.0f;
            for (int i = 0; i < inputs; ++i) {
                a += w[i] * x[i * channel + t * sample];
            }
            for (int i = 0; i < units; ++i) {
                b += r[i] * state[i];
            }
            gate[j] = a + bias[j] + (b + bias[3 * units + j]);
        }
        for (int j = 0; j < units; ++j) {
            const float fresh = tanhf(gate[2 * units + j]);
            now[j] = fresh + @_sigmoid(gate[j]) * (now[j] - fresh);
            if (every != 0) {
                every[j * steps + t] = now[j];
            }
        }
    }
}
