/*
 * A board to try things with, on a computer: code that was exported with --slots under the name `pump`, its flash in a
 * file that stays when the program is ended (the power is cut), and the line to the gateway as a TCP port of this machine.
 *
 *     cc -O1 -Ifirmware firmware/pump*.c board.c -lm -o board && ./board flash.bin 7001
 *
 * On a real board flash_erase, flash_write and flash_read drive the flash, and the loop below reads a UART.
 */
#define _DEFAULT_SOURCE
#include "pump_link.h"
#include "pump_update.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t *flash;

int pump_flash_erase(uint32_t page) {
    memset(flash + page, 0xff, PUMP_PAGE);
    return 0;
}

int pump_flash_write(uint32_t address, const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
        if (flash[address + i] != 0xff) {
            return 1; /* flash is programmed once after it was erased */
        }
    }
    memcpy(flash + address, bytes, count);
    return 0;
}

int pump_flash_read(uint32_t address, uint8_t *bytes, uint32_t count) {
    memcpy(bytes, flash + address, count);
    return 0;
}

static void say(const char *when) {
    static uint32_t last = 0xffffffffu;
    pump_status status;
    pump_look(&status);
    const uint32_t now = status.counter * 8u + (status.trial > 0 ? 1u : 0u);
    if (now != last) {
        printf("%s: weights %u%s\n", when, (unsigned)status.counter, status.trial > 0 ? ", on trial" : "");
        fflush(stdout);
    }
    last = now;
}

static int listening(uint16_t port) {
    struct sockaddr_in place;
    socklen_t length = sizeof place;
    const int yes = 1, plug = socket(AF_INET, SOCK_STREAM, 0);
    memset(&place, 0, sizeof place);
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* whoever reaches the line may confirm and revert */
    setsockopt(plug, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(plug, (const struct sockaddr *)&place, sizeof place) != 0 || listen(plug, 1) != 0 ||
        getsockname(plug, (struct sockaddr *)&place, &length) != 0) {
        perror("the port");
        exit(1);
    }
    printf("board at tcp:127.0.0.1:%u\n", (unsigned)ntohs(place.sin_port));
    fflush(stdout);
    return plug;
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: board FLASH_FILE PORT\n");
        return 2;
    }
    const int file = open(words[1], O_RDWR | O_CREAT, 0600);
    const off_t had = lseek(file, 0, SEEK_END);
    if (file < 0 || ftruncate(file, PUMP_REGION) != 0 ||
        (flash = mmap(0, PUMP_REGION, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED) {
        perror(words[1]);
        return 1;
    }
    if (had < (off_t)PUMP_REGION) {
        memset(flash, 0xff, PUMP_REGION);
    }
    signal(SIGPIPE, SIG_IGN);
    const int plug = listening((uint16_t)atoi(words[2]));
    pump_power_on(flash);
    say("started");
    for (;;) {
        static uint8_t answer[PUMP_LINK_ANSWER];
        static pump_context context;
        uint8_t byte;
        const int line = accept(plug, 0, 0);
        while (line >= 0 && read(line, &byte, 1) == 1) {
            const uint32_t length = pump_link_take(&context, byte, answer);
            if (length > 0 && write(line, answer, length) != (ssize_t)length) {
                break;
            }
            if (length > 0) {
                say("now");
            }
        }
        if (line >= 0) {
            close(line);
        }
    }
}
