/* Examples through a last layer that learns, for its proof; `workflows/proof/adaptation.py` writes how many. */
#include <stdint.h>
#include <string.h>
#define $count 3
#define LEARNING_ADAPT_WIDTH 4
#define LEARNING_ADAPT_CLASSES 3
#define LEARNING_ADAPT_BYTES 8
typedef struct {
    uint8_t bytes[LEARNING_ADAPT_BYTES];
} learning_adapt_state;
void learning_undo(learning_adapt_state *state);
void learning_adapt_use(const learning_adapt_state *state);
int learning_adapt_learn(learning_adapt_state *state, const int8_t *row, const int8_t *given, int label);
void learning_adapt_layer(const int8_t *row, int8_t *given);
void learning_replay(const int8_t *row, uint8_t *out);
/* lines layer */
void learning_replay(const int8_t *row, uint8_t *out) {
    static learning_adapt_state state;
    memset(&state, 0x5A, sizeof state);
    learning_undo(&state);
    learning_adapt_use(&state);
    for (int k = 0; k < $count; ++k) {
        int8_t given[LEARNING_ADAPT_CLASSES];
        const int8_t *factory = row + LEARNING_ADAPT_WIDTH;
        (void)learning_adapt_learn(&state, row, factory, factory[LEARNING_ADAPT_CLASSES]);
        memcpy(given, factory, sizeof given);
        learning_adapt_layer(row, given);
        memcpy(out, given, sizeof given);
        out += sizeof given;
        row += LEARNING_ADAPT_WIDTH + LEARNING_ADAPT_CLASSES + 1;
    }
    memcpy(out, &state, LEARNING_ADAPT_BYTES);
}
