/* NAME_detect.h; `_source.py` writes sizes, and the members of what is remembered. */
#include <stdint.h>
#define $network 0
#define $given Rows
#define $kind robust
#define $columns a, b
#define $windows 1
#define $own_windows 1
#define $samples 8
#define $step 4
#define $threshold 1.5
#define $pause a run of odd rows is one
#define $ram 9
#define $besides
#define $flash 9
#define $channels 3
#define $members \
    uint32_t rows, part, quiet, odd, next; \
    int filled, skip; \
    float parts[12], window[24], ring[12];
#define $each window
#define $timed 1
#define $unknown rows count as of the first part

/* lines header */
#ifndef @@_DETECT_H
#define @@_DETECT_H

#include <stdint.h>

#if $network
#include "@_net.h"

#endif
#ifdef __cplusplus
extern "C" {
#endif

/*
 * $given in, anomalies out: detector $kind over $columns.
#if $windows
 * Windows of $samples rows, one every $step; mean, deviation, mean step and range of every channel are scored.
#endif
 * A score from $threshold on is anomalous; $pause. NAN stands for a missing number.
 *
 * Memory: $ram bytes of RAM$besides, in the caller's context, no heap; $flash of constants.
 */
#define @@_DETECT_CHANNELS $channels
#if $windows
#define @@_DETECT_WINDOW $samples
#endif

/* What is remembered. */
typedef struct {
$members
} @_detect_context;

typedef struct {
    float score;
    int channel;  /* the most anomalous one, from 0; -1 if none */
    uint32_t row; /* number of the $each, from 0 */
} @_anomaly;

#if !$windows
/* Takes the next row; 1 and the anomaly that begins there, or 0 and it untouched. */
int @_detect(@_detect_context *context, const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly);
/* Takes the next row, too, and gives its score only: the higher, the odder; NAN while still learning. */
float @_detect_score(@_detect_context *context, const float row[@@_DETECT_CHANNELS]);
#elif $own_windows
/* Takes the next row; 1 and the anomaly that begins with the window it completes, or 0 and it untouched. */
int @_detect(@_detect_context *context, const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly);
/* Call if rows are missing here: the window restarts. */
void @_detect_gap(@_detect_context *context);
#else
/* Takes the next window, channel after channel; 1 and the anomaly that begins with it, or 0 and it untouched. */
int @_detect_window(@_detect_context *context, const float window[@@_DETECT_CHANNELS * @@_DETECT_WINDOW],
                    @_anomaly *anomaly);
/* Takes the next window, too, and gives its score only: the higher, the odder; NAN while still learning. */
float @_detect_window_score(@_detect_context *context, const float window[@@_DETECT_CHANNELS * @@_DETECT_WINDOW]);
#endif
#if $timed
/* Sets the time of the rows that follow, in microseconds since 1970, until the next call. Before the first call it is
   unknown: $unknown. */
void @_detect_time(@_detect_context *context, int64_t microseconds);
#endif
/* Call it first. A later call forgets the rows, not the fit. */
void @_detect_init(@_detect_context *context);

#ifdef __cplusplus
}
#endif

#endif
