/* A recurrent model of text; `texts.py` writes the tables. */
#include "texts.c"
#define @_UNITS 4
static int8_t @_states[48], @_inputs[1152], @_outputs[384];
static float @_states_scale[12], @_inputs_scale[96], @_bias[12], @_state_bias[4], @_outputs_scale[96], @_output_bias[96];

/* lines code */
static float @_sigmoid(float x) {
    return 0.5f * (1.0f + tanhf(0.5f * x));
}
void @_start(@_text *text) {
    for (int k = 0; k < @_UNITS; k++) {
        text->state[k] = 0.0f;
    }
}
void @_push(@_text *text, char character) {
    const int symbol = @_symbol(character);
    float gates[3 * @_UNITS], own[3 * @_UNITS];
    for (int row = 0; row < 3 * @_UNITS; row++) {
        float sum = 0.0f;
        for (int k = 0; k < @_UNITS; k++) {
            sum += (float)@_states[row * @_UNITS + k] * text->state[k];
        }
        own[row] = sum * @_states_scale[row];
        gates[row] = (float)@_inputs[symbol * 3 * @_UNITS + row] * @_inputs_scale[symbol] + @_bias[row];
    }
    for (int k = 0; k < @_UNITS; k++) {
        const float kept = @_sigmoid(gates[k] + own[k]);
        const float seen = @_sigmoid(gates[@_UNITS + k] + own[@_UNITS + k]);
        const float fresh = tanhf(gates[2 * @_UNITS + k] + seen * (own[2 * @_UNITS + k] + @_state_bias[k]));
        text->state[k] = fresh + kept * (text->state[k] - fresh);
    }
}
void @_chances(const @_text *text, float chances[@_SYMBOLS]) {
    float most = 0.0f, total = 0.0f;
    for (int row = 0; row < @_SYMBOLS; row++) {
        float sum = 0.0f;
        for (int k = 0; k < @_UNITS; k++) {
            sum += (float)@_outputs[row * @_UNITS + k] * text->state[k];
        }
        chances[row] = sum * @_outputs_scale[row] + @_output_bias[row];
        most = row == 0 || chances[row] > most ? chances[row] : most;
    }
    for (int row = 0; row < @_SYMBOLS; row++) {
        chances[row] = expf(chances[row] - most);
        total += chances[row];
    }
    for (int row = 0; row < @_SYMBOLS; row++) {
        chances[row] /= total;
    }
}
