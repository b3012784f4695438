/* Sends an accelerometer of Zephyr's sensor API in frames: count, time of the board and a CRC with each row.
 *
 *   west build -b BOARD senders/zephyr && west flash
 *   edgewright device record --source "serial:/dev/ttyACM0@115200?form=framed" --label idle --person 1 --seconds 10
 *
 * The device tree names the sensor and the line:
 *   / { aliases { accel0 = &lis2dh; }; chosen { edgewright,uart = &uart0; }; };
 */
#include <zephyr/device.h>
#include <zephyr/drivers/sensor.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>

#include "edgewright_frame.h"

#define RATE 50
#define CHANNELS 3
#define ROWS 5 /* in a frame: a tenth of a second */
#define NAMES "acc_x [m/s²],acc_y [m/s²],acc_z [m/s²]"

static const struct device *const accel = DEVICE_DT_GET(DT_ALIAS(accel0));
static const struct device *const line = DEVICE_DT_GET(DT_CHOSEN(edgewright_uart));

static uint8_t frame[EW_ROOM(ROWS, CHANNELS)];
static uint8_t hello[EW_HELLO_ROOM(sizeof NAMES)];

/* Frames are written by a thread of their own, so that a slow line does not move the measurements. */
struct rows {
    float values[ROWS * CHANNELS];
    uint32_t sequence;
    uint64_t time_us;
};
K_MSGQ_DEFINE(waiting, sizeof(struct rows), 4, 8);

static void write_all(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        uart_poll_out(line, bytes[i]);
    }
}

static void writer(void *a, void *b, void *c) {
    static struct rows rows;
    int64_t last_hello = -10000;

    ARG_UNUSED(a);
    ARG_UNUSED(b);
    ARG_UNUSED(c);
    uart_poll_out(line, 0); /* ends whatever the boot loader said */
    while (true) {
        if (k_uptime_get() - last_hello > 2000) {
            write_all(hello, ew_hello(hello, sizeof hello, CHANNELS, (float)RATE, NAMES));
            last_hello = k_uptime_get();
        }
        if (k_msgq_get(&waiting, &rows, K_SECONDS(1)) == 0) {
            write_all(frame, ew_rows(frame, sizeof frame, rows.values, ROWS, CHANNELS, rows.sequence, rows.time_us,
                                     1000000u / RATE));
        }
    }
}
K_THREAD_DEFINE(writer_thread, 1024, writer, NULL, NULL, NULL, 7, 0, 0);

int main(void) {
    static struct rows rows;
    static const enum sensor_channel axes[CHANNELS] = {SENSOR_CHAN_ACCEL_X, SENSOR_CHAN_ACCEL_Y, SENSOR_CHAN_ACCEL_Z};
    uint32_t sequence = 0;
    struct k_timer timer;

    if (!device_is_ready(accel) || !device_is_ready(line)) {
        return -1;
    }
    k_timer_init(&timer, NULL, NULL);
    k_timer_start(&timer, K_NO_WAIT, K_USEC(1000000 / RATE));
    while (true) {
        uint32_t place = sequence % ROWS;
        struct sensor_value value;

        k_timer_status_sync(&timer);
        if (place == 0) {
            rows.sequence = sequence;
            rows.time_us = k_ticks_to_us_floor64(k_uptime_ticks());
        }
        (void)sensor_sample_fetch(accel);
        for (int axis = 0; axis < CHANNELS; axis++) {
            (void)sensor_channel_get(accel, axes[axis], &value);
            rows.values[place * CHANNELS + axis] = sensor_value_to_float(&value);
        }
        /* A frame that finds no room is left out; its rows were counted, so the receiver knows. */
        if (place == ROWS - 1) {
            (void)k_msgq_put(&waiting, &rows, K_NO_WAIT);
        }
        sequence++;
    }
    return 0;
}
