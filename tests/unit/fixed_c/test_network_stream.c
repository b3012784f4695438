#include "c99_stream/network_stream.c"
#include "check.h"

int main(void) {
    ew_network_context context, back;
    uint8_t bytes[EW_SAVED_BYTES + 1] = {0};
    CHECK(ew_checksum((const uint8_t *)"123456789", 9) == 0xCBF43926u && ew_checksum(bytes, 0) == 0u);
    memset(&context, 7, sizeof context);
    ew_init(&context);
    CHECK(context.line0[7] == -3 && context.line0[0] == 0 && context.arena[3] == 0);
    for (int i = 0; i < 8; ++i) {
        context.line0[i] = (int8_t)(i * 30 - 100);
    }
    bytes[EW_SAVED_BYTES] = 77;
    ew_save(&context, bytes);
    CHECK(memcmp(bytes, "\x78\x56\x34\x12", 4) == 0 && bytes[4] == 156 && bytes[EW_SAVED_BYTES] == 77);
    memset(&back, 7, sizeof back);
    CHECK(ew_restore(&back, bytes) == 1 && memcmp(back.line0, context.line0, 8) == 0 && back.arena[0] == 0);
    /* A changed byte, wherever it is, leaves a stream that begins; so does another model's mark with a right sum. */
    for (int i = 0; i < EW_SAVED_BYTES; ++i) {
        bytes[i] ^= 1;
        CHECK(ew_restore(&back, bytes) == 0 && back.line0[0] == 0 && back.line0[7] == -3);
        bytes[i] ^= 1;
    }
    bytes[0] ^= 1;
    ew_put(bytes + 12, ew_checksum(bytes, 12));
    CHECK(ew_restore(&back, bytes) == 0);
    return failures;
}
