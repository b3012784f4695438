/* A stream in C, driven over many rows; `probe.py` writes what its header offers. */
#include "../c99_stream/stream.h"
#define $DECLARED
#define $TIME (void)times;
#define $NEXT 0
#define $FIELDS 2
#define $COPY out[k++] = (double)event.kind;
#define $MEANS (void)means;
#define $SCORES (void)scores;

/* lines probe */
#include "@_stream.h"
#include <stddef.h>
#include <string.h>
$DECLARED
int probe_stream(const float *rows, const int64_t *lost, const int64_t *times, int n, double *told, int most,
                 float *means, double *scores) {
    int count = 0;
    static @_stream_context context;
    @_event event;
    memset(&context, 0xA5, sizeof context);
    @_init(&context);
    for (int i = 0; i < n; ++i) {
        int more;
        if (lost[i] > 0) {
            @_gap(&context, (uint32_t)lost[i]);
        }
        $TIME
        for (more = @_push(&context, rows + (size_t)i * @@_CHANNELS, &event); more; more = $NEXT) {
            if (count < most) {
                double *const out = told + (size_t)count * $FIELDS;
                int k = 0;
                out[k++] = (double)i;
                $COPY
            }
            ++count;
        }
        $MEANS
        $SCORES
    }
    return count;
}
