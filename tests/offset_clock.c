/* Preloaded into a process: its time of day, and its clock that counts sleep, are as far off as a mapped file says.

   EDGEWRIGHT_CLOCK names a file of two numbers (double, seconds): added to the time of day, and to the clock that
   goes on while a machine sleeps. The monotonic clock, by which processes wait, is left alone: so it is where somebody
   sets a clock, and where a machine was suspended. libfaketime 0.9.10 cannot be used for it: with the monotonic clock
   left alone, sleeping until a moment of that clock (Python's time.sleep) fails with EINVAL. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const double *off; /* day, sleep */
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("EDGEWRIGHT_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (file < 0) return;
    void *page = mmap(NULL, 2 * sizeof(double), PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) off = page;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) begin(); /* asked by the constructor of another library */
    int failed = real(clock, now);
    int day = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (!failed && off && (day || clock == CLOCK_BOOTTIME)) {
        double whole, rest = modf(off[day ? 0 : 1], &whole);
        long parts = now->tv_nsec + (long)(rest * 1e9);
        now->tv_sec += (time_t)whole + (parts >= 1000000000L) - (parts < 0);
        now->tv_nsec = parts + (parts < 0 ? 1000000000L : parts >= 1000000000L ? -1000000000L : 0);
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &found)) return -1;
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (into) *into = found.tv_sec;
    return found.tv_sec;
}
