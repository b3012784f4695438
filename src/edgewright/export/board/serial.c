#include "@_serial.h"
#include <string.h>

enum { @@_HELLO = 0xC1, @@_ROW = 0xC2, @@_RUN = 0xC3, @@_READ = 0xC4 };
#define @@_ANSWER_WORDS (sizeof(@_answer) / 4u)
#if defined(__GNUC__)
#define @_serial_apart __attribute__((noinline))
#else
#define @_serial_apart
#endif
#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
#define @_register(address) (*(volatile uint32_t *)(address))
#endif

static const uint8_t @_serial_hash[16] = {@HASH@};
static const char @_serial_name[] = "@";

static uint32_t @_serial_word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t @_serial_add(uint8_t *to, uint32_t at, uint32_t value) {
    for (uint32_t i = 0; i < 4u; ++i) {
        to[at + i] = (uint8_t)(value >> (8u * i));
    }
    return at + 4u;
}

static uint32_t @_serial_crc(const uint8_t *bytes, uint32_t count) {
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < count; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

/* Takes COBS off; 0 where a length points beyond the end. */
static uint32_t @_serial_unstuff(const uint8_t *bytes, uint32_t count, uint8_t *out) {
    uint32_t at = 0, end = 0;
    while (at < count) {
        const uint32_t length = bytes[at];
        if (length == 0 || at + length > count) {
            return 0;
        }
        memcpy(out + end, bytes + at + 1, length - 1);
        end += length - 1;
        at += length;
        if (at < count) {
            out[end++] = 0;
        }
    }
    return end;
}

/* Frames are shorter than 254 bytes, so that a run never ends without a zero. */
static void @_serial_send(const @_serial_port *port, uint8_t *plain, uint32_t count) {
    count = @_serial_add(plain, count, @_serial_crc(plain, count));
    port->write(port->user, 0);
    for (uint32_t first = 0; first <= count;) {
        uint32_t end = first;
        while (end < count && plain[end] != 0) {
            ++end;
        }
        port->write(port->user, (uint8_t)(end - first + 1u));
        for (uint32_t i = first; i < end; ++i) {
            port->write(port->user, plain[i]);
        }
        first = end + 1u;
    }
    port->write(port->user, 0);
}

static uint32_t @_serial_now(const @_serial_port *port) {
    if (port->cycles) {
        return port->cycles(port->user);
    }
#if defined(__riscv) && defined(__GNUC__)
    unsigned long now;
    __asm__ volatile(".insn i 0x73, 2, %0, x0, -1280" : "=r"(now)); /* csrr now, mcycle */
    return (uint32_t)now;
#elif defined(@_register)
    @_register(0xE000EDFCu) |= 1u << 24;
    @_register(0xE0001000u) |= 1u;
    return @_register(0xE0001004u);
#else
    return 0;
#endif
}

#if @@_SERIAL_STACK > 0
@_serial_apart static void @_serial_paint(@_serial_context *context) {
    volatile uint8_t room[@@_SERIAL_STACK];
    for (uint32_t i = 0; i < @@_SERIAL_STACK; ++i) {
        room[i] = 0xA5u;
    }
    context->low = (uintptr_t)room;
}

@_serial_apart static uint32_t @_serial_used(const @_serial_context *context) {
    const volatile uint8_t *const low = (const volatile uint8_t *)context->low;
    uint32_t clean = 0;
    while (clean < @@_SERIAL_STACK && low[clean] == 0xA5u) {
        ++clean;
    }
    return @@_SERIAL_STACK - clean;
}
#endif

static void @_serial_measure(@_serial_context *context, const @_serial_port *port) {
#if @@_SERIAL_STACK > 0
    @_serial_paint(context);
#endif
    const uint32_t start = @_serial_now(port);
    (void)@_predict(&context->model, context->input, &context->answer);
    context->cycles = @_serial_now(port) - start;
#if @@_SERIAL_STACK > 0
    context->stack = @_serial_used(context);
#endif
}

/* Values of a stage, or of the answer; 0 where there is no such stage. */
static const uint8_t *@_serial_values(const @_serial_context *context, uint32_t stage, uint32_t *words) {
    if (stage == 0xFFFFFFFFu) {
        *words = @@_ANSWER_WORDS;
        return (const uint8_t *)&context->answer;
    }
#ifdef @@_TAPS
    if (stage < (uint32_t)@@_STAGES) {
        const float *values;
        int count;
        @_stage((int)stage, &values, &count);
        *words = (uint32_t)count;
        return (const uint8_t *)values;
    }
#endif
    return 0;
}

static void @_serial_answer(@_serial_context *context, const @_serial_port *port, uint32_t count) {
    uint8_t *const plain = context->plain;
    const uint32_t argument = @_serial_word(plain + 2);
    uint32_t end = 2, words = 0;
    switch (plain[0]) {
    case @@_HELLO:
        end = @_serial_add(plain, end, @@_SERIAL_VERSION);
        end = @_serial_add(plain, end, @@_INPUTS);
        end = @_serial_add(plain, end, @@_ANSWER_WORDS);
#ifdef @@_TAPS
        end = @_serial_add(plain, end, @@_STAGES);
#else
        end = @_serial_add(plain, end, 0);
#endif
        memcpy(plain + end, @_serial_hash, sizeof @_serial_hash);
        memcpy(plain + end + 16, @_serial_name, sizeof @_serial_name - 1);
        end += 16u + (uint32_t)sizeof @_serial_name - 1u;
        break;
    case @@_ROW:
        words = (count - 6u) / 4u;
        if (argument > @@_INPUTS || words > @@_INPUTS - argument) {
            return;
        }
        memcpy(context->input + argument, plain + 6, 4u * words);
        break;
    case @@_RUN:
        @_serial_measure(context, port);
        end = @_serial_add(plain, end, context->cycles);
        end = @_serial_add(plain, end, context->stack);
        end = @_serial_add(plain, end, @@_SERIAL_STACK);
        break;
    case @@_READ: {
        const uint8_t *const values = @_serial_values(context, argument, &words);
        const uint32_t first = count == 10u ? @_serial_word(plain + 6) : words;
        if (values == 0 || first >= words) {
            return;
        }
        end = @_serial_add(plain, end, words);
        words = words - first < @@_SERIAL_VALUES ? words - first : @@_SERIAL_VALUES;
        memcpy(plain + end, values + 4u * first, 4u * words);
        end += 4u * words;
        break;
    }
    default:
        return;
    }
    plain[0] |= 0x10u;
    @_serial_send(port, plain, end);
}

void @_serial_run(@_serial_context *context, const @_serial_port *port) {
    for (;;) {
        const int byte = port->read(port->user);
        if (byte < 0) {
            return;
        }
        if (byte != 0) {
            /* What is too long is no request: its checksum is wrong. */
            context->held[context->count] = (uint8_t)byte;
            context->count += context->count + 1u < @@_SERIAL_FRAME ? 1u : 0u;
            continue;
        }
        const uint32_t count = @_serial_unstuff(context->held, context->count, context->plain);
        context->count = 0;
        if (count >= 10u && @_serial_word(context->plain + count - 4u) == @_serial_crc(context->plain, count - 4u)) {
            @_serial_answer(context, port, count - 4u);
        }
    }
}
