"""The instructions of these cores as functions: intrinsics of ACLE, and C99 where there are none."""

from __future__ import annotations

from edgewright.export.c99_code.text import APART
from edgewright.export.c99_code.unit import Unit

_WHERE = """\
/* Cores with two 16-bit multipliers: assembly where GCC or Clang read it, else intrinsics, else C99 over the same
 * tables. -D@_NO_ASSEMBLY and -D@_NO_INTRINSICS leave the faster forms out. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && !defined(@_NO_INTRINSICS)
#include <arm_acle.h>
#define @_INTRINSICS 1
#if defined(__GNUC__) && defined(__thumb2__) && !defined(@_NO_ASSEMBLY)
#define @_ASSEMBLY 1
#endif
#endif"""
_TWO = """\
/* sum + the product of the low halfwords + that of the high ones. */
static inline int32_t @_two(uint32_t w, uint32_t x, int32_t sum) {
#ifdef @_INTRINSICS
    return __smlad((int16x2_t)w, (int16x2_t)x, sum);
#else
    const int32_t low = (int32_t)(int16_t)(w & 0xFFFFu) * (int16_t)(x & 0xFFFFu);
    const int32_t high = (int32_t)(int16_t)(w >> 16) * (int16_t)(x >> 16);
    return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);
#endif
}"""
_BYTES = """\
/* The first and the third byte as halfwords, with their signs. */
static inline uint32_t @_bytes(uint32_t x) {
#ifdef @_INTRINSICS
    return (uint32_t)__sxtb16((int8x4_t)x);
#else
    return (uint32_t)(uint16_t)(int8_t)(x & 0xFFu) | (uint32_t)(uint16_t)(int8_t)(x >> 16 & 0xFFu) << 16;
#endif
}"""
_OTHERS = """\
/* The second and the fourth byte as halfwords, with their signs. */
static inline uint32_t @_others(uint32_t x) {
#ifdef @_ASSEMBLY
    uint32_t made;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(made) : "r"(x));
    return made;
#else
    return @_bytes(x >> 8);
#endif
}"""
_SECOND = """\
/* The sum of the second row of a pair: `both` has it 256 times, beside that of the first. */
static inline int32_t @_second(int32_t both, int32_t first) {
    return (int32_t)((uint32_t)both - (uint32_t)first) >> 8;
}"""
_ROUNDED_ONCE = """\
/* v * m / 2^(32 + e), rounded once: no product but 0 ends with 32 zeros, so that its upper half says it all. */
static inline int32_t @_rounded_once(int32_t v, int32_t m, int32_t e) {
    return ((int32_t)((int64_t)v * m >> 32) + (INT32_C(1) << (e - 1))) >> e;
}"""
_ROUNDED_SUM = """\
/* v * m / 2^32 / 2^e, rounded at the product, halves upwards, and at the shift, halves away from zero. */
static inline int32_t @_rounded_sum(int32_t v, int32_t m, int32_t e) {
    const int32_t high = (int32_t)(((int64_t)v * m + (INT64_C(1) << 31)) >> 32);
    return (high + (INT32_C(1) << (e - 1)) - (high < 0)) >> e;
}"""
_ROUNDED_TWICE = """\
static inline int32_t @_rounded_twice(int32_t v, int32_t m, int32_t e) {
    return @_rounded_sum(2 * v, m, e);
}"""
# GCC's own __ssat converts to a number without a sign and back.
_BYTE = """\
static inline int32_t @_byte(int32_t v) {
#ifdef @_INTRINSICS
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif
    return __ssat(v, 8);
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
#else
    return v < -128 ? -128 : v > 127 ? 127 : v;
#endif
}"""


def instructions(unit: Unit, *, single: bool) -> str:
    """Write the functions that the kernels share; return the name of that which rounds."""
    unit.helper("apart", APART)
    unit.helper("instructions", _WHERE)
    for name, text in (("two", _TWO), ("bytes", _BYTES), ("others", _OTHERS), ("second", _SECOND), ("byte", _BYTE)):
        unit.helper(name, text)
    if not single:
        unit.helper("rounded_sum", _ROUNDED_SUM)
    rounded = "rounded_once" if single else "rounded_twice"
    return unit.helper(rounded, _ROUNDED_ONCE if single else _ROUNDED_TWICE)
