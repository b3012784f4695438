/* Two slots of flash for what a board learns: a power cut during a write leaves the state before. */
#include "adapt.h"
#include "adapt_flash.h"
#define $identity 7
#define $odd const int odd = state->used > 1;

/* lines defined */
static uint32_t @_adapt_crc(uint32_t crc, const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
        }
    }
    return crc;
}

static void @_adapt_put(uint8_t *bytes, uint32_t value) {
    for (int i = 0; i < 4; ++i) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint32_t @_adapt_number(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The sequence of a slot that is whole and of this model, 0 otherwise. */
static uint32_t @_adapt_sequence(const @_adapt_flash *flash, int slot) {
    uint8_t head[@@_ADAPT_HEADER], part[32];
    if (flash->read(slot, 0, head, sizeof head) != 0 || @_adapt_number(head) != 0x31415745u ||
        @_adapt_number(head + 8) != ${identity}u || @_adapt_number(head + 12) != @@_ADAPT_BYTES) {
        return 0;
    }
    uint32_t crc = @_adapt_crc(0xffffffffu, head + 4, 12);
    for (uint32_t at = 0; at < @@_ADAPT_BYTES; at += sizeof part) {
        const uint32_t count = @@_ADAPT_BYTES - at < sizeof part ? @@_ADAPT_BYTES - at : (uint32_t)sizeof part;
        if (flash->read(slot, @@_ADAPT_HEADER + at, part, count) != 0) {
            return 0;
        }
        crc = @_adapt_crc(crc, part, count);
    }
    return ~crc == @_adapt_number(head + 16) ? @_adapt_number(head + 4) : 0;
}

int @_adapt_save(const @_adapt_state *state, const @_adapt_flash *flash) {
    const uint32_t first = @_adapt_sequence(flash, 0), second = @_adapt_sequence(flash, 1);
    const int slot = first > second;
    const uint8_t *bytes = (const uint8_t *)(const void *)state;
    uint8_t head[@@_ADAPT_HEADER];
    @_adapt_put(head, 0x31415745u);
    @_adapt_put(head + 4, (first > second ? first : second) + 1u);
    @_adapt_put(head + 8, ${identity}u);
    @_adapt_put(head + 12, @@_ADAPT_BYTES);
    @_adapt_put(head + 16, ~@_adapt_crc(@_adapt_crc(0xffffffffu, head + 4, 12), bytes, @@_ADAPT_BYTES));
    return flash->erase(slot) != 0 || flash->write(slot, @@_ADAPT_HEADER, bytes, @@_ADAPT_BYTES) != 0 ||
           flash->write(slot, 0, head, sizeof head) != 0;
}

int @_adapt_load(@_adapt_state *state, const @_adapt_flash *flash) {
    const uint32_t first = @_adapt_sequence(flash, 0), second = @_adapt_sequence(flash, 1);
    @_undo(state);
    if (first == 0 && second == 0) {
        return 0;
    }
    if (flash->read(second > first, @@_ADAPT_HEADER, (uint8_t *)(void *)state, @@_ADAPT_BYTES) != 0) {
        @_undo(state);
        return 0;
    }
$odd    if (odd) {
        @_undo(state);
    }
    return !odd;
}
