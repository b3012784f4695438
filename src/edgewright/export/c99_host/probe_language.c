/* A language model in C, asked for what it hashes, logits, intent and slots. */
#include "../c99_language/student.h"
#include "../c99_language/slots.h"

/* lines probe */
#include "@.h"
#include <string.h>
extern uint32_t @_grams[2];
typedef struct {
    double numbers[6];
    const char *said;
} probe_slot;
int probe_language(const char *text, size_t bytes, int32_t today, double *told, int32_t *logits, probe_slot *found) {
    static @_context context;
    static @_slot slots[@@_MOST_SLOTS];
    @_answer answer;
    int32_t count = 0;
    memset(&context, 0xA5, sizeof context);
    @_grams[0] = @_grams[1] = 0u;
    told[0] = (double)@_parse(&context, text, bytes, &answer);
    if (told[0] != 0.0) {
        return 0;
    }
    told[1] = (double)answer.intent;
    told[2] = (double)answer.nearest;
    told[3] = (double)answer.confidence;
    told[4] = (double)@_grams[0];
    told[5] = (double)@_grams[1];
    memcpy(logits, @_logits(&context), sizeof(int32_t) * @@_INTENTS);
    if (answer.intent >= 0) {
        count = @_find_slots(&context, text, bytes, answer.intent, today, slots);
    }
    for (int32_t i = 0; i < count; ++i) {
        const double numbers[6] = {slots[i].name, slots[i].begin, slots[i].end, slots[i].by, slots[i].kind,
                                   slots[i].number};
        memcpy(found[i].numbers, numbers, sizeof numbers);
        found[i].said = slots[i].entry ? slots[i].entry : slots[i].kind == @@_WORD ? slots[i].word : 0;
    }
    return (int)count;
}
