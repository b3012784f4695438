/* NAME.h of a network on a stream; `network.py` writes the sizes. */
#include <stdint.h>
#define $title net
#define $hop 4
#define $width 2
#define $outputs 3
#define $in_scale 0.1
#define $in_zero 3
#define $out_scale 0.1
#define $out_zero 3
#define $remembered 8
#define $arena 4
#define $fields int8_t line0[8];

/* lines title */
/* $title: its network on a stream. @_step takes $hop samples of $width channels and gives $outputs bytes.
 * in = value / $in_scale + $in_zero, value = (out - $out_zero) * $out_scale.
 *
 * The context is one stream: $remembered bytes that stay from step to step, and memory of a call. No heap.
 */

/* lines header */
#define @@_CHANNELS $width
/* Samples of a step. */
#define @@_HOP $hop
#define @@_OUTPUTS $outputs
/* Bytes of a saved state: a mark of the model, the state, a checksum. */
#define @@_SAVED_BYTES ($remembered + 8)

typedef struct {
    int32_t arena[$arena];
$fields} @_network_context;

/* Call it first. A later call forgets everything. */
void @_init(@_network_context *context);

/* One step: @@_HOP * @@_CHANNELS bytes in, @@_OUTPUTS bytes out, which must not overlap. Gives 0. */
int @_network(@_network_context *context, const int8_t *in, int8_t *out);

/* Copies the state out. Write two such copies in turn, and a power cut leaves one of them whole. */
void @_save(const @_network_context *context, uint8_t bytes[@@_SAVED_BYTES]);

/* Takes a state in and gives 1; gives 0 and forgets everything where the bytes are of another model, or damaged. */
int @_restore(@_network_context *context, const uint8_t bytes[@@_SAVED_BYTES]);
