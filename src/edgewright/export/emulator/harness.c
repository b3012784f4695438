/* Bare metal: feeds rows from a file of the host to the generated code, writes what it answers to another.
 *
 * core.h, one file per instruction set, has what differs: how the program starts, calls the host and counts. A tick is
 * a fixed number of instructions under `-icount shift=0`, and repeating a call makes the count exact.
 */
#include <stdint.h>

#ifndef INPUT_BYTES
#error "INPUT_BYTES and OUTPUT_BYTES say how large a row and an answer are"
#endif
#define PAINT 0xA5A5A5A5u
#define PAINTED_WORDS 16384u

enum { HOST_OPEN = 0x01, HOST_CLOSE = 0x02, HOST_WRITE = 0x05, HOST_READ = 0x06, HOST_EXIT = 0x18 };

extern uint32_t stack_top, data_load, data_start, data_end, bss_start, bss_end;
int main(void);
void load(void);
void fault(void);
void emulator_entry(const void *in, void *out);
void emulator_nothing(const void *in, void *out);

static uint64_t row[(INPUT_BYTES + 7) / 8];
static uint64_t answer[(OUTPUT_BYTES + 7) / 8];
#include "core.h"

/* What the host reads from report.bin. */
static struct {
    uint32_t rows, repeats, ticks, idle_ticks, stack;
} report;

static void leave(int right) {
    /* The reason itself is the argument: 'application exit' is status 0, anything else 1. */
    host(HOST_EXIT, (const void *)(right ? 0x20026u : 0x20023u));
    for (;;) {
    }
}

static int32_t open_file(const char *name, uint32_t length, uint32_t mode) {
    const uint32_t block[3] = {(uint32_t)name, mode, length};
    const int32_t file = host(HOST_OPEN, block);
    if (file < 0) {
        leave(0);
    }
    return file;
}

static uint32_t transfer(int32_t operation, int32_t file, void *bytes, uint32_t count) {
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)bytes, count};
    /* Both reading and writing give the number of bytes that were not moved. */
    return count - (uint32_t)host(operation, block);
}

static uint32_t timed(void (*volatile entry)(const void *, void *), uint32_t repeats) {
    const uint32_t start = now();
    for (uint32_t i = 0; i < repeats; ++i) {
        entry(row, answer);
    }
    return now() - start;
}

__attribute__((noinline)) static uint32_t stack_used(void) {
    uint32_t *top;
    __asm__ volatile(STACK_POINTER : "=r"(top));
    uint32_t words = (uint32_t)(top - &bss_end);
    words = words < PAINTED_WORDS ? words : PAINTED_WORDS;
    volatile uint32_t *const low = top - words;
    for (uint32_t i = 0; i < words; ++i) {
        low[i] = PAINT;
    }
    emulator_entry(row, answer);
    uint32_t clean = 0;
    while (clean < words && low[clean] == PAINT) {
        ++clean;
    }
    return 4u * (words - clean);
}

void emulator_nothing(const void *in, void *out) {
    (void)in;
    (void)out;
}

void fault(void) {
    leave(0);
}

int main(void) {
    const int32_t in = open_file("rows.bin", 8, 1), out = open_file("answers.bin", 11, 5);
    start_counter();
    while (transfer(HOST_READ, in, row, INPUT_BYTES) == INPUT_BYTES) {
        if (report.rows == 0) {
            report.stack = stack_used();
            const uint32_t once = timed(emulator_entry, 1) + 1u;
            report.repeats = MOST_TICKS / once;
            report.repeats = report.repeats > 256u ? 256u : (report.repeats < 1u ? 1u : report.repeats);
            report.ticks = timed(emulator_entry, report.repeats);
            report.idle_ticks = timed(emulator_nothing, report.repeats);
        }
        ++report.rows;
        emulator_entry(row, answer);
        if (transfer(HOST_WRITE, out, answer, OUTPUT_BYTES) != OUTPUT_BYTES) {
            leave(0);
        }
    }
    host(HOST_CLOSE, &out);
    const int32_t file = open_file("report.bin", 10, 5);
    transfer(HOST_WRITE, file, &report, sizeof report);
    host(HOST_CLOSE, &file);
    leave(1);
    return 0;
}

void load(void) {
    const uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = &bss_start; to < &bss_end; ++to) {
        *to = 0;
    }
    main();
}
