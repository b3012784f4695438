/* NAME_stream.h of a model with or without detectors; `stream.py` writes its sizes and what it says of them. */
#include "../c99_code/model.h"
#define $detectors 1
#define $includes
#define $row 3 numbers
#define $cut Every row is answered
#define $classes 3
#define $fill_start 1
#define $how mean
#define $notes 0
#define $note
#define $ram 9
#define $also
#define $channels 3
#define $samples 8
#define $step 9
#define $skipped 1
#define $frames 0
#define $windows 2
#define $window 24
#define $smoothing 2
#define $quiet 9
#define $alarms 2
#define $members
#define $timed 1

/* lines header */
#ifndef @@_STREAM_H
#define @@_STREAM_H

#include "@.h"
#if $detectors
$includes
#endif

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Rows in, events out. A row is $row; what is not finite is missing.
#if $classes
 * $cut.
#else
 * $cut. Each answer is an event.
#endif
#if $fill_start
 * A first row, and one after a gap, has copies of it before it and completes a window.
#endif
#if $classes
 * $how
#endif
#if $notes
 * $note
#endif
 *
 * Memory: $ram bytes of RAM besides those of @.h$also, in a context, no heap.
 */
#define @@_CHANNELS $channels
#if $samples > 1
#define @@_WINDOW $samples
#define @@_STEP $step
#endif
#if $classes
/* The decided label changed; or it changed to one of the alarms. */
#define @@_DECISION 1
#define @@_ALARM 2
#else
#define @@_VALUE 1
#endif
#if $detectors
/* A detector calls it odd. */
#define @@_ANOMALY 3
#define @@_DETECTORS $detectors
#endif

/* One stream: its state, and the memory of its model. */
typedef struct {
    uint32_t rows; /* that came or were lost */
    unsigned flags; /* of the last answer */
#if !$frames && $samples > 1 && $fill_start
    int filled; /* rows of the window; -1 before the first row */
#elif !$frames && $samples > 1
    int filled; /* rows of the window */
#endif
#if !$frames && $skipped
    int skip; /* rows up to the next window */
#endif
#if $classes
    int candidate, decided; /* places of labels counted from 1; 0 for none */
    int row; /* windows in a row that chose the candidate */
    float means[$classes];
#if $smoothing > 1
    int first, many; /* of the answers kept */
#endif
#endif
#if $quiet
    uint32_t quiet[$alarms]; /* rows without another alarm */
#endif
#if $detectors
    struct {
        float score;
        int channel, odd;
    } told[$detectors];
#endif
#if $frames
    int place; /* of the next row in the line */
    int there, inside; /* rows up to now that are finite, and in range; at most a window */
    int due, left; /* rows from the last frame or window that was complete to the next, and those to come */
    int rows_of[$windows], frames_of[$windows]; /* of each open window; below 0 before it begins */
    float line[2 * @@_FRAME]; /* the last rows, twice, so that they lie in a row somewhere */
    float frames[$windows][@@_FRAMES * @@_FRAME_VALUES];
#elif $samples > 1
    float window[$window];
#endif
#if $classes && $smoothing > 1
    float last[$smoothing][$classes];
#endif
#if $detectors
$members
#endif
    @_context model;
} @_stream_context;

typedef struct {
    int kind;
#if $classes
    int label;        /* as in @.h */
    float confidence; /* averaged probability of the label */
#else
    float value;
#endif
    uint32_t row;     /* number of the last row it rests on, from 0; lost ones are counted */
    unsigned flags;   /* of that window's answer, as @_predict gives them */
#if $detectors
    float score;      /* of an anomaly, which has no label (-1) or value (0); 0 for other events */
    float threshold;  /* that the score reached */
    int channel;      /* the most anomalous one, from 0; -1 if none, and for other events */
    int detector;     /* that raised it, from 0; -1 for other events */
#endif
} @_event;

/* Call it first. A later call forgets everything. */
void @_init(@_stream_context *context);
/* Takes the next row; 1 and an event, or 0 and the event untouched. */
int @_push(@_stream_context *context, const float sample[@@_CHANNELS], @_event *event);
#if $detectors
/* Other events of the row that was pushed last: 1 and the next one, or 0 and the event untouched. */
int @_next(@_stream_context *context, @_event *event);
#endif
#if $timed
/* Sets the time of the rows that follow, in microseconds since 1970, until the next call; unknown at first. */
void @_time(@_stream_context *context, int64_t microseconds);
#endif
/* Call if rows are missing here, with 0 if unknown how many: the window and the mean restart. */
void @_gap(@_stream_context *context, uint32_t rows);
#if $classes
/* The averaged probabilities after the last window, by label. */
const float *@_means(const @_stream_context *context);
#endif
/* Flags of the last window's answer: one that is MISSING or OUT_OF_RANGE decides nothing and is no event. */
unsigned @_flags(const @_stream_context *context);

#ifdef __cplusplus
}
#endif

#endif
