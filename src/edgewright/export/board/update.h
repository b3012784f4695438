#ifndef @@_UPDATE_H
#define @@_UPDATE_H

#include "@.h"
#include <stdint.h>

/*
 * New weights for the code in @.c: received into one of two slots of flash while the other is at work, verified,
 * tested, and swapped in. A power cut at any moment leaves the old or the new weights at work.
 *
 * The region of flash, addresses from 0: two pages with a small record each, then the two slots.
 * There is one flash, so its state is static: call everything here from the thread that calls @_predict.
 */
#ifndef @@_PAGE
#define @@_PAGE 2048u /* bytes erased at once */
#endif
#ifndef @@_WRITE_UNIT
#define @@_WRITE_UNIT 8u /* bytes programmed at once; a divisor of 64 */
#endif
#ifndef @@_SLOT
#define @@_SLOT (((@LENGTH@u + @@_PAGE - 1u) / @@_PAGE) * @@_PAGE) /* bytes of a slot, whole pages */
#endif
#ifndef @@_STARTS
#define @@_STARTS 3u /* starts that weights on trial have before the board goes back by itself */
#endif
#define @@_REGION (2u * @@_PAGE + 2u * @@_SLOT)
#define @@_FORMAT 1u
#define @@_HEADER 128u
#define @@_SIGNATURE 64u

/* Yours: 0 where it worked. Addresses and lengths of writes are multiples of WRITE_UNIT, in pages that were erased. */
int @_flash_erase(uint32_t page_address);
int @_flash_write(uint32_t address, const uint8_t *bytes, uint32_t count);
int @_flash_read(uint32_t address, uint8_t *bytes, uint32_t count);

enum {
    @@_OK = 0,
    @@_ORDER = 1,           /* not now: another step comes first */
    @@_TOO_LONG = 2,        /* more than a slot, or less than a header and a signature */
    @@_GAP = 3,             /* bytes before these are missing */
    @@_FLASH = 4,           /* erasing, writing or reading failed: begin again */
    @@_DAMAGED = 5,         /* other bytes than were announced */
    @@_FORMAT_UNKNOWN = 6,  /* no weights, or of another format */
    @@_OTHER_LAYOUT = 7,    /* for other code: that is a firmware update */
    @@_OLDER = 8,           /* not above what was at work here */
    @@_WRONG_SIGNATURE = 9,
    @@_WRONG_ANSWERS = 10,  /* the test vectors give other answers here */
    @@_ON_TRIAL = 11,       /* confirm or revert what is on trial first */
    @@_NONE = 12            /* no slot holds weights */
};
enum { @@_IDLE = 0, @@_RECEIVING = 1, @@_RECEIVED = 2, @@_VERIFIED = 3, @@_TESTED = 4 };

typedef struct {
    uint8_t state;     /* of what is being received */
    uint8_t active;    /* slot at work, 255 for none */
    uint8_t trial;     /* 0, or one more than the starts that are left to weights on trial */
    uint32_t received; /* bytes */
    uint32_t length;   /* bytes announced */
    uint32_t counter;  /* of the weights at work */
    uint32_t floor;    /* new weights need a higher counter */
    uint8_t name[16];  /* first bytes of the SHA-512 of what is announced, or of what is at work */
} @_status;

extern const uint8_t @_layout[32];
extern const uint8_t @_key[32];

/*
 * First, after every start: `mapped` is where address 0 of the region can be read, aligned to 8 bytes. Chooses the slot;
 * counts a start of weights on trial and goes back when none is left. OK, NONE, or FLASH.
 */
int @_power_on(const void *mapped);
/* Announces weights: their bytes, and the first 16 of their SHA-512. What was begun under this name goes on. */
int @_begin(uint32_t length, const uint8_t name[16]);
/* The next bytes, in order; whole WRITE_UNITs but for the last. Bytes that are there already are taken again. */
int @_write(uint32_t offset, const uint8_t *bytes, uint32_t count);
/* Damage, format, layout, counter, signature. Takes long: see the header of the signature's code. */
int @_verify(void);
/* The file's own test vectors, answered with the new weights; `context` is the memory for that. */
int @_self_test(@_context *context);
/* One record is written, and the new weights are at work, on trial. */
int @_activate(void);
/* The trial is over: nothing older is taken from now on. */
int @_confirm(void);
/* Back to the other slot, and what was on trial is never taken again; or what is being received is dropped. */
int @_revert(void);
void @_look(@_status *status);
uint32_t @_crc32(const uint8_t *bytes, uint32_t count);

#endif
