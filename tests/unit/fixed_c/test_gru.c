#include "c99_language/gru.c"
#include "check.h"

static double state[4];

static double open(double x) {
    return 1.0 / (1.0 + exp(-x));
}

/* A step of a GRU as Cho et al. (2014) and PyTorch have it: gates z, r and the new state n, in this order. */
static void step(int symbol) {
    double next[4];
    for (int k = 0; k < 4; ++k) {
        double own[3], given[3];
        for (int gate = 0; gate < 3; ++gate) {
            const int row = 4 * gate + k;
            own[gate] = 0.0;
            for (int j = 0; j < 4; ++j) {
                own[gate] += (double)ew_states[4 * row + j] * (double)ew_states_scale[row] * state[j];
            }
            given[gate] = (double)ew_inputs[12 * symbol + row] * (double)ew_inputs_scale[symbol] + (double)ew_bias[row];
        }
        const double z = open(given[0] + own[0]), r = open(given[1] + own[1]);
        const double n = tanh(given[2] + r * (own[2] + (double)ew_state_bias[k]));
        next[k] = z * state[k] + (1.0 - z) * n;
    }
    for (int k = 0; k < 4; ++k) {
        state[k] = next[k];
    }
}

int main(void) {
    ew_text text = {.state = {9.0f, 9.0f, 9.0f, 9.0f}};
    float chances[ew_SYMBOLS];
    char word[8];
    for (int i = 0; i < 1152; ++i) {
        ew_inputs[i] = (int8_t)(i * 37 % 101 - 50);
        ew_states[i % 48] = (int8_t)(i * 53 % 97 - 48);
        ew_outputs[i % 384] = (int8_t)(i * 29 % 89 - 44);
        ew_inputs_scale[i % 96] = 0.01f + 0.0001f * (float)(i % 96);
        ew_outputs_scale[i % 96] = 0.02f;
        ew_states_scale[i % 12] = 0.01f + 0.001f * (float)(i % 12);
        ew_bias[i % 12] = 0.1f * (float)(i % 12) - 0.5f;
        ew_state_bias[i % 4] = 0.2f * (float)(i % 4);
    }
    ew_start(&text);
    CHECK(text.state[0] == 0.0f && text.state[3] == 0.0f && is_near(ew_sigmoid(2.0f), open(2.0)));
    CHECK(ew_sigmoid(-99.0f) >= 0.0f);
    for (const char *at = "Ab\n~ \x80?"; *at; ++at) {
        ew_push(&text, *at);
        step(*at == '\n' ? 0 : *at >= ' ' && *at <= '~' ? *at - 31 : '?' - 31);
        for (int k = 0; k < 4; ++k) {
            CHECK(is_near(text.state[k], state[k]));
        }
    }
    /* Chances are the softmax, of numbers that exp alone would not take too. */
    ew_output_bias[7] = 100.0f;
    ew_output_bias[9] = 101.0f;
    ew_chances(&text, chances);
    double sevenths = 100.0, ninths = 101.0, total = 0.0;
    for (int k = 0; k < 4; ++k) {
        sevenths += 0.02 * ew_outputs[28 + k] * state[k];
        ninths += 0.02 * ew_outputs[36 + k] * state[k];
    }
    for (int row = 0; row < ew_SYMBOLS; ++row) {
        total += (double)chances[row];
    }
    CHECK(is_near(chances[7], open(sevenths - ninths)) && is_near(total, 1.0) && chances[8] < 1e-30f);
    ew_output_bias['x' - 31] = 999.0f;
    CHECK(ew_suggest(&text, 0, word, sizeof word) == 7 && word[0] == 'x' && word[6] == 'x' && word[7] == '\0');
    return failures;
}
