#include "c99_language/tagger.c"
#include "check.h"

static ew_context context;

void ew_add(ew_context *memory, uint32_t row) {
    (void)memory;
    (void)row;
}

/* CRC-32 bit by bit, as ISO 3309 defines it. */
static uint32_t crc_of(const char *text) {
    uint32_t crc = UINT32_MAX;
    for (; *text; ++text) {
        crc ^= (unsigned char)*text;
        for (int bit = 0; bit < 8; ++bit) {
            crc = crc & 1u ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
        }
    }
    return crc;
}

static void take(const char *text) {
    uint32_t end = 0u;
    CHECK(ew_take(&context, text, strlen(text)) == 0);
    for (context.tokens = 0;; ++context.tokens) {
        const uint32_t begin = ew_token(&context, end, &end);
        if (begin == context.length) {
            break;
        }
        context.begins[context.tokens] = (uint16_t)begin;
        context.ends[context.tokens] = (uint16_t)end;
    }
}

static int scores_are(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e) {
    const int32_t *s = context.row_scores;
    return s[0] == a && s[1] == b && s[2] == c && s[3] == d && s[4] == e;
}

static int path_is(const char *path) {
    for (int32_t t = 0; t < context.tokens; ++t) {
        if (context.path[t] != path[t] - '0') {
            return 0;
        }
    }
    return path[context.tokens] == '\0';
}

static void test_attributes(void) {
    CHECK(ew_crc_text(UINT32_MAX, "123456789") == ~0xCBF43926u);
    take("\xC3\x89T\xC3\x89_12345 X'x'y caf\xC3\xA9 ABCde");
    /* Capitals become small where the table has them; digits are 0. Two of a kind in a row tell as much as more. */
    CHECK(context.tokens == 4 && ew_alone(&context, "w=", 0) == crc_of("w=\xC3\x89t\xC3\x89_00000"));
    CHECK(ew_crc_shape(&context, UINT32_MAX, 0) == crc_of("xXx_dd"));
    CHECK(ew_crc_shape(&context, UINT32_MAX, 1) == crc_of("X'x'x"));
    CHECK(ew_crc_shape(&context, UINT32_MAX, 2) == crc_of("xx"));
    CHECK(ew_crc_shape(&context, UINT32_MAX, 3) == crc_of("XXxx"));
    CHECK(ew_crc_shape(&context, UINT32_MAX, 4) == crc_of(">"));
    CHECK(ew_crc_shape(&context, UINT32_MAX, -1) == crc_of("<"));
    CHECK(ew_pair(&context, "p=", -2, 2) == crc_of("p=<|caf\xC3\xA9"));
    CHECK(ew_pair(&context, "p=", 3, 5) == crc_of("p=abcde|>"));
}

static void test_scores(void) {
    /* Each of 20 attributes of the second word adds 1, 2, 4 or 8 to one label, and the word itself 20 to the third. */
    take("Tea green 42");
    ew_score_token(&context, 1, "order");
    CHECK(scores_are(15, 15, 35, 15, 15));
    /* Of the first word the constant, the intent and nothing two words before have weights. */
    ew_score_token(&context, 0, "order");
    CHECK(scores_are(1, 1 + 2, 0, 0, 0));
    ew_score_token(&context, 0, "other");
    CHECK(scores_are(1, 2, 0, 0, 0));
    take("green");
    ew_score_token(&context, 0, "order");
    /* b, I=, w=, I|w=, and -2=, +2=, s3=, s2=, p3=, p2=, sh=: 1, 1, 21, 1, 2 of label 1, 2 of 2, 4 of 3, 4 of 4 and 8s. */
    CHECK(scores_are(1 + 8, 1 + 2 + 8, 21 + 2 + 8, 1 + 4, 4));
    /* A word of two letters is its own beginning and end. */
    take("en");
    ew_score_token(&context, 0, "");
    CHECK(scores_are(1, 2, 8 + 2, 0, 4));
}

static void test_path(void) {
    /* All paths of three words, with 256 a step of a weight and the table of moves: the best one is among them. */
    take("Tea green 42");
    ew_tag(&context, "order");
    int32_t scores[3][5], best = INT32_MIN;
    const uint8_t chosen[3] = {context.path[0], context.path[1], context.path[2]};
    for (int32_t t = 0; t < 3; ++t) {
        ew_score_token(&context, t, "order");
        memcpy(scores[t], context.row_scores, sizeof scores[t]);
    }
    for (int i = 0; i < 125; ++i) {
        const int a = i / 25, b = i / 5 % 5, c = i % 5;
        const int32_t sum = 256 * (scores[0][a] + scores[1][b] + scores[2][c]) + ew_moves[a][b] + ew_moves[b][c];
        best = sum > best ? sum : best;
    }
    const int32_t own = 256 * (scores[0][chosen[0]] + scores[1][chosen[1]] + scores[2][chosen[2]]);
    CHECK(own + ew_moves[chosen[0]][chosen[1]] + ew_moves[chosen[1]][chosen[2]] == best && path_is("024"));
    /* Equal sums: the first label; a single word has no move. */
    take("x");
    ew_tag(&context, "");
    CHECK(path_is("1"));
    /* 700 from the third label to the last are more than two steps, 512. */
    take("x y");
    ew_tag(&context, "");
    CHECK(path_is("24"));
    take("en");
    ew_tag(&context, "");
    CHECK(path_is("2"));
    take("");
    ew_tag(&context, "order");
    CHECK(context.tokens == 0);
}

int main(void) {
    test_attributes();
    test_scores();
    test_path();
    return failures;
}
