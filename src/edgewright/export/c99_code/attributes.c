/* Whether functions stand alone, and a loop in float instructions; `text.py` and `unit.py` name them. */

/* block apart */
#if defined(__GNUC__)
#define @_apart __attribute__((noinline))
#else
#define @_apart
#endif

/* block small */
#if defined(__GNUC__)
#define @_small __attribute__((noinline, cold))
#else
#define @_small
#endif

/* block less */
/* Numbers less two levels, one after the other. */
static void @_less(float *y, const float *x, float p, float q, int count) {
#ifdef @_FLOATS
    for (; count >= 8; count -= 8) {
        __asm__ volatile(
            "vldmia %[x]!, {s0-s7}\n"
            "vsub.f32 s0, s0, %[p]\n"
            "vsub.f32 s1, s1, %[p]\n"
            "vsub.f32 s2, s2, %[p]\n"
            "vsub.f32 s3, s3, %[p]\n"
            "vsub.f32 s4, s4, %[p]\n"
            "vsub.f32 s5, s5, %[p]\n"
            "vsub.f32 s6, s6, %[p]\n"
            "vsub.f32 s7, s7, %[p]\n"
            "vsub.f32 s0, s0, %[q]\n"
            "vsub.f32 s1, s1, %[q]\n"
            "vsub.f32 s2, s2, %[q]\n"
            "vsub.f32 s3, s3, %[q]\n"
            "vsub.f32 s4, s4, %[q]\n"
            "vsub.f32 s5, s5, %[q]\n"
            "vsub.f32 s6, s6, %[q]\n"
            "vsub.f32 s7, s7, %[q]\n"
            "vstmia %[y]!, {s0-s7}\n"
            : [x] "+r"(x), [y] "+r"(y) : [p] "t"(p), [q] "t"(q)
            : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "memory");
    }
#endif
    for (; count > 0; --count) {
        *y++ = *x++ - p - q;
    }
}
