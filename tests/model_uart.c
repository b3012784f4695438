/* A firmware that answers `edgewright prove --serial`, on the UART of an emulated board: Arm's MPS2, or virt of RISC-V. */
#include "small_serial.h"

enum { HOST_OPEN = 1 };
extern uint32_t stack_top, data_load, data_start, data_end, bss_start, bss_end;
int main(void);
void load(void);
void fault(void);
#include "core.h"

#ifdef __riscv
#define UART ((volatile uint8_t *)0x10000000u)
#define RECEIVED (UART[5] & 1u)
#define BUSY (!(UART[5] & 0x20u))
#define DATA UART[0]
#else
#define UART ((volatile uint32_t *)0x40004000u)
#define RECEIVED (UART[1] & 2u)
#define BUSY (UART[1] & 1u)
#define DATA UART[0]
#endif

static int get(void *user) {
    (void)user;
    while (!RECEIVED) {
    }
    return (int)(uint8_t)DATA;
}

static void put(void *user, uint8_t byte) {
    (void)user;
    while (BUSY) {
    }
    DATA = byte;
}

int main(void) {
    static small_serial_context context;
    static const small_serial_port port = {get, put, 0, 0};
#ifndef __riscv
    UART[4] = 16u;
    UART[2] = 3u;
#endif
    small_serial_run(&context, &port);
    return 0;
}

void fault(void) {
    for (;;) {
    }
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
