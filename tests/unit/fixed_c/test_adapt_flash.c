#include "c99_learning/adapt_flash.c"
#include "check.h"
#include <string.h>

/* Two slots of flash in which power fails after so many bytes; a byte is written once. */
static uint8_t slots[2][EW_ADAPT_HEADER + EW_ADAPT_BYTES];
static int power, broken = -1;

static int erase(int slot) {
    if (power <= 0) {
        return 1;
    }
    memset(slots[slot], 0xFF, sizeof slots[slot]);
    return --power <= 0;
}

static int write(int slot, uint32_t offset, const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
        if (power-- <= 0) {
            return 1;
        }
        CHECK(offset + i < sizeof slots[slot] && slots[slot][offset + i] == 0xFF);
        slots[slot][offset + i] = bytes[i];
    }
    return 0;
}

static int read(int slot, uint32_t offset, uint8_t *bytes, uint32_t count) {
    CHECK(offset + count <= sizeof slots[slot]);
    memcpy(bytes, slots[slot] + offset, count);
    return slot == broken;
}

void ew_undo(ew_adapt_state *state) {
    memset(state, 0, sizeof *state);
    state->bias[0] = -1;
}

static const ew_adapt_flash flash = {erase, write, read};
static ew_adapt_state state;

static uint32_t loaded(void) {
    memset(&state, 7, sizeof state);
    const int whole = ew_adapt_load(&state, &flash);
    CHECK(whole == (state.examples > 0u));
    return state.examples;
}

int main(void) {
    ew_adapt_state old, new;
    memset(&old, 0, sizeof old);
    old.examples = 1u;
    old.pool[31] = 99;
    new = old;
    new.examples = 2u;
    memset(slots, 0xFF, sizeof slots);
    /* Nothing was written yet: the factory's layer. */
    CHECK(loaded() == 0u && state.bias[0] == -1 && state.answered == 0);
    power = 1 << 20;
    CHECK(ew_adapt_save(&old, &flash) == 0 && loaded() == 1u && state.pool[31] == 99 && state.hidden[0] == 0);
    /* EWA1, the sequence, the model, the length, and the CRC-32 of zlib, which for nine digits is CBF43926. */
    CHECK(memcmp(slots[0], "EWA1\1\0\0\0\7\0\0\0\x92\0\0\0", 16) == 0);
    CHECK(~ew_adapt_crc(0xFFFFFFFFu, (const uint8_t *)"123456789", 9) == 0xCBF43926u);
    CHECK(ew_adapt_number((const uint8_t *)"\x01\x80\xFF\xFE") == 0xFEFF8001u);
    /* A power cut at any byte leaves the state before, until the last one is written. */
    const int bytes = 1 + (int)sizeof slots[0];
    for (int cut = 0; cut <= bytes; ++cut) {
        power = cut;
        const int failed = ew_adapt_save(&new, &flash);
        CHECK(failed == (cut < bytes) && loaded() == (cut < bytes ? 1u : 2u) && slots[0][4] == 1);
    }
    /* The next one goes into the older slot, and the newest counts wherever it lies. */
    power = 1 << 20;
    new.examples = 3u;
    CHECK(ew_adapt_save(&new, &flash) == 0 && loaded() == 3u && slots[0][4] == 3 && slots[1][4] == 2);
    /* Any byte that changed makes a slot none. */
    for (size_t i = 0; i < sizeof slots[0]; ++i) {
        slots[0][i] ^= 0x10;
        CHECK(loaded() == 2u);
        slots[0][i] ^= 0x10;
    }
    broken = 0;
    CHECK(loaded() == 2u);
    broken = -1;
    /* Whole, and of this model, but no state that can be. */
    new.used = 2;
    CHECK(ew_adapt_save(&new, &flash) == 0 && loaded() == 0u && state.bias[0] == -1 && state.used == 0);
    return failures;
}
