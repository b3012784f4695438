/* A stream of rows: windows, the model, and decisions; `stream.py` writes sizes, and what each detector is asked. */
#include "stream.h"
void @_adapt_before(float *window);
void @_adapt_after(const float *window);
#define $turned 1
#define $classes 3
#define $value answer->probabilities[i]
#define $smoothing 2
#define $full 1
#define $debounce 2
#define $threshold 0.5f
#define $own 1
#define $own_thresholds 0.5f, 0.0f, 0.0f
#define $alarms 2
#define $alarm_labels 0, 2
#define $first_alarm 0
#define $quiet 9
#define $detectors 1
#define $row_detectors 1
#define $window_detectors 1
#define $watched \
    static void @_watch(@_stream_context *context, const float *sample) { \
        @_keep(context, 0, sample[0], -1); \
    } \
 \
    static void @_watch_window(@_stream_context *context, const float *window) { \
        @_keep(context, 0, window[0], -1); \
    }
#define $limits 1.0f
#define $times context->rows = (uint32_t)(microseconds / 1000000);
#define $timed 1
#define $gaps
#define $begins
#define $channels 3
#define $samples 8
#define $newest 7
#define $step 9
#define $kept 0
#define $skipped 1
#define $fill_start 1
#define $begin -1
#define $frames 0
#define $windows 2
#define $rewind -8

/* lines source */
#include "@_stream.h"
#if $turned
#include "@_adapt.h"
#endif

#include <float.h>
#include <string.h>

#if $own
/* 0 for none of its own */
static const float @_own[$classes] = {$own_thresholds};

#endif
#if $alarms > 1 || $alarms && $quiet
/* places of labels */
static const int @_alarms[$alarms] = {$alarm_labels};

#endif
#if $classes
static void @_forget(@_stream_context *context) {
#if $smoothing > 1
    context->many = 0;
#endif
    context->candidate = 0;
    context->row = 0;
}

/* Averages the last answers, the oldest first; 0 where this one is not finite. */
static int @_average(@_stream_context *context, const @_answer *answer) {
    for (int i = 0; i < $classes; ++i) {
        const float p = $value;
        if (!(p >= -FLT_MAX && p <= FLT_MAX)) {
            return 0;
        }
    }
#if $smoothing == 1
    for (int i = 0; i < $classes; ++i) {
        context->means[i] = $value;
    }
#else
    const int place = (context->first + context->many) % $smoothing;
    for (int i = 0; i < $classes; ++i) {
        context->last[place][i] = $value;
    }
    if (context->many < $smoothing) {
        ++context->many;
    } else {
        context->first = (context->first + 1) % $smoothing;
    }
    for (int i = 0; i < $classes; ++i) {
        float sum = context->last[context->first][i];
        for (int k = 1; k < context->many; ++k) {
            sum += context->last[(context->first + k) % $smoothing][i];
        }
        context->means[i] = sum / (float)context->many;
    }
#endif
    return 1;
}

/* The label that counts, from 1; 0 for none. */
static int @_choose(@_stream_context *context) {
    int best = 0;
#if $full
    if (context->many < $smoothing) {
        return 0;
    }
#endif
#if $own
    float most = 0.0f;
    for (int i = 0; i < $classes; ++i) {
        if (@_own[i] > 0.0f && context->means[i] >= @_own[i]) {
            const float share = context->means[i] / @_own[i];
            if (share > most) {
                most = share;
                best = i + 1;
            }
        }
    }
    if (best > 0) {
        return best;
    }
#endif
    for (int i = 1; i < $classes; ++i) {
        if (context->means[i] > context->means[best]) {
            best = i;
        }
    }
#if $own
    return !(@_own[best] > 0.0f) && context->means[best] >= $threshold ? best + 1 : 0;
#else
    return context->means[best] >= $threshold ? best + 1 : 0;
#endif
}

#if $alarms == 1 && !$quiet
static int @_alarm(int label) {
    return label == $first_alarm;
}

#elif $alarms && $quiet
static int @_alarm(@_stream_context *context, int label) {
    for (int i = 0; i < $alarms; ++i) {
        if (@_alarms[i] == label && context->quiet[i] == 0u) {
            context->quiet[i] = ${quiet}u;
            return 1;
        }
    }
    return 0;
}

#elif $alarms
static int @_alarm(int label) {
    for (int i = 0; i < $alarms; ++i) {
        if (@_alarms[i] == label) {
            return 1;
        }
    }
    return 0;
}

#endif
static int @_decide(@_stream_context *context, const @_answer *answer, uint32_t row, @_event *event) {
    /* A window with a value that its sensor cannot give, or without an answer, decides nothing, and nothing
     * is averaged over it. */
    if ((answer->flags & (@@_OUT_OF_RANGE | @@_MISSING)) != 0u || !@_average(context, answer)) {
        @_forget(context);
        return 0;
    }
    const int label = @_choose(context);
    if (label == 0) {
        context->candidate = 0;
        context->row = 0;
        return 0;
    }
    const int longer = context->row < $debounce ? context->row + 1 : $debounce;
    context->row = label != context->candidate ? 1 : longer;
    context->candidate = label;
    if (context->row < $debounce || label == context->decided) {
        return 0;
    }
    context->decided = label;
#if $alarms && $quiet
    event->kind = @_alarm(context, label - 1) ? @@_ALARM : @@_DECISION;
#elif $alarms
    event->kind = @_alarm(label - 1) ? @@_ALARM : @@_DECISION;
#else
    event->kind = @@_DECISION;
#endif
    event->label = label - 1;
    event->confidence = context->means[label - 1];
    event->row = row;
    event->flags = answer->flags;
    return 1;
}

#endif
#if $detectors
static void @_keep(@_stream_context *context, int detector, float score, int channel) {
    context->told[detector].odd = 1;
    context->told[detector].score = score;
    context->told[detector].channel = channel;
}

$watched

static const float @_limits[$detectors] = {$limits};

static int @_answered(@_stream_context *context, const float sample[@@_CHANNELS], @_event *event) {
#else
int @_push(@_stream_context *context, const float sample[@@_CHANNELS], @_event *event) {
#endif
    const uint32_t row = context->rows++;
    @_answer answer;
#if $quiet
    for (int i = 0; i < $alarms; ++i) {
        if (context->quiet[i] > 0u) {
            --context->quiet[i];
        }
    }
#endif
#if $frames
    int complete = -1;
    context->line[context->place] = context->line[context->place + @@_FRAME] = sample[0];
    context->place = context->place + 1 < @@_FRAME ? context->place + 1 : 0;
    context->there += context->there < $samples;
    context->there = sample[0] - sample[0] == 0.0f ? context->there : 0;
    context->inside += context->inside < $samples;
    context->inside = @@_OUTSIDE(sample[0]) ? 0 : context->inside;
    if (--context->left > 0) {
        return 0;
    }
    for (int w = 0, due = context->due; w < $windows; ++w) {
        int wait;
        context->rows_of[w] += due;
        if (context->rows_of[w] == @@_FRAME + @@_HOP * context->frames_of[w]) {
            @_frame(&context->model, context->line + context->place,
                    context->frames[w] + @@_FRAME_VALUES * context->frames_of[w]++);
        }
        if (context->rows_of[w] == $samples) {
            complete = w;
            context->rows_of[w] = $rewind;
            context->frames_of[w] = 0;
        }
        wait = context->frames_of[w] < @@_FRAMES ? @@_FRAME + @@_HOP * context->frames_of[w]
            : $samples;
        wait -= context->rows_of[w];
        context->left = w == 0 || wait < context->left ? wait : context->left;
    }
    context->due = context->left;
    if (complete < 0) {
        return 0;
    }
    (void)@_framed(&context->model, context->frames[complete], context->there,
        context->inside < $samples ? @@_OUT_OF_RANGE : 0u, &answer);
#else
#if $skipped
    if (context->skip > 0) {
        --context->skip;
        return 0;
    }
#endif
#if $samples > 1
#if $fill_start
    if (context->filled < 0) {
        for (context->filled = 0; context->filled < $newest; ++context->filled) {
            for (int i = 0; i < $channels; ++i) {
                context->window[$samples * i + context->filled] = sample[i];
            }
        }
    }
#endif
    for (int i = 0; i < $channels; ++i) {
        context->window[$samples * i + context->filled] = sample[i];
    }
    if (++context->filled < $samples) {
        return 0;
    }
#if $turned
    @_adapt_before(context->window);
#endif
    (void)@_predict(&context->model, context->window, &answer);
#if $turned
    @_adapt_after(context->window);
#endif
#if $window_detectors
    @_watch_window(context, context->window);
#endif
#if $kept
    for (context->filled = 0; context->filled < $kept; ++context->filled) {
        for (int i = 0; i < $channels; ++i) {
            context->window[$samples * i + context->filled] = context->window[$samples * i + context->filled + $step];
        }
    }
#else
    context->filled = 0;
#endif
#else
    (void)@_predict(&context->model, sample, &answer);
#endif
#if $skipped
    context->skip = $skipped;
#endif
#endif
    context->flags = answer.flags;
#if $classes
    return @_decide(context, &answer, row, event);
#else
    event->kind = @@_VALUE;
    event->value = answer.prediction;
    event->row = row;
    event->flags = answer.flags;
    return 1;
#endif
}

#if $detectors
int @_next(@_stream_context *context, @_event *event) {
    for (int i = 0; i < $detectors; ++i) {
        if (context->told[i].odd) {
            context->told[i].odd = 0;
            event->kind = @@_ANOMALY;
#if $classes
            event->label = -1;
            event->confidence = 0.0f;
#else
            event->value = 0.0f;
#endif
            event->row = context->rows - 1u;
            event->flags = 0u;
            event->score = context->told[i].score;
            event->threshold = @_limits[i];
            event->channel = context->told[i].channel;
            event->detector = i;
            return 1;
        }
    }
    return 0;
}

int @_push(@_stream_context *context, const float sample[@@_CHANNELS], @_event *event) {
    memset(context->told, 0, sizeof context->told);
#if $row_detectors
    @_watch(context, sample);
#endif
    if (@_answered(context, sample, event)) {
        event->score = 0.0f;
        event->threshold = 0.0f;
        event->channel = -1;
        event->detector = -1;
        return 1;
    }
    return @_next(context, event);
}

#endif
#if $timed
void @_time(@_stream_context *context, int64_t microseconds) {
$times
}

#endif
void @_gap(@_stream_context *context, uint32_t rows) {
    context->rows += rows;
#if $quiet
    for (int i = 0; i < $alarms; ++i) {
        context->quiet[i] -= context->quiet[i] < rows ? context->quiet[i] : rows;
    }
#endif
#if $frames
    context->place = context->there = context->inside = 0;
    context->due = context->left = @@_FRAME;
    for (int w = 0; w < $windows; ++w) {
        context->rows_of[w] = -$step * w;
        context->frames_of[w] = 0;
    }
#else
#if $samples > 1
    context->filled = $begin;
#endif
#if $skipped
    context->skip = 0;
#endif
#endif
#if $classes
    @_forget(context);
#endif
$gaps}

void @_init(@_stream_context *context) {
    context->rows = 0u;
    context->flags = 0u;
#if $frames
    context->place = context->there = context->inside = 0;
    context->due = context->left = @@_FRAME;
    for (int w = 0; w < $windows; ++w) {
        context->rows_of[w] = -$step * w;
        context->frames_of[w] = 0;
    }
#else
#if $samples > 1
    context->filled = $begin;
#endif
#if $skipped
    context->skip = 0;
#endif
#endif
#if $classes
    context->decided = 0;
#if $smoothing > 1
    context->first = 0;
#endif
    for (int i = 0; i < $classes; ++i) {
        context->means[i] = 0.0f;
    }
    @_forget(context);
#endif
#if $quiet
    for (int i = 0; i < $alarms; ++i) {
        context->quiet[i] = 0u;
    }
#endif
#if $detectors
    memset(context->told, 0, sizeof context->told);
#endif
$begins}

#if $classes
const float *@_means(const @_stream_context *context) {
    return context->means;
}

#endif
unsigned @_flags(const @_stream_context *context) {
    return context->flags;
}
