#include <stdint.h>

/* Symbols that follow nothing (b and a, in the order of their keys), an a, and an a and b or a b and a; values are quarters
 * of a power of two. */
static uint32_t keys_0[2], keys_1[1], keys_2[2], contexts_1[1], contexts_2[2];
static const uint8_t values_0[2] = {8, 4}, values_1[1] = {4}, values_2[2] = {0, 0};
static const uint8_t shares_1[1] = {8}, shares_2[2] = {12, 12};
#include "c99_language/ngram.c"
#include "check.h"
#include <string.h>

static const uint32_t *const ew_keys[3] = {keys_0, keys_1, keys_2}, *const ew_contexts[2] = {contexts_1, contexts_2};
static const long ew_key_counts[3] = {2, 1, 2}, ew_context_counts[2] = {1, 2};
static const uint8_t *const ew_values[3] = {values_0, values_1, values_2}, *const ew_shares[2] = {shares_1, shares_2};
enum { A = 'a' - 31, B = 'b' - 31, SPACE = 1 };

static uint32_t key(uint64_t number) {
    return (uint32_t)(number * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

static void sort(uint32_t *keys) {
    const uint32_t first = keys[0];
    if (first > keys[1]) {
        keys[0] = keys[1];
        keys[1] = first;
    }
}

static int starts(const char *beginning, int rank, size_t room, const char *expected) {
    char word[16] = "###############";
    ew_text text;
    ew_start(&text);
    while (*beginning) {
        ew_push(&text, *beginning++);
    }
    const size_t length = ew_suggest(&text, rank, word, room);
    return strcmp(word, expected) == 0 && length == strlen(expected) && word[length + 1] == '#';
}

int main(void) {
    float chances[ew_SYMBOLS];
    ew_text text;
    keys_0[0] = key(A);
    keys_0[1] = key(B);
    keys_1[0] = key(A * 96 + B);
    keys_2[0] = key((A * 96 + B) * 96 + A);
    keys_2[1] = key((B * 96 + A) * 96 + SPACE);
    contexts_1[0] = key(A);
    contexts_2[0] = key(A * 96 + B);
    contexts_2[1] = key(B * 96 + A);
    sort(keys_0);
    sort(keys_2);
    sort(contexts_2);
    CHECK(ew_symbol('\n') == 0 && ew_symbol(' ') == 1 && ew_symbol('~') == 95 && ew_symbol('\t') == '?' - 31);
    CHECK(ew_symbol('\x80') == '?' - 31 && ew_symbol('\x7F') == '?' - 31);
    CHECK(ew_in_word(A) && ew_in_word('0' - 31) && ew_in_word('9' - 31) && ew_in_word('A' - 31));
    CHECK(ew_in_word('z' - 31) && ew_in_word('\'' - 31) && !ew_in_word(0) && !ew_in_word('-' - 31));
    CHECK(!ew_in_word('[' - 31) && !ew_in_word('`' - 31) && !ew_in_word('{' - 31) && !ew_in_word('@' - 31));
    CHECK(ew_in_word('Z' - 31));
    for (uint32_t k = 0; k < 9; ++k) {
        const uint32_t list[4] = {key(1), key(1) + 4u, key(1) + 6u, key(1) + 8u};
        CHECK(ew_find(list, (long)(k % 5), 1) == (k % 5 ? 0 : -1) && ew_find(list + 1, 3, 1) == -1);
    }
    /* A half, a quarter, and one of 96 for each other symbol. */
    const double first = 0.5, second = 0.25, other = 1.0 / 96;
    ew_start(&text);
    ew_chances(&text, chances);
    double total = 0.75 + 94 * other;
    CHECK(is_near(chances[A], first / total) && is_near(chances[B], second / total));
    CHECK(is_near(chances[0], other / total));
    /* Behind an a, b is known, and all others share a quarter. */
    ew_push(&text, 'a');
    ew_chances(&text, chances);
    total = 0.5 + first / 4 + 94 * other / 4;
    CHECK(is_near(chances[B], 0.5 / total) && is_near(chances[A], first / 4 / total));
    CHECK(is_near(chances[5], other / 4 / total));
    /* Behind a and b, a is certain but for an eighth; what came before them is forgotten. */
    for (int k = 0; k < 2; ++k) {
        ew_push(&text, k ? 'a' : 'z');
        ew_push(&text, k ? 'b' : 'y');
    }
    ew_chances(&text, chances);
    total = 1.0 + second / 8 + 94 * other / 8;
    CHECK(text.length == 2 && is_near(chances[A], 1.0 / total) && is_near(chances[B], second / 8 / total));
    /* Until a space is likeliest, which begins no word; the second symbol is known by its rank, and equal ones by their order. */
    CHECK(starts("a", 0, 9, "ba") && starts("ab", 0, 9, "a") && starts("ba", 0, 9, "ba"));
    CHECK(starts("", 2, 9, "'aba") && starts("a", 0, 2, "b") && starts("a", 0, 1, ""));
    char word = '#';
    CHECK(ew_suggest(&text, 0, &word, 0) == 0 && word == '#');
    return failures;
}
