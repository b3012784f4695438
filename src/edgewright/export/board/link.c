#include "@_link.h"
#include "@_update.h"
#include <string.h>

enum { @@_ASK = 0xB1, @@_BEGIN = 0xB2, @@_WRITE = 0xB3, @@_FINISH = 0xB4, @@_CONFIRM = 0xB5, @@_REVERT = 0xB6 };
#define @@_TOLD 0xBA
#define @@_LONGEST (@@_LINK_CHUNK + 16u)

static uint8_t @_held[@@_LONGEST];
static uint32_t @_count;
static int @_lost;

/* COBS taken off in place; 0 where a length points beyond the end. */
static uint32_t @_unstuff(uint8_t *bytes, uint32_t count) {
    uint32_t at = 0, out = 0;
    while (at < count) {
        const uint32_t length = bytes[at];
        if (length == 0 || at + length > count) {
            return 0;
        }
        memmove(bytes + out, bytes + at + 1, length - 1);
        out += length - 1;
        at += length;
        if (length < 255 && at < count) {
            bytes[out++] = 0;
        }
    }
    return out;
}

static uint32_t @_stuff(const uint8_t *bytes, uint32_t count, uint8_t *out) {
    uint32_t head = 0, end = 1;
    for (uint32_t i = 0; i < count; ++i) {
        if (bytes[i] == 0) {
            out[head] = (uint8_t)(end - head);
            head = end++;
        } else {
            out[end++] = bytes[i];
        }
    }
    out[head] = (uint8_t)(end - head);
    out[end++] = 0;
    return end;
}

static uint32_t @_word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint8_t *@_add(uint8_t *to, uint32_t value) {
    for (int i = 0; i < 4; ++i) {
        *to++ = (uint8_t)(value >> (8 * i));
    }
    return to;
}

static int @_finish(@_context *context) {
    int code = @_verify();
    code = code == @@_OK ? @_self_test(context) : code;
    return code == @@_OK ? @_activate() : code;
}

static int @_carry_out(@_context *context, const uint8_t *body, uint32_t count) {
    switch (body[0]) {
    case @@_ASK:
        return @@_OK;
    case @@_BEGIN:
        return count == 22 ? @_begin(@_word(body + 2), body + 6) : @@_ORDER;
    case @@_WRITE:
        return count > 6 ? @_write(@_word(body + 2), body + 6, count - 6) : @@_ORDER;
    case @@_FINISH:
        return @_finish(context);
    case @@_CONFIRM:
        return @_confirm();
    case @@_REVERT:
        return @_revert();
    default:
        return -1;
    }
}

static uint32_t @_tell(uint8_t kind, uint8_t sequence, int code, uint8_t *answer) {
    uint8_t plain[92], *to = plain;
    @_status status;
    @_look(&status);
    *to++ = @@_TOLD;
    *to++ = sequence;
    *to++ = kind;
    *to++ = (uint8_t)code;
    *to++ = (uint8_t)@@_FORMAT;
    *to++ = status.state;
    *to++ = status.active;
    *to++ = status.trial;
    to = @_add(to, status.received);
    to = @_add(to, status.length);
    to = @_add(to, status.counter);
    to = @_add(to, status.floor);
    to = @_add(to, @@_SLOT);
    to = @_add(to, @@_LINK_CHUNK / @@_WRITE_UNIT * @@_WRITE_UNIT);
    memcpy(to, status.name, 16);
    memcpy(to + 16, @_layout, 32);
    to += 48;
    to = @_add(to, @_crc32(plain, (uint32_t)(to - plain)));
    return @_stuff(plain, (uint32_t)(to - plain), answer);
}

uint32_t @_link_take(@_context *context, uint8_t byte, uint8_t answer[@@_LINK_ANSWER]) {
    if (byte != 0) {
        @_lost = @_lost || @_count == sizeof @_held;
        if (!@_lost) {
            @_held[@_count++] = byte;
        }
        return 0;
    }
    const uint32_t count = @_lost ? 0 : @_unstuff(@_held, @_count);
    @_count = 0;
    @_lost = 0;
    if (count < 6 || @_word(@_held + count - 4) != @_crc32(@_held, count - 4)) {
        return 0;
    }
    const int code = @_carry_out(context, @_held, count - 4);
    return code < 0 ? 0 : @_tell(@_held[0], @_held[1], code, answer);
}
