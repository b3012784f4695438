/* RISC-V, machine mode: the counter of retired instructions is read itself. */
#define STACK_POINTER "mv %0, sp"

void start(void);

static int32_t host(int32_t operation, const void *argument) {
    register int32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    /* Three uncompressed instructions in one page mark a call of the host. */
    __asm__ volatile(".balign 16\n .option push\n .option norvc\n"
                     "slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n .option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

static void start_counter(void) {
}

static uint32_t now(void) {
    uint32_t retired;
    __asm__ volatile(".option push\n .option arch, +zicsr\n csrr %0, minstret\n .option pop" : "=r"(retired));
    return retired;
}

#if defined(__riscv_zve32x) || defined(__riscv_v)
/* Vectors are off after a reset. */
#define VECTORS_ON "li t0, 0x600\n csrs mstatus, t0\n"
#else
#define VECTORS_ON ""
#endif

/* The thread pointer is for errno of the library. A trap ends the program. */
__attribute__((naked, section(".vectors"), used)) void start(void) {
    __asm__ volatile(".option push\n .option norelax\n la gp, __global_pointer$\n .option pop\n"
                     "la sp, stack_top\n la tp, thread_start\n la t0, trap\n"
                     ".option push\n .option arch, +zicsr\n csrw mtvec, t0\n" VECTORS_ON ".option pop\n j load\n"
                     ".balign 4\n trap: j fault");
}
