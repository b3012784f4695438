/* The machine of a dialogue, and what its guards call; `dialogue.py` writes the state table. */
#include "dialogue.h"
#include <string.h>
/* Idle, asked and over. Event 1 with a drink leads on, event 2 anywhere to the end, and half a second forgets. */
#define $rows \
    {1, 0, 1, 0, 2, 10}, {1, -1, -1, 2, 1, 11}, {-2, -1, 0, 3, 2, 12}, {2, -1, 2, 5, 0, 13}, {-1, -1, 0, 5, 1, 14}, \
    {-2, -1, 1, 6, 0, 15}
#define $firsts 0, 2, 5, 6
#define $timeouts {0.0, -1}, {0.5, 2}, {0.25, 5}
#define $final 0, 0, 1
#define $actions {0, -1, "one {drink}"}, {3, -1, "pour"}, {0, -1, "which?"}, {4, 0, 0}, {1, -1, "late"}, {0, -1, "what?"}
#define $slot_names "drink", "confidence"
#define $helpers
#define $guards case 0: return m->kinds[0] == 0 ? 2 : 1;
#define $initial 0
#define $begin @_push(m, 0, 0, 0, time, act, context)

/* lines machine */
#include "@.h"

#include <string.h>

typedef struct {
    int event; /* -1 for any other, -2 for a time-out */
    int guard;
    int to;
    int action;
    int actions;
    int place;
} @_row;

typedef struct {
    int kind;
    int slot;
    const char *text;
} @_action;

typedef struct {
    double after;
    int row;
} @_timeout;

typedef struct {
    int kind;
    double number;
    const char *word;
} @_value;

static const @_row @_rows[] = {
    $rows
};
static const int @_firsts[] = {$firsts};
static const @_timeout @_timeouts[] = {$timeouts};
static const unsigned char @_final[] = {$final};
static const @_action @_actions[] = {
    $actions
};
static const char *const @_slot_names[] = {$slot_names};

$helpers

static int @_guard(const @_machine *m, int guard) {
    (void)m;
    switch (guard) {
$guards
    default: return 1;
    }
}

static int @_find(const @_machine *m, int event) {
    for (int i = @_firsts[m->state]; i < @_firsts[m->state + 1]; ++i) {
        const @_row *row = @_rows + i;
        if ((row->event == event || row->event == -1) && @_guard(m, row->guard) == 1) {
            return i;
        }
    }
    return -1;
}

static void @_go(@_machine *m, int index, double time, @_act act, void *context) {
    const @_row *row = @_rows + index;
    if (row->to >= 0) {
        m->state = row->to;
        m->since = time;
    }
    for (int i = row->action; i < row->action + row->actions; ++i) {
        if (@_actions[i].slot >= 0) {
            m->kinds[@_actions[i].slot] = 0;
        } else if (act) {
            act(context, m, @_actions[i].kind, @_actions[i].text, row->place);
        }
    }
}

void @_init(@_machine *m) {
    memset(m, 0, sizeof *m);
    m->state = $initial;
}

int @_begin(@_machine *m, double time, @_act act, void *context) {
    @_init(m);
    return $begin;
}

double @_due(const @_machine *m) {
    const @_timeout *late = @_timeouts + m->state;
    return late->row < 0 || !m->begun ? -1.0 : m->since + late->after;
}

int @_over(const @_machine *m) {
    return @_final[m->state];
}

int @_tick(@_machine *m, double time, @_act act, void *context) {
    int taken = 0;
    if (!m->begun) {
        m->begun = 1;
        m->since = m->now = time;
    }
    if (time > m->now) {
        m->now = time;
    }
    while (@_timeouts[m->state].row >= 0 && m->since + @_timeouts[m->state].after <= m->now) {
        const @_timeout *late = @_timeouts + m->state;
        const double due = m->since + late->after;
        m->since = due;
        @_go(m, late->row, due, act, context);
        ++taken;
    }
    return taken;
}

int @_push(@_machine *m, int event, const @_slot *slots, int count, double time, @_act act, void *context) {
    int taken = @_tick(m, time, act, context);
    int found;
    for (int i = 0; i < count; ++i) {
        const int slot = slots[i].slot;
        if (slot < 0 || slot >= @@_SLOTS) {
            continue;
        }
        m->kinds[slot] = 0;
        if (!slots[i].word) {
            m->kinds[slot] = 1;
            m->numbers[slot] = slots[i].number;
        } else if (strlen(slots[i].word) < @@_WORD) {
            m->kinds[slot] = 2;
            strcpy(m->words[slot], slots[i].word);
        }
    }
    found = @_find(m, event);
    if (found >= 0) {
        @_go(m, found, m->now, act, context);
        ++taken;
    }
    return taken;
}

static size_t @_put(char *out, size_t size, size_t at, const char *from, size_t length) {
    for (size_t i = 0; i < length; ++i) {
        if (at + i + 1 < size) {
            out[at + i] = from[i];
        }
    }
    return at + length;
}

/* A number as %g writes it, six digits, without the memory that printf asks for. */
static size_t @_spoken(double number, char *out) {
    char digits[6];
    size_t length = 0u;
    size_t last = 5u;
    int exponent = 0;
    double value = number < 0.0 ? -number : number;
    if (number < 0.0) {
        out[length++] = '-';
    }
    if (value > 1.7976931348623157e308) {
        memcpy(out + length, "inf", 3u);
        return length + 3u;
    }
    for (; value >= 10.0; ++exponent) {
        value /= 10.0;
    }
    for (; value > 0.0 && value < 1.0; --exponent) {
        value *= 10.0;
    }
    const double scaled = value * 100000.0;
    unsigned long whole = (unsigned long)scaled;
    whole += scaled - (double)whole >= 0.5 ? 1u : 0u;
    if (whole == 1000000u) {
        whole = 100000u;
        ++exponent;
    }
    for (int i = 5; i >= 0; --i, whole /= 10u) {
        digits[i] = (char)('0' + (int)(whole % 10u));
    }
    const int apart = exponent < -4 || exponent > 5;
    const size_t before = apart || exponent < 0 ? 1u : (size_t)exponent + 1u;
    while (last >= (!apart && exponent < 0 ? 1u : before) && digits[last] == '0') {
        --last;
    }
    if (!apart && exponent < 0) {
        memcpy(out + length, "0.0000", 6u);
        length += (size_t)(1 - exponent);
        memcpy(out + length, digits, last + 1u);
        return length + last + 1u;
    }
    memcpy(out + length, digits, before);
    length += before;
    if (last >= before) {
        out[length++] = '.';
        memcpy(out + length, digits + before, last + 1u - before);
        length += last + 1u - before;
    }
    if (apart) {
        const int size = exponent < 0 ? -exponent : exponent;
        out[length++] = 'e';
        out[length++] = exponent < 0 ? '-' : '+';
        if (size > 99) {
            out[length++] = (char)('0' + size / 100);
        }
        out[length++] = (char)('0' + size / 10 % 10);
        out[length++] = (char)('0' + size % 10);
    }
    return length;
}

size_t @_render(const @_machine *m, const char *text, char *out, size_t size) {
    size_t at = 0;
    while (*text) {
        const char *end = *text == '{' ? strchr(text, '}') : 0;
        int slot = -1;
        for (int i = 0; end && i < @@_SLOTS; ++i) {
            const size_t length = strlen(@_slot_names[i]);
            if ((size_t)(end - text - 1) == length && strncmp(text + 1, @_slot_names[i], length) == 0) {
                slot = i;
            }
        }
        if (slot < 0) {
            at = @_put(out, size, at, text, 1);
            ++text;
            continue;
        }
        if (m->kinds[slot] == 2) {
            at = @_put(out, size, at, m->words[slot], strlen(m->words[slot]));
        } else if (m->kinds[slot] == 1 && !(m->numbers[slot] != m->numbers[slot])) {
            char number[32];
            at = @_put(out, size, at, number, @_spoken(m->numbers[slot], number));
        } else {
            at = @_put(out, size, at, @_slot_names[slot], strlen(@_slot_names[slot]));
        }
        text = end + 1;
    }
    if (size) {
        out[at < size ? at : size - 1] = '\0';
    }
    return at;
}

/* block known */
static @_value @_known(const @_machine *m, int slot) {
    @_value made = {m->kinds[slot], m->numbers[slot], m->words[slot]};
    if (made.kind == 1 && made.number != made.number) {
        made.kind = 0;
    }
    return made;
}

/* block number */
static @_value @_number(double number) {
    const @_value made = {1, number, ""};
    return made;
}

/* block word */
static @_value @_word(const char *word) {
    const @_value made = {2, 0.0, word};
    return made;
}

/* block size */
static @_value @_size(@_value v) {
    if (v.kind == 2) {
        v.kind = 0;
    }
    v.number = v.number < 0.0 ? -v.number : v.number;
    return v;
}

/* block true */
static int @_true(@_value v) {
    return v.kind == 0 ? 2 : v.kind == 1 ? v.number != 0.0 : v.word[0] != '\0';
}

/* block not */
static int @_not(int a) {
    return a == 2 ? 2 : !a;
}

/* block and */
static int @_and(int a, int b) {
    return a == 0 || b == 0 ? 0 : a == 2 || b == 2 ? 2 : 1;
}

/* block or */
static int @_or(int a, int b) {
    return a == 1 || b == 1 ? 1 : a == 2 || b == 2 ? 2 : 0;
}

/* block compare */
static int @_compare(int sign, @_value a, @_value b) {
    if (a.kind == 0 || b.kind == 0) {
        return 2;
    }
    if (a.kind == 2 || b.kind == 2) {
        const int same = a.kind == b.kind && strcmp(a.word, b.word) == 0;
        return sign == 4 ? same : sign == 5 ? !same : 2;
    }
    switch (sign) {
    case 0: return a.number < b.number;
    case 1: return a.number <= b.number;
    case 2: return a.number > b.number;
    case 3: return a.number >= b.number;
    case 4: return !(a.number < b.number) && !(a.number > b.number);
    default: return a.number < b.number || a.number > b.number;
    }
}
