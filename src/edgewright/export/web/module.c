/* What a browser calls: plain numbers in fixed places, so that every model is called alike. */
#include "@.h"
#include <stdint.h>
#ifdef EDGEWRIGHT_STREAM
#include "@_stream.h"
#endif

#define EXPORT(name) __attribute__((export_name(#name), used)) name

static float values[@@_INPUTS];
static float given[@@_OUTPUTS];
static @_context context;
static @_answer answer;

int EXPORT(inputs)(void) { return @@_INPUTS; }
int EXPORT(outputs)(void) { return @@_OUTPUTS; }
int EXPORT(int8)(void) { return EDGEWRIGHT_INT8; }
float *EXPORT(input)(void) { return values; }
const float *EXPORT(output)(void) { return given; }

/* Answers for the numbers at input(): flags. */
unsigned EXPORT(predict)(void) {
    (void)@_predict(&context, values, &answer);
    for (int i = 0; i < @@_OUTPUTS; ++i) {
        given[i] = EDGEWRIGHT_GIVEN;
    }
    return answer.flags;
}

/* Answers for them again and again: what one answer costs without the call from outside. */
void EXPORT(repeat)(int times) {
    for (int i = 0; i < times; ++i) {
        (void)@_predict(&context, values, &answer);
    }
}

int EXPORT(label)(void) { return EDGEWRIGHT_LABEL; }
float EXPORT(confidence)(void) { return EDGEWRIGHT_CONFIDENCE; }

#ifdef EDGEWRIGHT_STREAM
static @_stream_context stream;
static @_event event;
static float row[@@_CHANNELS];

float *EXPORT(sample)(void) { return row; }
void EXPORT(start)(void) { @_init(&stream); }
/* Takes the row at sample(): 1 and an event, or 0. */
int EXPORT(push)(void) { return @_push(&stream, row, &event); }
void EXPORT(gap)(unsigned rows) { @_gap(&stream, (uint32_t)rows); }
int EXPORT(event_kind)(void) { return event.kind; }
unsigned EXPORT(event_row)(void) { return (unsigned)event.row; }
unsigned EXPORT(event_flags)(void) { return event.flags; }
unsigned EXPORT(flags)(void) { return @_flags(&stream); }
#ifdef @@_VALUE
float EXPORT(event_value)(void) { return event.value; }
#else
int EXPORT(event_label)(void) { return event.label; }
float EXPORT(event_value)(void) { return event.confidence; }
const float *EXPORT(means)(void) { return @_means(&stream); }
#endif
#endif

#ifdef @@_TAPS
static const float *seen;
static int count;

int EXPORT(stages)(void) { return @@_STAGES; }
const char *EXPORT(stage_name)(int index) { return @_stage_names[index]; }
const float *EXPORT(stage)(int index) {
    @_stage(index, &seen, &count);
    return seen;
}
int EXPORT(stage_length)(int index) {
    @_stage(index, &seen, &count);
    return count;
}
#endif
