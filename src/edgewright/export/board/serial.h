#ifndef @@_SERIAL_H
#define @@_SERIAL_H

#include "@.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Answers `edgewright prove RUN --serial PORT`: rows in over a line; answers, stages (with -D@@_TAPS), cycles and stack
 * out. Frames are COBS between zeros, closed by a CRC-32. The board must be little-endian. */
#define @@_SERIAL_VERSION 1u
#define @@_SERIAL_VALUES 32u /* numbers in a frame at most */
#define @@_SERIAL_FRAME 160u
#ifndef @@_SERIAL_STACK
#define @@_SERIAL_STACK 1024u /* bytes below the stack that are painted to measure a call; 0 measures nothing */
#endif

/* The line. `user` is passed on. */
typedef struct {
    int (*read)(void *user);                /* waits for a byte; a negative number ends @_serial_run */
    void (*write)(void *user, uint8_t byte);
    uint32_t (*cycles)(void *user);         /* a counter of cycles; 0: DWT on Cortex-M3 and above, mcycle on RISC-V */
    void *user;
} @_serial_port;

/* Memory of the test; zeros at first, as static memory is. */
typedef struct {
    @_context model;
    @_answer answer;
    float input[@@_INPUTS];
    uint8_t held[@@_SERIAL_FRAME];
    uint8_t plain[@@_SERIAL_FRAME];
    uint32_t count;
    uint32_t cycles;
    uint32_t stack;
    uintptr_t low;
} @_serial_context;

/* Answers requests until `read` gives a negative number. */
void @_serial_run(@_serial_context *context, const @_serial_port *port);

#ifdef __cplusplus
}
#endif

#endif
