/* Cortex-M: SysTick counts. The emulator's clock advances by one nanosecond per instruction. */
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYSTICK_CONTROL REGISTER(0xE000E010u)
#define SYSTICK_RELOAD REGISTER(0xE000E014u)
#define SYSTICK_VALUE REGISTER(0xE000E018u)
#define FULL 0xFFFFFFu
#define STACK_POINTER "mov %0, sp"

void start(void);
void SysTick_Handler(void);

static volatile uint32_t wraps;

static int32_t host(int32_t operation, const void *argument) {
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void start_counter(void) {
    SYSTICK_RELOAD = FULL;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 7;
}

static uint32_t now(void) {
    /* Read again where the counter wrapped in between. */
    for (;;) {
        const uint32_t before = wraps;
        const uint32_t value = SYSTICK_VALUE;
        if (before == wraps) {
            return before * (FULL + 1u) + (FULL - value);
        }
    }
}

void SysTick_Handler(void) {
    ++wraps;
}

void start(void) {
#if defined(__ARM_FP) && !defined(__SOFTFP__)
    /* The floating-point unit is off after a reset. */
    REGISTER(0xE000ED88u) |= 0xFu << 20;
    __asm__ volatile("dsb\n isb");
#endif
    load();
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top, (const void *)start, (const void *)fault, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, 0, 0, 0, 0, (const void *)fault,
    (const void *)fault, 0, (const void *)fault, (const void *)SysTick_Handler,
};
