/* What the tests of fixed C share: a check that says where it failed. */
#include <stdio.h>
static int failures;
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            ++failures; \
        } \
    } while (0)
static int is_near(double value, double expected) {
    const double away = value - expected;
    return away < 1e-5 && away > -1e-5;
}
