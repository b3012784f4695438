/* The state of a network on a stream, out and in again; `network.py` writes its parts. */
#include "network_stream.h"
#include <string.h>
#define $clear context->line0[7] = -3;
#define $mark 0x12345678
#define $out \
    memcpy(at, context->line0, 8); \
    at += 8;
#define $back memcpy(context->line0, at, 8);

/* block state */

void @_init(@_network_context *context) {
    memset(context, 0, sizeof *context);
$clear}

/* CRC-32 as of zlib. */
static uint32_t @_checksum(const uint8_t *bytes, int count) {
    uint32_t sum = UINT32_C(0xFFFFFFFF);
    for (int i = 0; i < count; ++i) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) {
            sum = (sum >> 1) ^ (sum & 1u ? UINT32_C(0xEDB88320) : 0u);
        }
    }
    return sum ^ UINT32_C(0xFFFFFFFF);
}

static void @_put(uint8_t *bytes, uint32_t v) {
    for (int i = 0; i < 4; ++i) {
        bytes[i] = (uint8_t)(v >> 8 * i);
    }
}

void @_save(const @_network_context *context, uint8_t bytes[@@_SAVED_BYTES]) {
    uint8_t *at = bytes + 4;
    @_put(bytes, UINT32_C($mark));
$out    @_put(at, @_checksum(bytes, @@_SAVED_BYTES - 4));
}

int @_restore(@_network_context *context, const uint8_t bytes[@@_SAVED_BYTES]) {
    const uint8_t *at = bytes + 4;
    uint8_t wanted[4];
    @_init(context);
    @_put(wanted, UINT32_C($mark));
    if (memcmp(wanted, bytes, 4) != 0) {
        return 0;
    }
    @_put(wanted, @_checksum(bytes, @@_SAVED_BYTES - 4));
    if (memcmp(wanted, bytes + @@_SAVED_BYTES - 4, 4) != 0) {
        return 0;
    }
$back    return 1;
}
