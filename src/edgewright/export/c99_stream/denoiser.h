/* NAME.h of a denoiser; `denoiser.py` writes the sizes. */
#include <stdint.h>
#define $title hum
#define $rate 100
#define $channels x
#define $rounding litert
#define $hop 4
#define $delay 2
#define $in_scale 0.1
#define $in_zero 3
#define $out_scale 0.1
#define $out_zero 3
#define $ram 9
#define $remembered 9
#define $late 9
#define $arena 9
#define $flash 9
#define $width 2
#define $waiting 4
#define $lines int32_t arena[4];

/* lines title */
/* $title: $rate samples a second of $channels; the network is int8 (rounding $rounding).
 *
 * @_step takes $hop samples and gives $hop, which are those of $delay samples before. It works in float32
 * outside of the network; @_network is the network alone, bytes in and bytes out, for targets without floats:
 * in = value / $in_scale + $in_zero, noise = (out - $out_zero) * $out_scale, both in deviations.
 *
 * Memory: $ram bytes of RAM in the caller's context, no heap: $remembered that the layers remember, $late of
 * samples that wait, $arena for values; $flash bytes of constants. A context is one stream.
 */

/* lines header */
#define @@_CHANNELS $width
/* Samples of a step. */
#define @@_HOP $hop
/* Samples that the answer is late. */
#define @@_DELAY $delay

/* What the network remembers, and its memory of a call. */
typedef struct {
$lines} @_network_context;

/* That of the network, samples that wait, and a step's bytes. */
typedef struct {
    @_network_context network;
    int next;
    float late[$waiting];
    int8_t bytes[2][@@_HOP * @@_CHANNELS];
} @_context;

/* Call it first. A later call forgets everything. */
void @_init(@_context *context);

/* @@_HOP samples, the channels of each side by side, in and out; NAN passes through. */
void @_step(@_context *context, const float *in, float *out);

/* The same for the network alone. */
void @_network_init(@_network_context *context);

/* The network alone, one step: @@_HOP * @@_CHANNELS bytes in and out, which must not overlap. Gives 0. */
int @_network(@_network_context *context, const int8_t *in, int8_t *out);
