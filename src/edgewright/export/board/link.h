#ifndef @@_LINK_H
#define @@_LINK_H

#include "@.h"
#include <stdint.h>

/*
 * Updates over a line to a gateway (`edgewright device board`). The frames are those of edgewright_frame.h: COBS between
 * zeros, closed by a CRC-32; rows may go over the same line.
 */
#define @@_LINK_CHUNK 192u  /* bytes of weights in a frame at most */
#define @@_LINK_ANSWER 128u /* bytes of an answer at most */

/*
 * Takes a byte that came. Where it completes a request, the request is carried out, the answer is put into `answer`, and
 * its length is given back, to be sent; otherwise 0. Verifying takes long: feed it from the main loop, not an interrupt. The
 * self-test answers in `context`, which may be the one that answers samples.
 */
uint32_t @_link_take(@_context *context, uint8_t byte, uint8_t answer[@@_LINK_ANSWER]);

#endif
