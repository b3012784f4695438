/* What ziglang's library for a core without an operating system lacks. */
#include <math.h>
#include <string.h>

float rintf(float x) {
    /* Above 2^23 every float is whole; below, adding and subtracting it rounds half to even. */
    const float big = __builtin_copysignf(0x1p23f, x);
    volatile float sum = x + big;
    return __builtin_fabsf(x) < 0x1p23f ? __builtin_copysignf(sum - big, x) : x;
}

double rint(double x) {
    const double big = __builtin_copysign(0x1p52, x);
    volatile double sum = x + big;
    return __builtin_fabs(x) < 0x1p52 ? __builtin_copysign(sum - big, x) : x;
}

float tanhf(float x) {
    /* tanh x = (e^2x - 1) / (e^2x + 1); from 10 on it rounds to 1. */
    const float power = expm1f(2.0f * __builtin_fabsf(x));
    const float y = __builtin_fabsf(x) > 10.0f ? 1.0f : power / (power + 2.0f);
    return x != x ? x : __builtin_copysignf(y, x);
}

int strcmp(const char *first, const char *second) {
    while (*first != '\0' && *first == *second) {
        ++first;
        ++second;
    }
    return (int)(unsigned char)*first - (int)(unsigned char)*second;
}

char *strcpy(char *to, const char *from) {
    return memcpy(to, from, strlen(from) + 1);
}

char *strchr(const char *text, int wanted) {
    const char letter = (char)wanted;
    while (*text != letter) {
        if (*text == '\0') {
            return 0;
        }
        ++text;
    }
    return (char *)text;
}

int strncmp(const char *first, const char *second, size_t count) {
    for (; count > 0 && *first != '\0' && *first == *second; --count) {
        ++first;
        ++second;
    }
    return count == 0 ? 0 : (int)(unsigned char)*first - (int)(unsigned char)*second;
}
