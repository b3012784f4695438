/* Sends three analogue inputs at 50 Hz in frames: count, time of the board and a CRC with each row.
 *
 *   edgewright device record --source "serial:/dev/ttyACM0@115200?form=framed" --label idle --person 1 --seconds 10
 *
 * Put your sensor's readings into `measure` and its names and units into NAMES.
 */
#include "edgewright_frame.h"

static const uint8_t CHANNELS = 3;
static const uint32_t RATE = 50;
static const char NAMES[] = "a0 [V],a1 [V],a2 [V]";
static const float VOLT = 5.0f / 1023.0f;

static ew_clock board_clock;
static uint32_t sequence;
static uint32_t due;
static uint32_t last_hello;
static uint8_t frame[EW_ROOM(1, 3)];
static uint8_t hello[EW_HELLO_ROOM(sizeof NAMES)];

static void measure(float *row) {
  row[0] = VOLT * analogRead(A0);
  row[1] = VOLT * analogRead(A1);
  row[2] = VOLT * analogRead(A2);
}

static void say_hello() {
  size_t size = ew_hello(hello, sizeof hello, CHANNELS, (float)RATE, NAMES);
  Serial.write(hello, size);
  last_hello = millis();
}

void setup() {
  Serial.begin(115200);
  Serial.write((uint8_t)0);  // ends whatever the boot loader said
  say_hello();
  due = micros();
}

void loop() {
  if (millis() - last_hello > 2000) {
    say_hello();
  }
  uint32_t now = micros();
  if ((int32_t)(now - due) < 0) {
    return;
  }
  due += 1000000UL / RATE;
  float row[CHANNELS];
  measure(row);
  size_t size = ew_rows(frame, sizeof frame, row, 1, CHANNELS, sequence, ew_time(&board_clock, now), 0);
  // A row that does not fit is counted and not sent: waiting would move the rows after it.
  if (Serial.availableForWrite() >= (int)size) {
    Serial.write(frame, size);
  }
  sequence++;
}
