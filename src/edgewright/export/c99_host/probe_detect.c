/* A detector in C, driven over many rows; `probe.py` writes what its header offers. */
#include "../c99_detectors/detector.h"
#define $TIME (void)times;
#define $GAP (void)lost;

/* lines probe */
#include "@_detect.h"
#include <math.h>
#include <stddef.h>
#include <string.h>
extern float @_detect_judged;
extern uint32_t @_detect_judgements;
int probe_detect(const float *rows, const int64_t *lost, const int64_t *times, int n, double *told) {
    static @_detect_context context;
    @_anomaly anomaly;
    memset(&context, 0xA5, sizeof context);
    @_detect_init(&context);
    for (int i = 0; i < n; ++i) {
        const uint32_t before = @_detect_judgements;
        double *const out = told + 4 * (size_t)i;
        $TIME
        $GAP
        out[1] = (double)@_detect(&context, rows + (size_t)i * @@_DETECT_CHANNELS, &anomaly);
        out[0] = @_detect_judgements != before ? (double)@_detect_judged : (double)NAN;
        out[2] = out[1] != 0.0 ? (double)anomaly.channel : 0.0;
        out[3] = out[1] != 0.0 ? (double)anomaly.score : 0.0;
    }
    return n;
}
