/* The answer of a compiled model around its network; `model.py` writes its shapes. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#define VALUES 6
struct answer {
    int64_t label;
    float confidence, values[VALUES];
};
typedef struct {
    struct {
        int network;
    } values;
} whole_context;
typedef struct {
    float prediction[VALUES], confidence;
    int label;
} before_answer, after_answer, whole_answer;
static whole_context before_memory, after_memory, whole_memory;
static float features[4];
static void network(const int8_t *in, int8_t *out);
int before_predict(whole_context *context, const float *input, before_answer *answer);
int after_predict(whole_context *context, const float *input, after_answer *answer);
int whole_predict(whole_context *context, const float *input, whole_answer *answer);
int whole_network(int *context, const int8_t *in, int8_t *out);
#define answer_of split_answer
#define $before 1
#define $given seen.prediction
#define $size 6
#define $integer 1
#define $count 4
#define $in_scale 0.5f
#define $in_zero 3.0f
#define $out_scale 0.5f
#define $out_zero -3
#define $turned 1
#define $places 2
#define $channels 3
#define $after 1
#define $copied \
    memcpy(made->values, given.prediction, sizeof made->values); \
    made->label = given.label;
#define $field given.prediction
#define $classifies 1
#define $split 0
#define $masked 1
#define $groups 2
#define $readings 2
#define $needed 1
#define $none 0.0f
#define $nothing made->label = -1;

/* block split */
static void answer_of(const float *row, struct answer *made) {
#if $before
    before_answer seen;
    before_predict(&before_memory, row, &seen);
    const float *const boundary = $given;
#else
    const float *const boundary = row;
#endif
    if (made == NULL) { memcpy(features, boundary, sizeof features); return; }
    float raw[$size];
#if $integer
    int8_t bytes[$count], done[$size];
    for (int i = 0; i < $count; ++i) {
        const float step = boundary[i] / $in_scale, whole = truncf(step);
        float done = whole + (fabsf(step - whole) >= 0.5f ? copysignf(1.0f, step) : 0.0f);
        done = (done == done ? done : 0.0f) + $in_zero;
        bytes[i] = (int8_t)(done < -128.0f ? -128.0f : done > 127.0f ? 127.0f : done);
    }
    network(bytes, done);
    for (int i = 0; i < $size; ++i) raw[i] = (float)((int)done[i] - ($out_zero)) * $out_scale;
#else
    network(boundary, raw);
#endif
#if $turned
    { float turned[$size];
    for (int i = 0; i < $size; ++i) turned[i] = raw[i % $places * $channels + i / $places];
    memcpy(raw, turned, sizeof raw); }
#endif
#if $after
    after_answer given;
    after_predict(&after_memory, raw, &given);
$copied
#else
    memcpy(made->values, raw, sizeof raw);
#endif
}

/* alone */
#undef answer_of

/* block whole */
#if $integer
static void network(const int8_t *in, int8_t *out) { whole_network(&whole_memory.values.network, in, out); }
#endif
static void answer_of(const float *row, struct answer *made) {
    whole_answer given;
    whole_predict(&whole_memory, row, &given);
$copied
}

/* alone */
void copy(const whole_answer *of, struct answer *made);
void copy(const whole_answer *of, struct answer *made) {
    const whole_answer given = *of;

/* block copied */
    memcpy(made->values, $field, sizeof made->values);
#if $classifies
    made->label = given.label;
    made->confidence = given.confidence;
#endif

/* alone */
}

/* block evaluate */
static void evaluate(const float *row, struct answer *made) {
#if $split
    if (made == NULL) { answer_of(row, made); return; }
#endif
#if $masked
    for (int c = 0; c < $groups; ++c) {
        int there = 0;
        for (int i = 0; i < $readings; ++i)
            there += fabsf(row[c * $readings + i]) <= FLT_MAX;
        if (there < $needed) {
            for (int i = 0; i < VALUES; ++i) made->values[i] = $none;
            $nothing
            return;
        }
    }
#endif
    answer_of(row, made);
#if $masked && $classifies
    if (!(made->confidence > 0.0f)) made->label = -1;
#endif
}
