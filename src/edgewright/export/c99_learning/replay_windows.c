/* Windows through axes that learn, for their proof; `workflows/proof/adaptation.py` writes how many, and their size. */
#include <stdint.h>
#include <string.h>
#define $count 3
#define $size 12
#define LEARNING_ADAPT_BYTES 8
typedef struct {
    uint8_t bytes[LEARNING_ADAPT_BYTES];
} learning_adapt_state;
void learning_undo(learning_adapt_state *state);
void learning_adapt_use(const learning_adapt_state *state);
void learning_adapt_before(float *window);
void learning_adapt_after(float *window);
int learning_learn(learning_adapt_state *state, int label);
void learning_replay(const float *row, uint8_t *out);
/* lines windows */
void learning_replay(const float *row, uint8_t *out) {
    static learning_adapt_state state;
    static float window[$size];
    memset(&state, 0x5A, sizeof state);
    learning_undo(&state);
    learning_adapt_use(&state);
    for (int k = 0; k < $count; ++k, row += $size + 1) {
        uint32_t hash = 2166136261u;
        memcpy(window, row, sizeof window);
        learning_adapt_before(window);
        for (unsigned i = 0; i < sizeof window; ++i) {
            hash = (hash ^ ((const uint8_t *)(const void *)window)[i]) * 16777619u;
        }
        learning_adapt_after(window);
        *out++ = (uint8_t)(memcmp(window, row, sizeof window) == 0);
        *out++ = (uint8_t)learning_learn(&state, (int)row[$size]);
        for (int i = 0; i < 4; ++i) {
            *out++ = (uint8_t)(hash >> (8 * i));
        }
    }
    memcpy(out, &state, LEARNING_ADAPT_BYTES);
}
