#include "c99_language/letters.c"
#include "check.h"
#include <string.h>

static uint32_t added[32], grams;
static ew_context context;

void ew_add(ew_context *memory, uint32_t row) {
    (void)memory;
    added[grams++] = row;
}

static size_t decoded(const char *text, size_t left, uint32_t *code) {
    *code = 77u;
    return ew_decode((const unsigned char *)text, left, code);
}

static void test_decode(void) {
    uint32_t code;
    unsigned char out[4];
    /* The first and last code points of each length, and what is shorter than it could be. */
    CHECK(decoded("\x7F", 1, &code) == 1u && code == 0x7Fu && decoded("\xC2\x80", 2, &code) == 2u && code == 0x80u);
    CHECK(decoded("\xDF\xBF", 2, &code) == 2u && code == 0x7FFu && decoded("\xE0\xA0\x80", 3, &code) == 3u);
    CHECK(code == 0x800u);
    CHECK(decoded("\xF4\x8F\xBF\xBF", 4, &code) == 4u && code == 0x10FFFFu && decoded("", 1, &code) == 1u);
    CHECK(code == 0u);
    CHECK(!decoded("\xC1\xBF", 2, &code) && !decoded("\xE0\x9F\xBF", 3, &code));
    CHECK(!decoded("\xF0\x8F\xBF\xBF", 4, &code));
    /* Beyond Unicode, halves of a pair, ends of nothing, a text that ends within a character, and another after one. */
    CHECK(!decoded("\xF4\x90\x80\x80", 4, &code) && !decoded("\xED\xA0\x80", 3, &code));
    CHECK(!decoded("\xED\xBF\xBF", 3, &code));
    CHECK(decoded("\xED\x9F\xBF", 3, &code) == 3u && decoded("\xEE\x80\x80", 3, &code) == 3u);
    CHECK(!decoded("\x80", 1, &code));
    CHECK(!decoded("\xE2\x82\xAC", 2, &code));
    CHECK(!decoded("\xC3(", 2, &code) && !decoded("\xF8\x88\x80\x80\x80", 5, &code));
    CHECK(!decoded("\xBF\xBF", 2, &code) && code == 77u);
    const uint32_t codes[7] = {0x24u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xFFFFu, 0x10FFFFu};
    for (int i = 0; i < 7; ++i) {
        const size_t length = ew_encode(codes[i], out);
        CHECK(ew_decode(out, length, &code) == length && code == codes[i]);
    }
    CHECK(ew_encode(0x20ACu, out) == 3u && memcmp(out, "\xE2\x82\xAC", 3) == 0);
}

static const char *normalised(const char *text) {
    static char out[64];
    const int32_t length = ew_normalise(&context, text, strlen(text));
    for (int32_t i = 0; i < length; ++i) {
        out[i] = (char)context.codes[i];
    }
    out[length > 0 ? length : 0] = '\0';
    return out;
}

static void test_normalise(void) {
    static char much[EW_LONGEST + 1u];
    /* Small letters and apostrophes stay, digits are one, and words stand between single spaces. */
    CHECK(strcmp(normalised("  Don't  PLAY\t42nd!"), " don't play 00nd ") == 0);
    CHECK(strcmp(normalised("z@[`{a"), " z a ") == 0);
    /* A mark is dropped, within a word too, a wide space separates, and a letter folds. */
    CHECK(strcmp(normalised("a\xCC\x81" "b\xE2\x80\x8A" "c"), " ab c ") == 0);
    CHECK(ew_fold(913u) == 945u && ew_fold(914u) == 946u && ew_fold(912u) == 912u && ew_fold(915u) == 915u);
    CHECK(ew_fold('Z') == 'z' && ew_fold(0x80u) == 0x80u && ew_fold(767u) == 767u && ew_fold(768u) == UINT32_MAX);
    CHECK(ew_fold(879u) == UINT32_MAX && ew_fold(880u) == 880u);
    CHECK(ew_fold(8202u) == 32u && ew_fold(8203u) == 8203u && ew_fold(0x10391u) == 0x10391u);
    CHECK(ew_normalise(&context, "", 0) == 0 && ew_normalise(&context, " ?!", 3) == 0);
    CHECK(ew_normalise(&context, "\xCC\x81", 2) == 0);
    CHECK(ew_normalise(&context, "a\xFF", 2) == -EW_NOT_UTF8);
    memset(much, 'a', sizeof much);
    CHECK(ew_normalise(&context, much, EW_LONGEST) == (int32_t)EW_LONGEST + 2);
    CHECK(ew_normalise(&context, much, EW_LONGEST + 1u) == -EW_TOO_LONG && ew_take(&context, much, EW_LONGEST) == 0);
    CHECK(ew_take(&context, much, EW_LONGEST + 1u) == EW_TOO_LONG && ew_take(&context, "\xC3", 1) == EW_NOT_UTF8);
}

static void test_hash(void) {
    /* Squares of whole numbers and what lies before them. */
    for (uint32_t root = 1u; root < 65536u; root += 251u) {
        CHECK(ew_root(root * root) == root && ew_root(root * root - 1u) == root - 1u);
    }
    CHECK(ew_root(0u) == 0u && ew_root(UINT32_MAX) == 65535u);
    /* The finaliser of MurmurHash3 makes 514E28B7 of 1 and 0 of 0; of 64 rows the upper six bits tell. */
    CHECK(ew_row(0u) == 0u && ew_row(1u) == 0x514E28B7u >> 26);
    /* Pairs of characters, of which two are equal, and pairs of words. */
    const char *const runs[] = {" a", "ab", "b ", " c", "c ", " a", "a ", "ab c", "c a"};
    CHECK(ew_add_rows(&context, ew_normalise(&context, "ab c a", 6)) == 9u && grams == 9u && added[0] == added[5]);
    for (int i = 0; i < 9; ++i) {
        uint64_t hash = 0u;
        for (const char *at = runs[i]; *at; ++at) {
            hash = (hash * 0x01000193u + (uint64_t)*at) % (UINT64_C(1) << 32);
        }
        CHECK(added[i] == ew_row((uint32_t)(hash + 0x9E3779B9u)));
    }
    /* A word alone is no pair. */
    grams = 0u;
    CHECK(ew_add_rows(&context, ew_normalise(&context, "a", 1)) == 2u && grams == 2u);
}

static void test_tokens(void) {
    uint32_t end = 0u;
    const char *const text = "\xC2\xAB" "Don't stop-it' \xE2\x80\x82" "a_1";
    CHECK(ew_take(&context, text, strlen(text)) == 0 && context.length == 20u);
    /* A sign alone, a word with its apostrophe, one that ends before it, and a word with digits. */
    const uint32_t ends[][2] = {{0, 1}, {1, 6}, {7, 11}, {11, 12}, {12, 14}, {14, 15}, {17, 20}, {20, 20}};
    for (int i = 0; i < 8; ++i) {
        CHECK(ew_token(&context, end, &end) == ends[i][0] && end == ends[i][1]);
    }
    CHECK(ew_take(&context, "it's", 4) == 0 && ew_token(&context, 0u, &end) == 0u && end == 4u);
    CHECK(ew_is_word('_') && ew_is_word('z') && ew_is_word('0') && ew_is_word(0xE9u) && !ew_is_word('{'));
    CHECK(!ew_is_word('@'));
    CHECK(!ew_is_word(0xABu) && ew_is_word(0xACu) && !ew_is_word(0x2009u) && ew_is_space(0xDu) && !ew_is_space(0xEu));
    CHECK(ew_small('A') == 'a' && ew_small('Z') == 'z' && ew_small('[') == '[' && ew_small('@') == '@');
    /* Every second letter is a capital; the last of a run, and one that becomes smaller. */
    CHECK(ew_small(256u) == 257u && ew_small(257u) == 257u && ew_small(302u) == 303u && ew_small(304u) == 304u);
    CHECK(ew_small(7838u) == 223u);
}

int main(void) {
    test_decode();
    test_normalise();
    test_hash();
    test_tokens();
    return failures;
}
