/* Numbers, durations, times and dates, entries of lists and tagged words; they stand in four files, one in the next. */
#include "c99_language/slots.c"
#include "check.h"

const char *const ew_intents[EW_INTENTS] = {"order", "travel", "other"};
static ew_context context;
static const char *labels = "";
static const char *intent_of_tags;

void ew_add(ew_context *memory, uint32_t row) {
    (void)memory;
    (void)row;
}

/* Gives tokens the labels of a test, and 0 those behind them. */
void ew_tag(ew_context *memory, const char *intent) {
    size_t length = strlen(labels);
    intent_of_tags = intent;
    for (int32_t i = 0; i < memory->tokens; ++i) {
        memory->path[i] = (size_t)i < length ? (uint8_t)(labels[i] - '0') : 0u;
    }
}

static void take(const char *text) {
    CHECK(ew_take(&context, text, strlen(text)) == 0);
}

/* Whether a text begins with so many characters of a number, known or not. */
static int number_is(const char *text, uint32_t end, double expected) {
    double value = -1.0;
    int known = 0;
    take(text);
    return ew_number_at(&context, 0u, &value, &known) == end && (end == 0u || known == (expected >= 0.0))
           && (end == 0u || expected < 0.0 || is_near(value, expected));
}

static int duration_is(const char *text, uint32_t end, double expected) {
    double seconds = -1.0;
    int known = 0;
    take(text);
    return ew_duration_at(&context, 0u, &seconds, &known) == end && (end == 0u || known == (expected >= 0.0))
           && (end == 0u || expected < 0.0 || is_near(seconds, expected));
}

/* Words of a clock or a date; "?" where they are not known. */
static int clock_is(const char *text, uint32_t end, const char *expected) {
    char word[12] = "";
    int known = 0;
    take(text);
    return ew_clock_at(&context, 0u, word, &known) == end && (end == 0u || strcmp(known ? word : "?", expected) == 0);
}

static int date_is(const char *text, int32_t today, uint32_t end, const char *expected) {
    char word[12] = "";
    int known = 0;
    take(text);
    return ew_date_at(&context, 0u, today, word, &known) == end && (end == 0u || strcmp(known ? word : "?", expected) == 0);
}

static int day_is(int32_t days, const char *expected) {
    char word[12];
    ew_write_date(days, word);
    return strcmp(word, expected) == 0;
}

static void test_numbers(void) {
    CHECK(number_is("2.50 l", 4, 2.5) && number_is("3.", 1, 3) && number_is("4x", 0, 0) && number_is("x", 0, 0));
    CHECK(number_is("123456789012", 12, 123456789012.0) && number_is("1234567890123", 0, 0));
    CHECK(number_is("0.000001", 8, 1e-6));
    CHECK(number_is("1.1234567", 1, 1) && number_is("1234567890.5", 10, 1234567890.0));
    CHECK(number_is("123456789.5", 11, 123456789.5));
    CHECK(number_is("Twenty-FIVE", 11, 25) && number_is("two hundred and five", 20, 205) && number_is("zero", 4, 0));
    CHECK(number_is("two thousand one hundred", 24, 2100) && number_is("ten  thousand", 13, 10000));
    CHECK(number_is("fifty and tea", 5, 50));
    CHECK(number_is("twenty - five", 6, 20) && number_is("twenty-tea", 6, 20) && number_is("fifty andtwo", 5, 50));
    /* Words that make no number together are one that is not known. */
    CHECK(number_is("twenty ten", 10, -1) && number_is("one one", 7, -1) && number_is("zero hundred", 12, -1));
    CHECK(number_is("hundred", 7, -1) && number_is("twenty zero", 11, -1));
    CHECK(number_is("two hundred hundred", 19, -1) && number_is("ten hundred", 11, -1));
    CHECK(number_is("one thousand two thousand", 25, -1));
    CHECK(number_is("one hundred eleven", 18, 111) && number_is("one hundred twenty one", 22, 121));
}

static void test_durations(void) {
    CHECK(duration_is("5 minutes", 9, 300) && duration_is("half an hour", 12, 1800));
    CHECK(duration_is("an Hour and 1.5 minutes", 23, 3690));
    CHECK(duration_is("2 hours, 5 sec", 14, 7205) && duration_is("a minute ago", 8, 60));
    CHECK(duration_is("1 hour and tea", 6, 3600));
    CHECK(duration_is("1 hour 1 minute", 15, 3660) && duration_is("one hour ,ten secs", 18, 3610));
    CHECK(duration_is("5minutes", 0, 0) && duration_is("half hour", 0, 0) && duration_is("5 tea", 0, 0));
    CHECK(duration_is("5", 0, 0));
    CHECK(duration_is("a", 0, 0) && duration_is("half", 0, 0) && duration_is("5 minutess", 0, 0));
    CHECK(duration_is("half a ", 0, 0));
    /* More than a day, or of a number that is none, alone or in a part. */
    CHECK(duration_is("24 hours", 8, 86400) && duration_is("24 hours and a second", 21, -1));
    CHECK(duration_is("ten ten seconds", 15, -1));
    CHECK(duration_is("an hour and one one minutes", 27, -1));
}

static void test_clocks(void) {
    CHECK(clock_is("7:05", 4, "07:05") && clock_is("23:59", 5, "23:59") && clock_is("7pm", 3, "19:00"));
    CHECK(clock_is("7 a.m", 5, "07:00"));
    CHECK(clock_is("12 am", 5, "00:00") && clock_is("12:30 P.M", 9, "12:30") && clock_is("7:05 amx", 4, "07:05"));
    CHECK(clock_is("13 pm", 5, "?") && clock_is("0 am", 4, "?") && clock_is("24:00", 5, "?"));
    CHECK(clock_is("23:60", 5, "?"));
    CHECK(clock_is("7:5", 0, "") && clock_is("7", 0, "") && clock_is("7 a", 0, "") && clock_is("7:05x", 0, ""));
    CHECK(clock_is("007:05", 0, ""));
    CHECK(clock_is("x", 0, "") && clock_is("7 pam", 0, "") && clock_is("7 a.", 0, ""));
    CHECK(clock_is("12:00 pm", 8, "12:00"));
}

static void test_dates(void) {
    CHECK(date_is("2024-02-29", 0, 10, "2024-02-29") && date_is("2000-02-29.", 0, 10, "2000-02-29"));
    CHECK(date_is("1900-02-29", 0, 10, "?"));
    CHECK(date_is("0001-01-01", 0, 10, "0001-01-01") && date_is("2023-02-29", 0, 10, "?"));
    CHECK(date_is("2024-13-01", 0, 10, "?") && date_is("2024-00-10", 0, 10, "?"));
    CHECK(date_is("2024-04-31", 0, 10, "?") && date_is("2024-04-00", 0, 10, "?") && date_is("0000-01-01", 0, 10, "?"));
    CHECK(date_is("2024-1-01", 0, 0, "") && date_is("2024-01-011", 0, 0, "") && date_is("24-01-01", 0, 0, ""));
    CHECK(date_is("2024-01-0", 0, 0, ""));
    CHECK(date_is("2024-01/01", 0, 0, "") && date_is("2024/01-01", 0, 0, "") && date_is("2024-a1-01", 0, 0, ""));
    CHECK(date_is("2024-01-1a", 0, 0, ""));
    CHECK(date_is("2024/01/01", 0, 0, "") && date_is("someday", 0, 0, "") && date_is("2024", 0, 0, ""));
    /* 1970-01-01 was a Thursday: its name means a week later, and Wednesday the day before. */
    CHECK(date_is("today", 0, 5, "1970-01-01") && date_is("Tomorrow", 0, 8, "1970-01-02"));
    CHECK(date_is("thursday", 0, 8, "1970-01-08"));
    CHECK(date_is("monday", 0, 6, "1970-01-05") && date_is("sunday", 0, 6, "1970-01-04"));
    CHECK(date_is("FRIDAY", 0, 6, "1970-01-02") && date_is("wednesday", 0, 9, "1970-01-07"));
    CHECK(date_is("wednesday", -2, 9, "1969-12-31"));
    CHECK(date_is("Wednesday", EW_NO_DATE, 9, "wednesday") && date_is("tomorrow", EW_NO_DATE, 8, "tomorrow"));
    CHECK(day_is(-1, "1969-12-31") && day_is(11016, "2000-02-29") && day_is(-25508, "1900-03-01"));
    CHECK(day_is(19782, "2024-02-29"));
    CHECK(day_is(2932896, "9999-12-31") && day_is(-719468, "0000-03-01") && day_is(-719469, "0000-02-29"));
    CHECK(day_is(365, "1971-01-01"));
}

static int entry_is(const char *text, uint32_t expected_end, const char *value) {
    uint32_t end = 77u;
    take(text);
    const int32_t entry = ew_entry_at(&context, 0u, &end);
    return value ? entry >= 0 && strcmp(ew_entries[entry].value, value) == 0 && end == expected_end : entry < 0 && end == 77u;
}

static void test_entries(void) {
    CHECK(entry_is("TEA!", 3, "green tea") && entry_is("teas", 4, "green tea"));
    CHECK(entry_is("Ice-tea", 7, "iced tea") && entry_is("ice", 0, NULL));
    CHECK(entry_is("new  YORK tea", 9, "New York") && entry_is("newyork", 0, NULL) && entry_is("tease", 0, NULL));
    CHECK(entry_is("", 0, NULL) && entry_is("ale", 3, "pale ale"));
    /* Digits are one in a key, and those of the text follow it. */
    CHECK(entry_is("bus 42", 6, "line 42") && entry_is("bus 43", 0, NULL) && entry_is("bus 4 2", 0, NULL));
    CHECK(entry_is("bus", 0, NULL));
    take("Bus\xCC\x81 \xEF\xBC\x94" "2?");
    CHECK(ew_fold_key(&context, 0u, context.length) == 11u);
    CHECK(strcmp((char *)context.key, "bus \xEF\xBC\x94" "0#42") == 0);
    /* What a key has no room for is none: 30 letters fit in, and 29 with a digit, not two words of 31 with it. */
    take("abcdefghijklmnopqrstuvwxyzabcd");
    CHECK(ew_fold_key(&context, 0u, 30u) == 30u && ew_fold_key(&context, 0u, 0u) == 0u);
    take("abcdefghijklmnopqrstuvwxyzabcde");
    CHECK(ew_fold_key(&context, 0u, 31u) == 0u && ew_fold_key(&context, 1u, 31u) == 30u);
    take("abcdefghijklmnopqrstuvwxyzab1 a");
    CHECK(ew_fold_key(&context, 0u, 29u) == 31u && ew_fold_key(&context, 1u, 29u) == 30u);
    CHECK(ew_fold_key(&context, 0u, 31u) == 0u);
    CHECK(entry_is("tea abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", 3, "green tea"));
}

static ew_slot slots[EW_MOST_SLOTS];

static int32_t slots_of(const char *text, const char *tags) {
    labels = tags;
    memset(slots, 7, sizeof slots);
    return ew_find_slots(&context, text, strlen(text), 1, 0, slots);
}

/* The slot's name, what found it, and bytes. */
static int slot_is(int32_t i, int32_t name, int by, int begin, int end) {
    return slots[i].name == name && slots[i].by == by && slots[i].begin == begin && slots[i].end == end;
}

static void test_slots(void) {
    /* Bytes count: the first letter has two of them. */
    CHECK(slots_of("\xC3\xA9 two ice teas in New York at 7 pm", "") == 4 && intent_of_tags == ew_intents[1]);
    CHECK(slot_is(0, 2, EW_RULE, 3, 6) && slots[0].kind == EW_NUMBER && is_near(slots[0].number, 2.0));
    CHECK(slots[0].entry == 0);
    CHECK(slot_is(1, 0, EW_GAZETTEER, 7, 15) && strcmp(slots[1].entry, "iced tea") == 0 && slots[1].kind == EW_SAID);
    CHECK(slot_is(2, 1, EW_GAZETTEER, 19, 27) && slot_is(3, 1, EW_RULE, 31, 35) && strcmp(slots[3].word, "19:00") == 0);
    CHECK(slots[3].kind == EW_WORD && slots_of("x7 7x \xF0\x9F\x8D\xB5 \xE2\x82\xAC 5", "") == 1);
    CHECK(slot_is(0, 2, EW_RULE, 15, 16));
    /* A tagged slot is words of one name; it stands for an entry of that name within it. */
    CHECK(slots_of("cold green tea 5", "012") == 2 && slot_is(0, 0, EW_TAGGER, 5, 14));
    CHECK(strcmp(slots[0].entry, "green tea") == 0);
    CHECK(slot_is(1, 2, EW_RULE, 15, 16) && slots_of("New York", "12") == 1 && slot_is(0, 0, EW_TAGGER, 0, 8));
    CHECK(slots[0].entry == 0);
    CHECK(slots_of("New York", "34") == 1 && strcmp(slots[0].entry, "New York") == 0 && slot_is(0, 1, EW_TAGGER, 0, 8));
    /* A new beginning, another name, and a continuation of nothing begin slots. */
    CHECK(slots_of("a b c d", "1141") == 4 && slot_is(0, 0, EW_TAGGER, 0, 1) && slot_is(2, 1, EW_TAGGER, 4, 5));
    CHECK(slots_of("a b c", "022") == 1 && slot_is(0, 0, EW_TAGGER, 2, 5));
    /* What a rule says of exactly the tagged words is their value; rules and entries that overlap a tag are none. */
    CHECK(slots_of("5 minutes", "12") == 1 && slots[0].kind == EW_NUMBER && is_near(slots[0].number, 300.0));
    CHECK(slots_of("5 minutes", "1") == 1 && slots[0].kind == EW_SAID && slots[0].number == 0.0 && slots[0].end == 1);
    CHECK(slots_of("7 pm", "12") == 1 && slots[0].kind == EW_WORD && strcmp(slots[0].word, "19:00") == 0);
    CHECK(slots[0].number == 0.0);
    CHECK(slots_of("ice tea", "03") == 1 && slot_is(0, 1, EW_TAGGER, 4, 7) && slots_of("5 minutes", "01") == 1);
    CHECK(slot_is(0, 0, EW_TAGGER, 2, 9));
    /* A duration comes before its number, a number that is none is no slot, and of nine the first eight. */
    CHECK(slots_of("ten minutes; twenty ten", "") == 1 && slot_is(0, 0, EW_RULE, 0, 11));
    CHECK(is_near(slots[0].number, 600.0));
    CHECK(slots_of("1;2;3;4;5;6;7;8;9", "") == EW_MOST_SLOTS && slot_is(7, 2, EW_RULE, 14, 15));
    CHECK(slots_of("", "") == 0 && slots_of("tomorrow", "") == 1 && strcmp(slots[0].word, "1970-01-02") == 0);
    CHECK(ew_find_slots(&context, "5", 1, -1, 0, slots) == 0);
    CHECK(ew_find_slots(&context, "5", 1, EW_INTENTS, 0, slots) == 0);
    CHECK(ew_find_slots(&context, "5\xFF", 2, 0, 0, slots) == -EW_NOT_UTF8);
    /* Tags end with the 64th token; entries do not. */
    char much[200] = "";
    for (int i = 0; i < 64; ++i) {
        strcat(much, "a ");
    }
    strcat(much, "tea");
    CHECK(slots_of(much, "") == 1 && slot_is(0, 0, EW_GAZETTEER, 128, 131) && context.tokens == 64);
}

int main(void) {
    test_numbers();
    test_durations();
    test_clocks();
    test_dates();
    test_entries();
    test_slots();
    return failures;
}
