/* NAME_adapt.h of a last layer that learns; `adapt.py` writes its sizes. */
#include <stdint.h>
#define $classes 3
#define $width 4
#define $pool 8
#define $length 146
#define $sums int32_t sums[12];
#define $flash

/* lines header */
/* Learning on the board: the last layer, from labelled examples, within the limits of the package.
 * Integers only, no heap; a state belongs to one board and one thread at a time. */
#define @@_ADAPT_CLASSES $classes
#define @@_ADAPT_WIDTH $width
#define @@_ADAPT_POOL $pool
#define @@_ADAPT_BYTES ${length}u /* of a state in flash, behind a header of @@_ADAPT_HEADER bytes */
#define @@_ADAPT_HEADER 20u

typedef struct {
    int32_t bias[$classes];
$sums    uint32_t seed, examples;
    int16_t weights[$classes * $width];
    uint16_t counts[$classes], kept, lead, behind;
    uint8_t cursor, used; /* used: the learned layer answers, not the factory's */
    uint8_t owners[$pool];
    uint8_t pool[$pool * $width];
    /* Of the last answer, and not kept in flash: what the last layer received, and what the factory's gave. */
    int8_t hidden[$width], given[$classes], answered;
} @_adapt_state;

/* Nothing learned: the factory's layer. Begin with this or with @_adapt_load. */
void @_undo(@_adapt_state *state);
/* From now on @_predict answers with this state; 0 for the factory's layer. There is one such state in a program: call
 * what is declared here from the thread that calls @_predict. */
void @_adapt_use(@_adapt_state *state);
/* Learns that the last sample that @_predict answered belongs to the class `label`. Returns whether the learned layer
 * answers from now on, or -1 where no sample was answered or there is no such class. */
int @_learn(@_adapt_state *state, int label);
/* The same for `hidden`, to which the factory's layer gives the bytes `given`. */
int @_adapt_learn(@_adapt_state *state, const int8_t *hidden, const int8_t *given, int label);

$flash/* What @_predict calls. */
void @_adapt_layer(const int8_t *hidden, int8_t *out);
