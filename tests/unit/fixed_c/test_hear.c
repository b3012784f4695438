#include "c99_language/hear.c"
#include "check.h"

static ew_words_answer heard;
static ew_words_slot found[3];
static int32_t count;
static int wrong, event_of;
static ew_slot given[EW_SLOTS];
static int given_count;

int ew_words_parse(ew_words_context *context, const char *text, size_t bytes, ew_words_answer *answer) {
    (void)context;
    (void)text;
    (void)bytes;
    *answer = heard;
    return wrong;
}

int32_t ew_words_find_slots(ew_words_context *context, const char *text, size_t bytes, int32_t intent, int32_t today,
                            ew_words_slot slots[EW_WORDS_MOST_SLOTS]) {
    (void)context;
    (void)text;
    CHECK(intent == heard.intent && today == 77 && bytes > 0);
    memcpy(slots, found, sizeof found);
    return count;
}

int ew_push(ew_machine *m, int event, const ew_slot *slots, int slot_count, double time, ew_act act, void *context) {
    CHECK(m != 0 && time == 2.5 && act == 0 && context == 0 && slot_count <= EW_SLOTS);
    event_of = event;
    given_count = slot_count;
    memcpy(given, slots, (size_t)slot_count * sizeof *slots);
    return 9;
}

static ew_hear_context context;

static int hear(const char *text) {
    static ew_machine machine;
    CHECK(ew_hear(&context, &machine, text, strlen(text), 77, 2.5, 0, 0) == 9 && given[0].slot == 1);
    CHECK(given[0].word == 0);
    return given_count;
}

int main(void) {
    heard = (ew_words_answer){.intent = 1, .confidence = 0.75f};
    CHECK(hear("tea") == 1 && event_of == 2 && is_near(given[0].number, 0.75));
    /* What is no text, or out of scope, is unclear; of what is no text the confidence is 0. */
    count = 1;
    heard.intent = EW_WORDS_OUT_OF_SCOPE;
    CHECK(hear("tea") == 1 && event_of == 0 && is_near(given[0].number, 0.75));
    wrong = EW_WORDS_NOT_UTF8;
    heard.intent = 1;
    CHECK(hear("tea") == 1 && event_of == 0 && given[0].number == 0.0);
    wrong = 0;
    /* The words themselves; the second name is never asked, and of two values the first counts. */
    found[0] = (ew_words_slot){.name = 1, .begin = 0, .end = 1};
    found[1] = (ew_words_slot){.name = 2, .begin = 2, .end = 7};
    found[2] = (ew_words_slot){.name = 0, .begin = 0, .end = 1};
    count = 3;
    CHECK(hear("a green tea") == 2 && given[1].slot == 0 && strcmp(given[1].word, "green") == 0);
    /* What an entry stands for, a number, a word of a rule. */
    found[1].entry = "leaves";
    CHECK(hear("a green tea") == 2 && strcmp(given[1].word, "leaves") == 0);
    found[1].kind = EW_WORDS_NUMBER;
    found[1].number = 3.5;
    CHECK(hear("a green tea") == 2 && strcmp(given[1].word, "leaves") == 0);
    found[1].entry = 0;
    CHECK(hear("a green tea") == 2 && given[1].word == 0 && given[1].number == 3.5);
    found[1].kind = EW_WORDS_WORD;
    strcpy(found[1].word, "19:00");
    CHECK(hear("a green tea") == 2 && strcmp(given[1].word, "19:00") == 0);
    /* Too long a word is cut where the dialogue, which holds seven bytes, still sees that it is. */
    found[1].kind = EW_WORDS_SAID;
    found[1].end = 11;
    CHECK(hear("a green tea") == 2 && strcmp(given[1].word, "green te") == 0);
    count = 1;
    found[0].name = 0;
    CHECK(hear("a") == 2 && strcmp(given[1].word, "a") == 0);
    count = -EW_WORDS_TOO_LONG;
    CHECK(hear("a") == 1 && event_of == 2);
    return failures;
}
