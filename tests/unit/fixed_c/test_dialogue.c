#include "c99_language/dialogue.c"
#include "check.h"
#include <stdlib.h>

static char done[200];

/* Notes what is done as "kind:text@step ". */
static void act(void *context, const ew_machine *m, int kind, const char *text, int step) {
    char said[40];
    CHECK(context == done && ew_render(m, text, said, sizeof said) < sizeof said);
    (void)snprintf(done + strlen(done), sizeof done - strlen(done), "%d:%s@%d ", kind, said, step);
}

static int done_is(const char *expected) {
    const int same = strcmp(done, expected) == 0;
    done[0] = '\0';
    return same;
}

static void test_machine(void) {
    ew_machine m;
    const ew_slot tea = {0, 0.0, "tea"}, seven = {0, 7.5, 0}, none = {0, 0.0, "lapsangs"}, other[2] = {{2, 1.0, 0}, {-1, 1.0, 0}};
    memset(&m, 7, sizeof m);
    ew_init(&m);
    CHECK(ew_due(&m) < 0.0 && ew_begin(&m, 10.0, act, done) == 0 && m.state == 0 && m.since == 10.0);
    /* Without a drink the guard is not true; slots that there are not are no slots, nor is a word with too many bytes. */
    CHECK(ew_push(&m, 1, other, 2, 11.0, act, done) == 1 && m.state == 0 && done_is("0:which?@11 ") && m.since == 10.0);
    CHECK(ew_push(&m, 1, &none, 1, 11.0, act, done) == 1 && m.kinds[0] == 0 && done_is("0:which?@11 "));
    CHECK(ew_push(&m, 2, 0, 0, 11.5, act, done) == 0 && done_is(""));
    CHECK(ew_push(&m, 1, &tea, 1, 12.0, act, done) == 1 && m.state == 1 && done_is("0:one tea@10 3:pour@10 "));
    CHECK(is_near(ew_due(&m), 12.5) && ew_tick(&m, 12.49, act, done) == 0 && m.state == 1 && !ew_over(&m));
    /* The time-out falls due when it does, whenever somebody looks; the drink is forgotten before it is named. */
    CHECK(ew_tick(&m, 20.0, act, done) == 1 && m.state == 0 && is_near(m.since, 12.5) && m.kinds[0] == 0);
    CHECK(done_is("1:late@12 ") && ew_due(&m) < 0.0);
    /* Time never goes back. */
    CHECK(ew_push(&m, 1, &seven, 1, 5.0, act, done) == 1 && m.now == 20.0 && is_near(ew_due(&m), 20.5));
    CHECK(done_is("0:one 7.5@10 3:pour@10 "));
    CHECK(ew_push(&m, 7, 0, 0, 20.1, act, done) == 1 && m.state == 0 && done_is("0:what?@14 "));
    /* Over, and after two time-outs in a row, the second counted from the first, idle again. */
    (void)ew_push(&m, 1, &tea, 1, 21.0, 0, 0);
    CHECK(ew_push(&m, 2, 0, 0, 21.1, act, done) == 1 && ew_over(&m) && done_is("") && is_near(ew_due(&m), 21.35));
    CHECK(ew_tick(&m, 21.84, act, done) == 1 && m.state == 1 && ew_tick(&m, 21.86, act, done) == 1);
    CHECK(is_near(m.since, 21.85));
    CHECK(done_is("1:late@12 "));
    (void)ew_push(&m, 1, &tea, 1, 30.0, 0, 0);
    (void)ew_push(&m, 2, 0, 0, 30.0, 0, 0);
    /* An event after a time-out is one of the state that it leads to. */
    CHECK(ew_push(&m, 2, 0, 0, 30.3, act, done) == 2 && m.state == 2 && ew_push(&m, 1, &tea, 1, 99.0, act, done) == 3);
    CHECK(m.state == 1 && done_is("1:late@12 0:one tea@10 3:pour@10 ") && ew_tick(&m, 99.5, act, done) == 1);
}

static int spoken_is(double number, const char *expected) {
    char out[32];
    const size_t length = ew_spoken(number, out);
    return length == strlen(expected) && memcmp(out, expected, length) == 0;
}

static void test_render(void) {
    ew_machine m;
    char out[12];
    ew_init(&m);
    strcpy(m.words[0], "tea");
    m.kinds[0] = 2;
    m.kinds[1] = 1;
    m.numbers[1] = 0.25;
    CHECK(ew_render(&m, "a {drink}", out, sizeof out) == 5 && strcmp(out, "a tea") == 0);
    /* Braces without the name of a slot stay; the whole length is given, whatever fits. */
    CHECK(ew_render(&m, "{drin} {", out, sizeof out) == 8 && strcmp(out, "{drin} {") == 0);
    CHECK(ew_render(&m, "{}", out, 12) == 2);
    CHECK(ew_render(&m, "{drink}{confidence}{drink}", out, 8) == 10 && strcmp(out, "tea0.25") == 0);
    memset(out, '#', sizeof out);
    CHECK(ew_render(&m, "{drink}", out, 1) == 3 && out[0] == '\0' && out[1] == '#');
    CHECK(ew_render(&m, "{drink}", 0, 0) == 3);
    m.numbers[1] = (double)strtod("nan", 0);
    m.kinds[0] = 0;
    CHECK(ew_render(&m, "{confidence}", out, sizeof out) == 10 && strcmp(out, "confidence") == 0);
    CHECK(ew_render(&m, "{drink}", out, sizeof out) == 5 && strcmp(out, "drink") == 0);
    CHECK(spoken_is(0.0, "0") && spoken_is(7.0, "7") && spoken_is(-2.5, "-2.5") && spoken_is(123456.0, "123456"));
    CHECK(spoken_is(1234567.0, "1.23457e+06") && spoken_is(999999.7, "1e+06") && spoken_is(0.0001, "0.0001"));
    CHECK(spoken_is(0.00001, "1e-05"));
    CHECK(spoken_is(0.00012345678, "0.000123457") && spoken_is(100.0, "100") && spoken_is(100000.4, "100000"));
    CHECK(spoken_is(99999.97, "100000"));
    CHECK(spoken_is(1e100, "1e+100") && spoken_is(-1.5e-200, "-1.5e-200") && spoken_is(strtod("-inf", 0), "-inf"));
    CHECK(spoken_is(0.1, "0.1"));
    CHECK(spoken_is(0.00009999999, "0.0001") && spoken_is(10.25, "10.25") && spoken_is(1e22, "1e+22"));
    /* As printf writes it; between two numbers of six digits both may be. */
    for (int i = 0; i < 2000; ++i) {
        char known[32];
        const double number = (double)(i * 7919 % 100003 + 1) * (i % 3 ? 1.0 / 4099 : 12.7182818) * (i % 2 ? -1.0 : 1e-3);
        (void)snprintf(known, sizeof known, "%g", number);
        CHECK(spoken_is(number, known));
    }
}

static void test_guards(void) {
    ew_machine m;
    ew_init(&m);
    m.kinds[0] = 1;
    m.kinds[1] = 2;
    m.numbers[0] = strtod("nan", 0);
    strcpy(m.words[1], "tea");
    /* What is unknown is 2, of Kleene's three. */
    CHECK(ew_known(&m, 0).kind == 0 && ew_known(&m, 1).kind == 2 && strcmp(ew_known(&m, 1).word, "tea") == 0);
    CHECK(ew_true(ew_known(&m, 0)) == 2 && ew_true(ew_word("")) == 0 && ew_true(ew_word("0")) == 1);
    CHECK(ew_true(ew_number(0.0)) == 0);
    CHECK(ew_true(ew_number(-0.5)) == 1 && ew_size(ew_number(-0.5)).number == 0.5 && ew_size(ew_word("x")).kind == 0);
    const int table[3][3] = {{0, 0, 0}, {0, 1, 2}, {0, 2, 2}};
    for (int a = 0; a < 3; ++a) {
        CHECK(ew_not(a) == (a == 2 ? 2 : 1 - a));
        for (int b = 0; b < 3; ++b) {
            CHECK(ew_and(a, b) == table[a][b] && ew_or(a, b) == ew_not(ew_and(ew_not(a), ew_not(b))));
        }
    }
    /* <, <=, >, >=, == and != of smaller, equal and larger numbers; words are equal or not, and of another kind they are not. */
    for (int sign = 0; sign < 6; ++sign) {
        const char *const answers[3] = {"110001", "010110", "001101"};
        for (int i = 0; i < 3; ++i) {
            CHECK(ew_compare(sign, ew_number(1.0 + i), ew_number(2.0)) == answers[i][sign] - '0');
        }
        CHECK(ew_compare(sign, ew_word("a"), ew_word("b")) == (sign < 4 ? 2 : sign == 5));
        CHECK(ew_compare(sign, ew_word("a"), ew_word("a")) == (sign < 4 ? 2 : sign == 4));
        CHECK(ew_compare(sign, ew_word("2"), ew_number(2.0)) == (sign < 4 ? 2 : sign == 5));
        CHECK(ew_compare(sign, ew_known(&m, 0), ew_number(2.0)) == 2);
    }
}

int main(void) {
    test_machine();
    test_render();
    test_guards();
    return failures;
}
