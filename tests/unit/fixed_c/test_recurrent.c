#include "c99_operators/recurrent.c"
#include "check.h"

float ew_sigmoid(float a) {
    return 1.0f / (1.0f + expf(-a));
}

int main(void) {
    /* One unit, one input, two samples; all weights are 0, so that biases alone count. */
    const float x[2] = {1.0f, 2.0f}, zeros[4] = {0}, shut[6] = {-50, 50, 0.5f, 0, 0, 0}, open[4] = {50, 50, 50, 0.5f};
    float state[1], rest[6], every[2];
    /* A GRU that keeps nothing becomes the tanh of its bias at once, and stays there. */
    ew_gru(x, 2, 1, zeros, zeros, shut, state, rest, every, 1, 1, 2);
    CHECK(is_near(state[0], tanhf(0.5f)) && is_near(every[0], tanhf(0.5f)) && is_near(every[1], tanhf(0.5f)));
    ew_gru_before(x, 2, 1, zeros, zeros, shut, state, rest, 0, 1, 1, 2);
    CHECK(is_near(state[0], tanhf(0.5f)));
    /* An LSTM whose gates are open adds up what is new. */
    ew_lstm(x, 2, 1, zeros, zeros, open, state, rest, every, 1, 1, 2);
    CHECK(is_near(every[0], tanhf(tanhf(0.5f))) && is_near(every[1], tanhf(2.0f * tanhf(0.5f))));
    return failures;
}
