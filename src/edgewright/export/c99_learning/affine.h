/* NAME_adapt.h of a sensor's axes; `adapt.py` writes its sizes. */
#include <stdint.h>
#define $classes 3
#define $channels 6
#define $length 156
#define $flash

/* block header */
/* Learning on the board: axes of a sensor that is worn turned or mirrored, from labelled windows.
 * Integers and changes of sign only, no heap; a state belongs to one board and one thread at a time. */
#define @@_ADAPT_CLASSES $classes
#define @@_ADAPT_AXES $channels
#define @@_ADAPT_BYTES ${length}u /* of a state in flash, behind a header of @@_ADAPT_HEADER bytes */
#define @@_ADAPT_HEADER 20u

typedef struct {
    int32_t sums[$classes * $channels], powers[$classes * $channels];
    uint32_t examples;
    uint16_t counts[$classes];
    uint8_t way, used; /* used: the axes are swapped and mirrored in this way */
    /* Of the last window, and not kept in flash. */
    int32_t mean[$channels], power[$channels];
    uint8_t answered, applied;
} @_adapt_state;

/* Nothing learned: the axes as they are. Begin with this or with @_adapt_load. */
void @_undo(@_adapt_state *state);
/* From now on windows are turned by this state; 0 for the axes as they are. There is one such state in a program: call
 * what is declared here from the thread that calls @_predict. */
void @_adapt_use(@_adapt_state *state);
/* Before @_predict, on the window as the sensor gave it: turned in place. @_push does it itself. */
void @_adapt_before(float *window);
/* After @_predict: the window as it was, bit by bit. */
void @_adapt_after(float *window);
/* Learns that the last window belongs to the class `label`. Returns whether axes are changed from now on, or -1 where
 * there was no window, it had missing values, or there is no such class. */
int @_learn(@_adapt_state *state, int label);
/* The same for a window as the sensor gave it. */
int @_adapt_learn(@_adapt_state *state, const float *window, int label);

$flash
