/* Frames of rows for a serial line, as `edgewright device` reads them with form = "framed".
 *
 * Plain C99 and C++11, no heap, no library beyond string.h. A frame is coded by COBS, so that a zero byte stands
 * between frames and nowhere else, and ends in a CRC-32 (IEEE 802.3). Inside, little endian:
 *
 *   rows   E1  channels u8  rows u8  format u8  sequence u32  time u64 (us)  period u32 (us)  values  crc u32
 *   hello  E2  channels u8  0   u8  0      u8  rate f32      names, comma-separated             crc u32
 *
 * `sequence` counts rows. Count a row that could not be sent too: that is how the receiver knows what is missing.
 */
#ifndef EDGEWRIGHT_FRAME_H
#define EDGEWRIGHT_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of room for a frame of so many rows of float: the head, the values, the CRC, COBS and the closing zero. */
#define EW_ROOM(rows, channels) (24u + 4u * (rows) * (channels) + (24u + 4u * (rows) * (channels)) / 254u + 3u)
/* Bytes of room for a hello whose names are so many characters long, commas included. */
#define EW_HELLO_ROOM(characters) (12u + (characters) + (12u + (characters)) / 254u + 3u)

typedef struct {
    uint8_t *bytes;
    size_t room, used, code_at;
    uint8_t code;
    uint32_t crc;
} ew_out;

/* A clock of 32 bits (micros(), k_cycle_get_32()) as one of 64; ask it at least once before it overflows. */
typedef struct {
    uint32_t last, high;
} ew_clock;

static inline uint64_t ew_time(ew_clock *clock, uint32_t now) {
    if (now < clock->last) {
        clock->high++;
    }
    clock->last = now;
    return ((uint64_t)clock->high << 32) | now;
}

/* One byte through COBS: a group is closed where a zero stands, or after 254 bytes. */
static inline void ew_stuff(ew_out *out, uint8_t byte) {
    if (out->used + 2 > out->room) {
        out->room = 0; /* too small: ew_end gives 0 */
        return;
    }
    if (byte != 0) {
        out->bytes[out->used++] = byte;
        out->code++;
    }
    if (byte == 0 || out->code == 0xFF) {
        out->bytes[out->code_at] = out->code;
        out->code_at = out->used++;
        out->code = 1;
    }
}

/* CRC-32 by half bytes: 64 bytes of table. */
static inline uint32_t ew_crc(uint32_t crc, uint8_t byte) {
    static const uint32_t table[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
        0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
    };
    crc ^= byte;
    crc = (crc >> 4) ^ table[crc & 15u];
    return (crc >> 4) ^ table[crc & 15u];
}

static inline void ew_put(ew_out *out, uint8_t byte) {
    out->crc = ew_crc(out->crc, byte);
    ew_stuff(out, byte);
}

static inline void ew_put32(ew_out *out, uint32_t word) {
    int i;
    for (i = 0; i < 4; i++) {
        ew_put(out, (uint8_t)(word >> (8 * i)));
    }
}

static inline void ew_put_float(ew_out *out, float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    ew_put32(out, word);
}

static inline void ew_begin(ew_out *out, uint8_t *bytes, size_t room) {
    out->bytes = bytes;
    out->room = room;
    out->used = 1;
    out->code_at = 0;
    out->code = 1;
    out->crc = 0xFFFFFFFFu;
}

/* Bytes of the whole frame, or 0 where the room was too small. */
static inline size_t ew_end(ew_out *out) {
    uint32_t crc = ~out->crc;
    int i;
    for (i = 0; i < 4; i++) {
        ew_stuff(out, (uint8_t)(crc >> (8 * i)));
    }
    if (out->room == 0 || out->used + 1 > out->room) {
        return 0;
    }
    out->bytes[out->code_at] = out->code;
    out->bytes[out->used++] = 0;
    return out->used;
}

static inline void ew_head(ew_out *out, uint8_t channels, uint8_t rows, uint8_t format, uint32_t sequence,
                           uint64_t time_us, uint32_t period_us) {
    ew_put(out, 0xE1);
    ew_put(out, channels);
    ew_put(out, rows);
    ew_put(out, format);
    ew_put32(out, sequence);
    ew_put32(out, (uint32_t)time_us);
    ew_put32(out, (uint32_t)(time_us >> 32));
    ew_put32(out, period_us);
}

/* A frame of rows of float, one row after another. `bytes` has EW_ROOM(rows, channels). */
static inline size_t ew_rows(uint8_t *bytes, size_t room, const float *values, uint8_t rows, uint8_t channels,
                             uint32_t sequence, uint64_t time_us, uint32_t period_us) {
    ew_out out;
    size_t i;
    ew_begin(&out, bytes, room);
    ew_head(&out, channels, rows, 0, sequence, time_us, period_us);
    for (i = 0; i < (size_t)rows * channels; i++) {
        ew_put_float(&out, values[i]);
    }
    return ew_end(&out);
}

/* The same of int16: raw counts in half the bytes. */
static inline size_t ew_rows_int16(uint8_t *bytes, size_t room, const int16_t *values, uint8_t rows,
                                   uint8_t channels, uint32_t sequence, uint64_t time_us, uint32_t period_us) {
    ew_out out;
    size_t i;
    ew_begin(&out, bytes, room);
    ew_head(&out, channels, rows, 1, sequence, time_us, period_us);
    for (i = 0; i < (size_t)rows * channels; i++) {
        ew_put(&out, (uint8_t)((uint16_t)values[i] & 0xFFu));
        ew_put(&out, (uint8_t)((uint16_t)values[i] >> 8));
    }
    return ew_end(&out);
}

/* What the columns are called ("acc_x [g],acc_y [g]") and how many rows a second come: send it every few seconds. */
static inline size_t ew_hello(uint8_t *bytes, size_t room, uint8_t channels, float rate, const char *names) {
    ew_out out;
    ew_begin(&out, bytes, room);
    ew_put(&out, 0xE2);
    ew_put(&out, channels);
    ew_put(&out, 0);
    ew_put(&out, 0);
    ew_put_float(&out, rate);
    while (*names != '\0') {
        ew_put(&out, (uint8_t)*names++);
    }
    return ew_end(&out);
}

#endif
