/* A board of Arm's MPS2 family as QEMU has it, with the line to its gateway at the first UART. Its flash is a part of RAM
 * that a reset leaves as it is. */
#include "net_link.h"
#include "net_update.h"
#include <string.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART 0x40004000u
#define DATA REGISTER(UART)
#define STATE REGISTER(UART + 4u)
#define CONTROL REGISTER(UART + 8u)
#define DIVIDER REGISTER(UART + 16u)
enum { SENDING = 1, RECEIVED = 2 };

extern uint32_t stack_top, data_load, data_start, data_end, bss_start, bss_end;
static struct {
    uint64_t memory[NET_REGION / 8];
    uint32_t mark;
} kept __attribute__((section(".noinit")));
static uint8_t *const flash = (uint8_t *)kept.memory;

int net_flash_erase(uint32_t page) {
    memset(flash + page, 0xff, NET_PAGE);
    return 0;
}

int net_flash_write(uint32_t address, const uint8_t *bytes, uint32_t count) {
    memcpy(flash + address, bytes, count);
    return 0;
}

int net_flash_read(uint32_t address, uint8_t *bytes, uint32_t count) {
    memcpy(bytes, flash + address, count);
    return 0;
}

int main(void) {
    static net_context context;
    static uint8_t answer[NET_LINK_ANSWER];
    if (kept.mark != 0x4b455054u) {
        memset(flash, 0xff, NET_REGION);
        kept.mark = 0x4b455054u;
    }
    DIVIDER = 16u;
    CONTROL = 3u;
    net_power_on(flash);
    for (;;) {
        if ((STATE & RECEIVED) == 0u) {
            continue;
        }
        const uint32_t count = net_link_take(&context, (uint8_t)DATA, answer);
        for (uint32_t i = 0; i < count; ++i) {
            while ((STATE & SENDING) != 0u) {
            }
            DATA = answer[i];
        }
    }
}

static void fault(void) {
    for (;;) {
    }
}

void start(void) {
    /* The floating-point unit is off after a reset. */
    REGISTER(0xE000ED88u) |= 0xFu << 20;
    __asm__ volatile("dsb\n isb");
    const uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = &bss_start; to < &bss_end; ++to) {
        *to = 0;
    }
    main();
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top, (const void *)start, (const void *)fault, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, 0, 0, 0, 0, (const void *)fault,
    (const void *)fault, 0, (const void *)fault, (const void *)fault,
};
