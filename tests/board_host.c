/* A board on the host: flash that erases to ones and programs to zeros, and whose power can be cut at any operation. */
#define _GNU_SOURCE
#include "net.h"
#include "net_link.h"
#include "net_update.h"
#include "net_verify.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { CUT = 77 };

static net_context context;
static uint8_t *flash;
static long operations, cut_at = -1;
static int torn;
static uint32_t dice = 1;

static uint32_t roll(void) {
    dice = dice * 1664525u + 1013904223u;
    return dice >> 8;
}

static int cut(void) {
    return operations++ == cut_at;
}

int net_flash_erase(uint32_t page) {
    if (page % NET_PAGE != 0 || page >= NET_REGION) {
        abort();
    }
    const int now = cut();
    for (uint32_t i = 0; i < NET_PAGE; ++i) {
        /* 0: nothing was erased; 1: all; 2: half; 3: here and there; 4: bits here and there. */
        if (!now || torn == 1 || (torn == 2 && i < NET_PAGE / 2) || (torn == 3 && (roll() & 1u))) {
            flash[page + i] = 0xff;
        } else if (torn == 4) {
            flash[page + i] |= (uint8_t)roll();
        }
    }
    if (now) {
        _exit(CUT);
    }
    return 0;
}

int net_flash_write(uint32_t address, const uint8_t *bytes, uint32_t count) {
    if (address % NET_WRITE_UNIT != 0 || count % NET_WRITE_UNIT != 0 || address + count > NET_REGION) {
        abort();
    }
    for (uint32_t i = 0; i < count; ++i) {
        if (flash[address + i] != 0xff) {
            return 1;
        }
    }
    const int now = cut();
    const uint32_t words = count / NET_WRITE_UNIT, whole = !now || torn == 1 ? words : torn == 0 ? 0 : roll() % words;
    memcpy(flash + address, bytes, whole * NET_WRITE_UNIT);
    if (now && torn > 1 && whole < words) {
        /* The word at which it happened has some of its bits. */
        for (uint32_t i = 0; i < NET_WRITE_UNIT; ++i) {
            flash[address + whole * NET_WRITE_UNIT + i] = (uint8_t)(bytes[whole * NET_WRITE_UNIT + i] | roll());
        }
    }
    if (now) {
        _exit(CUT);
    }
    return 0;
}

int net_flash_read(uint32_t address, uint8_t *bytes, uint32_t count) {
    memcpy(bytes, flash + address, count);
    return 0;
}

static uint8_t *load(const char *path, uint32_t *length) {
    static uint8_t files[4][1 << 16];
    static int count;
    FILE *file = fopen(path, "rb");
    if (file == 0) {
        abort();
    }
    uint8_t *bytes = files[count++ & 3];
    *length = (uint32_t)fread(bytes, 1, sizeof files[0], file);
    fclose(file);
    return bytes;
}

static void name_of(const uint8_t *bytes, uint32_t length, uint8_t name[16]) {
    static net_sha512 hash;
    uint8_t digest[64];
    net_sha512_begin(&hash);
    net_sha512_add(&hash, bytes, length);
    net_sha512_end(&hash, digest);
    memcpy(name, digest, 16);
}

static int receive(const uint8_t *bytes, uint32_t length, const uint8_t name[16]) {
    int code = net_begin(length, name);
    for (uint32_t at = 0; code == NET_OK && at < length; at += 64) {
        code = net_write(at, bytes + at, length - at < 64 ? length - at : 64);
    }
    code = code == NET_OK ? net_verify() : code;
    return code;
}

static int install(const uint8_t *bytes, uint32_t length) {
    uint8_t name[16];
    name_of(bytes, length, name);
    int code = receive(bytes, length, name);
    code = code == NET_OK ? net_self_test(&context) : code;
    return code == NET_OK ? net_activate() : code;
}

static uint32_t counter(void) {
    net_status status;
    net_look(&status);
    return status.counter;
}

static int trial(void) {
    net_status status;
    net_look(&status);
    return status.trial;
}

/* Everything an update does, with a start while it is on trial. */
static void story(const uint8_t *bytes, uint32_t length) {
    if (net_power_on(flash) != NET_OK || install(bytes, length) != NET_OK || net_power_on(flash) != NET_OK ||
        net_confirm() != NET_OK || counter() != 2) {
        _exit(1);
    }
    _exit(0);
}

/* What must hold after any cut: the old or the new weights answer, and the update can be done again. */
static void after(const uint8_t *bytes, uint32_t length) {
    static net_answer answer;
    static float input[NET_INPUTS];
    if (net_power_on(flash) != NET_OK || (net_predict(&context, input, &answer) & (int)NET_NO_WEIGHTS) != 0) {
        _exit(2);
    }
    if (counter() == 1 && (trial() != 0 || install(bytes, length) != NET_OK)) {
        _exit(3);
    }
    if (counter() != 2 || net_confirm() != NET_OK || net_power_on(flash) != NET_OK || counter() != 2 || trial() != 0) {
        _exit(4);
    }
    if (install(bytes, length) != NET_OLDER || counter() != 2) {
        _exit(5);
    }
    _exit(0);
}

static int in_child(void (*what)(const uint8_t *, uint32_t), const uint8_t *bytes, uint32_t length, long at) {
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        operations = 0;
        cut_at = at;
        what(bytes, length);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static int cuts(const char *old_path, const char *new_path) {
    static uint8_t before[NET_REGION], between[NET_REGION];
    uint32_t old_length, new_length;
    const uint8_t *old = load(old_path, &old_length), *fresh = load(new_path, &new_length);
    if (net_power_on(flash) != NET_NONE || install(old, old_length) != NET_OK || net_confirm() != NET_OK) {
        return 1;
    }
    memcpy(before, flash, sizeof before);
    const uint32_t seed = dice;
    long states = 0, at = 0;
    for (;; ++at) {
        int over = 0;
        for (torn = 0; torn < 5; ++torn) {
            memcpy(flash, before, sizeof before);
            /* What a child rolls stays in the child. */
            dice = (seed + 1u) * 2654435761u + (uint32_t)(5 * at + torn) * 40503u;
            (void)roll();
            (void)roll();
            const int code = in_child(story, fresh, new_length, at);
            if (code == 0) {
                over = 1;
                break;
            }
            if (code != CUT) {
                printf("the update itself gave %d at operation %ld\n", code, at);
                return 1;
            }
            memcpy(between, flash, sizeof between);
            /* And the power fails again while the board gets up. */
            for (long again = -1; again < 2; ++again) {
                memcpy(flash, between, sizeof between);
                int found = CUT;
                if (again >= 0) {
                    found = in_child(after, fresh, new_length, again);
                }
                found = found == CUT ? in_child(after, fresh, new_length, -1) : found;
                ++states;
                if (found != 0) {
                    printf("cut at operation %ld, torn %d, again %ld: %d\n", at, torn, again, found);
                    return 1;
                }
            }
        }
        if (over) {
            break;
        }
    }
    printf("%ld operations, %ld states\n", at, states);
    return 0;
}

/* Flips of single bits, every `step`th: announced as they are, and as the file that was meant. */
static int flips(const char *path, uint32_t step) {
    uint32_t length, tried = 0;
    uint8_t *bytes = load(path, &length), meant[16], name[16];
    const uint32_t was = counter();
    name_of(bytes, length, meant);
    for (uint32_t bit = 0; bit < 8 * length; bit += step) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit & 7));
        name_of(bytes, length, name);
        const int as_it_is = receive(bytes, length, name), as_meant = receive(bytes, length, meant);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit & 7));
        tried += 2;
        if (as_it_is == NET_OK || as_meant != NET_DAMAGED || counter() != was || net_activate() != NET_ORDER) {
            printf("bit %u: %d, %d\n", bit, as_it_is, as_meant);
            return 1;
        }
    }
    printf("%u refused\n", tried);
    return 0;
}

/* The board at the end of a line, an open file, until it is ended. */
static int serve(const char *line) {
    static uint8_t answer[NET_LINK_ANSWER];
    const int file = atoi(line);
    struct termios settings;
    if (tcgetattr(file, &settings) != 0) {
        return 1;
    }
    cfmakeraw(&settings);
    tcsetattr(file, TCSANOW, &settings);
    net_power_on(flash);
    for (;;) {
        uint8_t byte;
        if (read(file, &byte, 1) != 1) {
            return 0;
        }
        const uint32_t count = net_link_take(&context, byte, answer);
        if (count > 0 && write(file, answer, count) != (ssize_t)count) {
            return 1;
        }
    }
}

int main(int count, char **words) {
    /* The flash is a file: it stays when the power goes. */
    const int file = open(words[1], O_RDWR | O_CREAT, 0600);
    const long had = lseek(file, 0, SEEK_END);
    if (ftruncate(file, NET_REGION) != 0) {
        return 1;
    }
    flash = mmap(0, NET_REGION, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (flash == MAP_FAILED) {
        return 1;
    }
    if (had == 0) {
        memset(flash, 0xff, NET_REGION);
    }
    const char *what = count > 2 ? words[2] : "";
    if (strcmp(what, "cuts") == 0) {
        dice = count > 5 ? (uint32_t)atoi(words[5]) : 1u;
        return cuts(words[3], words[4]);
    }
    if (strcmp(what, "serve") == 0) {
        return serve(words[3]);
    }
    int code = net_power_on(flash);
    printf("%d", code);
    if (strcmp(what, "flips") == 0) {
        return flips(words[3], (uint32_t)atoi(words[4]));
    }
    /* Files to install, 'confirm', 'revert' and 'start'; the code of each, and at last counter, trial and label. */
    for (int i = 2; i < count; ++i) {
        uint32_t length;
        if (strcmp(words[i], "confirm") == 0) {
            code = net_confirm();
        } else if (strcmp(words[i], "revert") == 0) {
            code = net_revert();
        } else if (strcmp(words[i], "start") == 0) {
            code = net_power_on(flash);
        } else {
            const uint8_t *bytes = load(words[i], &length);
            code = install(bytes, length);
        }
        printf(" %d", code);
    }
    static net_answer answer;
    static float input[NET_INPUTS];
    (void)net_predict(&context, input, &answer);
    printf(" | %u %d %d\n", counter(), trial(), answer.label);
    return 0;
}
