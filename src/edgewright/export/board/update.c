#include "@_update.h"
#include "@_verify.h"
#include <string.h>

#define @@_RECORD 64u
#define @@_MARK 0x52574745u /* of a record */
#define @@_CHUNK 64u

typedef char @_unit_divides[(@@_RECORD % @@_WRITE_UNIT == 0 && @@_PAGE % @@_WRITE_UNIT == 0) ? 1 : -1];

const uint8_t @_layout[32] = {@LAYOUT@};
const uint8_t @_key[32] = {@KEY@};

/* What the newest valid record says. */
typedef struct {
    uint32_t sequence, floor, length[2];
    uint8_t active, trial, name[2][16];
} @_record;

static @_record @_now;
static const uint8_t *@_flash;
static uint8_t @_state, @_target, @_running = 255;
static uint32_t @_received, @_expected;
static uint8_t @_announced[16];
static @_sha512 @_hash;

uint32_t @_crc32(const uint8_t *bytes, uint32_t count) {
    uint32_t crc = 0xffffffffu;
    for (uint32_t i = 0; i < count; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

static uint32_t @_number(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void @_put(uint8_t *bytes, uint32_t value) {
    for (int i = 0; i < 4; ++i) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint32_t @_address(uint8_t slot) {
    return 2u * @@_PAGE + slot * @@_SLOT;
}

static const uint8_t *@_weights(uint8_t slot) {
    return @_flash + @_address(slot);
}

static void @_use(uint8_t slot) {
    @_constants = slot < 2 ? @_weights(slot) + @@_HEADER : 0;
}

static uint32_t @_counter(uint8_t slot) {
    return slot < 2 ? @_number(@_weights(slot) + 40) : 0;
}

static int @_read_record(uint8_t page, @_record *record) {
    uint8_t bytes[@@_RECORD];
    if (@_flash_read(page * @@_PAGE, bytes, sizeof bytes) != 0 || @_number(bytes) != @@_MARK ||
        @_number(bytes + 60) != @_crc32(bytes, 60)) {
        return 0;
    }
    record->sequence = @_number(bytes + 4);
    record->floor = @_number(bytes + 8);
    record->active = bytes[12];
    record->trial = bytes[13];
    for (uint32_t slot = 0; slot < 2; ++slot) {
        record->length[slot] = @_number(bytes + 16 + 4 * slot);
        memcpy(record->name[slot], bytes + 24 + 16 * slot, 16);
    }
    return record->active < 2 || record->active == 255;
}

/* Into the page that does not hold the newest record: until this one is whole, that one counts. */
static int @_write_record(const @_record *record) {
    uint8_t bytes[@@_RECORD], again[@@_RECORD];
    const uint32_t address = ((@_now.sequence + 1u) & 1u) * @@_PAGE;
    memset(bytes, 0, sizeof bytes);
    @_put(bytes, @@_MARK);
    @_put(bytes + 4, @_now.sequence + 1u);
    @_put(bytes + 8, record->floor);
    bytes[12] = record->active;
    bytes[13] = record->trial;
    for (uint32_t slot = 0; slot < 2; ++slot) {
        @_put(bytes + 16 + 4 * slot, record->length[slot]);
        memcpy(bytes + 24 + 16 * slot, record->name[slot], 16);
    }
    @_put(bytes + 60, @_crc32(bytes, 60));
    if (@_flash_erase(address) != 0 || @_flash_write(address, bytes, sizeof bytes) != 0 ||
        @_flash_read(address, again, sizeof again) != 0 || memcmp(bytes, again, sizeof bytes) != 0) {
        return @@_FLASH;
    }
    const uint32_t sequence = @_now.sequence + 1u;
    @_now = *record;
    @_now.sequence = sequence;
    return @@_OK;
}

/* Format and lengths of a header; nothing of it is believed before the signature is. */
static int @_fits(const uint8_t *head, uint32_t length) {
    const uint32_t vectors = @_number(head + 48);
    const uint32_t each = 4u * (@@_INPUTS + @@_OUTPUTS);
    if (memcmp(head, "EWW1", 4) != 0 || (head[4] | head[5] << 8) != @@_FORMAT || (head[6] | head[7] << 8) != @@_HEADER) {
        return @@_FORMAT_UNKNOWN;
    }
    if (memcmp(head + 8, @_layout, 32) != 0) {
        return @@_OTHER_LAYOUT;
    }
    if (@_number(head + 44) != @_constants_length || @_number(head + 52) != @@_INPUTS ||
        @_number(head + 56) != @@_OUTPUTS || vectors == 0 || vectors > @@_SLOT / each ||
        @_number(head + 64) != length ||
        length < @@_HEADER + @_constants_length + vectors * each + @@_SIGNATURE) {
        return @@_FORMAT_UNKNOWN;
    }
    return @@_OK;
}

static void @_name_of(uint8_t slot, uint32_t length, uint8_t name[16]) {
    uint8_t digest[64];
    @_sha512_begin(&@_hash);
    @_sha512_add(&@_hash, @_weights(slot), length);
    @_sha512_end(&@_hash, digest);
    memcpy(name, digest, 16);
}

/* Whether a slot still holds what a record says was verified. */
static int @_usable(uint8_t slot) {
    uint8_t name[16];
    if (slot > 1 || @_now.length[slot] < @@_HEADER + @@_SIGNATURE || @_now.length[slot] > @@_SLOT ||
        @_fits(@_weights(slot), @_now.length[slot]) != @@_OK) {
        return 0;
    }
    @_name_of(slot, @_now.length[slot], name);
    return memcmp(name, @_now.name[slot], 16) == 0;
}

static int @_run(uint8_t slot) {
    @_running = slot;
    @_use(slot);
    return slot < 2 ? @@_OK : @@_NONE;
}

int @_power_on(const void *mapped) {
    @_record one, other;
    @_flash = (const uint8_t *)mapped;
    @_state = @@_IDLE;
    @_received = @_expected = 0;
    const int first = @_read_record(0, &one), second = @_read_record(1, &other);
    memset(&@_now, 0, sizeof @_now);
    @_now.active = 255;
    if (first && (!second || one.sequence > other.sequence)) {
        @_now = one;
    } else if (second) {
        @_now = other;
    }
    if (@_now.active > 1) {
        return @_run(255);
    }
    const uint8_t back = (uint8_t)(1u - @_now.active);
    if (!@_usable(@_now.active)) {
        /* Worn flash, or weights for other code: what was there before is better than nothing. */
        if (!@_usable(back)) {
            return @_run(255);
        }
        @_record next = @_now;
        next.active = back;
        next.trial = 0;
        (void)@_write_record(&next);
        return @_run(back);
    }
    if (@_now.trial == 1) {
        return @_revert();
    }
    if (@_now.trial > 1) {
        @_record next = @_now;
        --next.trial;
        if (@_write_record(&next) != @@_OK) {
            /* A start that cannot be counted is none of a trial. */
            const int done = @_run(@_usable(back) ? back : @_now.active);
            return done == @@_OK ? @@_FLASH : done;
        }
    }
    return @_run(@_now.active);
}

int @_begin(uint32_t length, const uint8_t name[16]) {
    if (@_flash == 0) {
        return @@_ORDER;
    }
    if (@_now.trial > 0) {
        return @@_ON_TRIAL;
    }
    if (length < @@_HEADER + @@_SIGNATURE || length > @@_SLOT) {
        return @@_TOO_LONG;
    }
    if (@_state != @@_IDLE && @_expected == length && memcmp(@_announced, name, 16) == 0) {
        return @@_OK;
    }
    @_target = (uint8_t)(@_running == 0 ? 1 : 0);
    @_received = 0;
    @_expected = length;
    memcpy(@_announced, name, 16);
    @_state = @@_RECEIVING;
    return @@_OK;
}

static int @_program(uint32_t address, const uint8_t *bytes, uint32_t count) {
    uint8_t again[@@_CHUNK];
    while (count > 0) {
        /* Never over the end of a page, which is erased when its first byte comes. */
        uint32_t part = @@_PAGE - address % @@_PAGE;
        part = part < count ? part : count;
        part = part < @@_CHUNK ? part : @@_CHUNK;
        const uint32_t whole = (part + @@_WRITE_UNIT - 1u) / @@_WRITE_UNIT * @@_WRITE_UNIT;
        uint8_t padded[@@_CHUNK];
        memset(padded, 0xff, sizeof padded);
        memcpy(padded, bytes, part);
        if (address % @@_PAGE == 0 && @_flash_erase(address) != 0) {
            return @@_FLASH;
        }
        if (@_flash_write(address, padded, whole) != 0 || @_flash_read(address, again, whole) != 0 ||
            memcmp(padded, again, whole) != 0) {
            return @@_FLASH;
        }
        address += part;
        bytes += part;
        count -= part;
    }
    return @@_OK;
}

int @_write(uint32_t offset, const uint8_t *bytes, uint32_t count) {
    if (@_state == @@_IDLE || offset > @_expected || count > @_expected - offset) {
        return @_state == @@_IDLE ? @@_ORDER : @@_TOO_LONG;
    }
    if (offset + count <= @_received) {
        return @@_OK;
    }
    if (offset != @_received || (count % @@_WRITE_UNIT != 0 && offset + count != @_expected)) {
        return @@_GAP;
    }
    if (@_program(@_address(@_target) + offset, bytes, count) != @@_OK) {
        /* What was written cannot be written again before its page is erased. */
        @_state = @@_IDLE;
        return @@_FLASH;
    }
    @_received += count;
    @_state = @_received == @_expected ? @@_RECEIVED : @@_RECEIVING;
    return @@_OK;
}

static int @_signed(void) {
    const uint8_t *file = @_weights(@_target);
    const uint8_t *signature = file + @_expected - @@_SIGNATURE;
    uint8_t digest[64];
    @_sha512_begin(&@_hash);
    @_sha512_add(&@_hash, signature, 32);
    @_sha512_add(&@_hash, @_key, 32);
    @_sha512_add(&@_hash, file, @_expected - @@_SIGNATURE);
    @_sha512_end(&@_hash, digest);
    return @_ed25519_right(signature, @_key, digest);
}

int @_verify(void) {
    uint8_t name[16];
    if (@_state < @@_RECEIVED) {
        return @@_ORDER;
    }
    int code = @@_OK;
    @_name_of(@_target, @_expected, name);
    if (memcmp(name, @_announced, 16) != 0) {
        code = @@_DAMAGED;
    } else if ((code = @_fits(@_weights(@_target), @_expected)) == @@_OK) {
        code = @_counter(@_target) <= @_now.floor ? @@_OLDER : @_signed() ? @@_OK : @@_WRONG_SIGNATURE;
    }
    @_state = code == @@_OK ? @@_VERIFIED : @@_IDLE;
    return code;
}

static const float *@_numbers_of(const @_answer *answer) {
    return @VALUES@;
}

int @_self_test(@_context *context) {
    if (@_state < @@_VERIFIED) {
        return @@_ORDER;
    }
    const uint8_t *file = @_weights(@_target);
    const float *inputs = (const float *)(const void *)(file + @@_HEADER + @_constants_length);
    const uint32_t vectors = @_number(file + 48);
    const float *wanted = inputs + vectors * @@_INPUTS;
    const float tolerance = *(const float *)(const void *)(file + 60);
    int right = 1;
    @_use(@_target);
    for (uint32_t i = 0; i < vectors; ++i) {
        static @_answer answer;
        (void)@_predict(context, inputs + i * @@_INPUTS, &answer);
        const float *got = @_numbers_of(&answer);
        for (uint32_t k = 0; k < @@_OUTPUTS; ++k) {
            const float off = got[k] - wanted[i * @@_OUTPUTS + k];
            /* Not a number is not right either. */
            right = right && off <= tolerance && -off <= tolerance;
        }
    }
    @_use(@_running);
    @_state = right ? @@_TESTED : @@_IDLE;
    return right ? @@_OK : @@_WRONG_ANSWERS;
}

int @_activate(void) {
    if (@_state != @@_TESTED) {
        return @@_ORDER;
    }
    @_record next = @_now;
    next.active = @_target;
    next.trial = (uint8_t)(@@_STARTS + 1u);
    next.length[@_target] = @_expected;
    memcpy(next.name[@_target], @_announced, 16);
    const int code = @_write_record(&next);
    if (code == @@_OK) {
        @_state = @@_IDLE;
        (void)@_run(@_target);
    }
    return code;
}

int @_confirm(void) {
    if (@_running > 1 || @_running != @_now.active) {
        return @@_NONE;
    }
    if (@_now.trial == 0) {
        return @@_OK;
    }
    @_record next = @_now;
    const uint32_t counter = @_counter(@_running);
    next.trial = 0;
    next.floor = counter > next.floor ? counter : next.floor;
    return @_write_record(&next);
}

int @_revert(void) {
    @_state = @@_IDLE;
    if (@_now.trial == 0) {
        return @@_OK;
    }
    @_record next = @_now;
    const uint8_t back = (uint8_t)(1u - @_now.active);
    const uint32_t counter = @_counter(@_now.active);
    next.trial = 0;
    next.floor = counter > next.floor ? counter : next.floor;
    next.active = @_usable(back) ? back : 255;
    const int code = @_write_record(&next);
    (void)@_run(next.active);
    return code;
}

void @_look(@_status *status) {
    status->state = @_state;
    status->active = @_running;
    status->trial = @_now.trial;
    status->received = @_received;
    status->length = @_expected;
    status->counter = @_counter(@_running);
    status->floor = @_now.floor;
    memset(status->name, 0, sizeof status->name);
    if (@_state != @@_IDLE) {
        memcpy(status->name, @_announced, 16);
    } else if (@_running < 2) {
        memcpy(status->name, @_now.name[@_running], 16);
    }
}
