/* NAME.h of a model: the declaration of all that generated code offers for a sample. `header.py` writes the sizes, and
 * what it says of columns, labels and memory. */
#include <stdint.h>
#define $title walk
#define $input
#define $ram 96
#define $unshared 128
#define $flash 512
#define $where with the code in flash
#define $form float network
#define $in_scale 0.1
#define $in_zero - 3
#define $in_shape (24,)
#define $out_scale 0.1
#define $out_zero - 3
#define $out_shape (3,)
#define $image 0
#define $columns 4
#define $channels 2
#define $network_inputs 24
#define $network_outputs 3
#define $arena 6
#define $inputs 24
#define $outputs 3
#define $none the number is NAN
#define $unsure Likewise
#define $slots 1
#define $labelled 0
#define $labels
#define $fields \
    float probabilities[@@_OUTPUTS], confidence, prediction[105]; \
    int label;
#define $integer 1
#define $network
#define $floats 24
#define $integers 2
#define $halves 2
#define $pixels 1
#define $framed 1
#define $frame 16
#define $hop 8
#define $frames 3
#define $frame_values 4
#define $outside (x) < -1.0f
#define $stages 1

/* block network_alone */
/*
 * $title: the network alone, bytes in and out. Portable C99, integers only.
 *
 * Memory: $ram bytes of RAM for values, shared in the caller's context ($unshared bytes if each had its own), no heap;
 * $flash bytes of constants, $where. Form: $form.
 */

/* block network */
/* The network alone: real = $in_scale * (in $in_zero) of shape $in_shape,
 * real = $out_scale * (out $out_zero) of shape $out_shape.
#if $image
 * An image is taken as in[(row * $columns + column) * $channels + channel].
#endif
 * All the memory it takes is its context; `in` and `out` must not overlap. Gives 0. */
#define @@_NETWORK_INPUTS $network_inputs
#define @@_NETWORK_OUTPUTS $network_outputs
typedef struct {
#if $arena
    int32_t arena[$arena];
#else
    char unused;
#endif
} @_network_context;
int @_network(@_network_context *context, const int8_t *in, int8_t *out);

/* lines header */
/*
 * $title: the whole pipeline, from raw numbers to the answer. Portable C99.
 *
$input
 *
 * Memory: $ram bytes of RAM for values, shared in the caller's context ($unshared bytes if each had its own), no heap;
 * $flash bytes of constants, $where. Form: $form.
 */
#define @@_INPUTS $inputs
#define @@_OUTPUTS $outputs
#define @@_OUT_OF_RANGE 1u
/* There is no answer: $none where too many numbers are missing. */
#define @@_MISSING 4u
/* $unsure. */
#define @@_UNSURE 8u
#if $slots
#define @@_NO_WEIGHTS 2u
/* Constants of the slot at work, 0 for none; @_update.c sets it. */
extern const unsigned char *@_constants;
extern const uint32_t @_constants_length;
#endif

#if $labelled
$labels
#endif
typedef struct {
$fields
    unsigned flags;
} @_answer;

#if $integer
$network
#endif
/* Memory of a call, which the caller owns. Nothing in it has to be set, and nothing in it is kept.
 * Calls with contexts of their own do not disturb each other. */
typedef struct {
#if $integer
    union {
        float arena[$floats];
        @_network_context network;
    } values;
#elif $floats
    float arena[$floats];
#endif
#if $integers
    int32_t integers[$integers];
#endif
#if $halves
    int16_t halves[$halves];
#endif
#if !$integer && !$floats && !$integers && !$halves
    char unused;
#endif
} @_context;

/* Answers for one sample: 0, or flags. The answer is given in either case. */
int @_predict(@_context *context, const float *input, @_answer *answer);
#if $pixels

/* The same for a picture of bytes, as a camera gives it: no array of floats is needed. */
int @_predict_pixels(@_context *context, const uint8_t *pixels, @_answer *answer);
#endif
#if $framed

/* The same without the window: each of its @@_FRAMES frames, one every @@_HOP samples, becomes
 * @@_FRAME_VALUES numbers, and these the answer; `there` samples of the window are finite, and `flags`
 * has OUT_OF_RANGE where one of them is OUTSIDE. */
#define @@_FRAME $frame
#define @@_HOP $hop
#define @@_FRAMES $frames
#define @@_FRAME_VALUES $frame_values
#define @@_OUTSIDE(x) ($outside)
void @_frame(@_context *context, const float *input, float *values);
int @_framed(@_context *context, const float *frames, int there, unsigned flags, @_answer *answer);
#endif
#if $stages

#ifdef @@_TAPS
/* What the stages gave for the last sample, for comparisons. */
#define @@_STAGES $stages
extern const char *const @_stage_names[@@_STAGES];
void @_stage(int index, const float **values, int *count);
#endif
#endif
