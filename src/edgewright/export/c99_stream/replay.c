/* Windows through a network step by step, for its proof; `workflows/proof/forms/steps.py` writes the numbers. */
#include <stdint.h>
#include <string.h>
#define $count 3
#define $damaged 8
#define @@_HOP 2
#define @@_CHANNELS 3
#define @@_OUTPUTS 4
#define @@_SAVED_BYTES 16
typedef struct {
    int8_t bytes[@@_SAVED_BYTES];
} @_network_context;
void @_init(@_network_context *context);
void @_save(const @_network_context *context, uint8_t *saved);
int @_restore(@_network_context *context, const uint8_t *saved);
int @_network(@_network_context *context, const int8_t *in, int8_t *out);
void steps_replay(const int8_t *in, int8_t *out);
/* lines steps */
void steps_replay(const int8_t *in, int8_t *out) {
    static @_network_context context;
    static uint8_t saved[@@_SAVED_BYTES];
    static int window = 0;
    int8_t *told = out + $count * @@_OUTPUTS;
    int cut = window++ % $count;
    memset(&context, 0x5A, sizeof context);
    @_init(&context);
    for (int step = 0; step < $count; ++step) {
        if (step == cut) {
            told[0] = told[1] = 0;
            @_save(&context, saved);
            for (int k = 0; k < $damaged; ++k) {
                uint8_t *byte = saved + k * (@@_SAVED_BYTES - 1) / ($damaged - 1);
                *byte ^= 16;
                told[0] = (int8_t)(told[0] + (@_restore(&context, saved) == 0));
                *byte ^= 16;
            }
            memset(&context, 0x5A, sizeof context);
            told[1] = (int8_t)@_restore(&context, saved);
        }
        (void)@_network(&context, in, out);
        in += @@_HOP * @@_CHANNELS;
        out += @@_OUTPUTS;
    }
}
