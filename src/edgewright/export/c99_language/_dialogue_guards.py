"""What guards of a dialogue call, in C99: Kleene's three values, as in `core.state_machine.guards`."""

from __future__ import annotations

_FUNCTIONS = {
    "known": """\
static @_value @_known(const @_machine *m, int slot) {
    @_value made = {m->kinds[slot], m->numbers[slot], m->words[slot]};
    if (made.kind == 1 && made.number != made.number) {
        made.kind = 0;
    }
    return made;
}""",
    "number": """\
static @_value @_number(double number) {
    const @_value made = {1, number, ""};
    return made;
}""",
    "word": """\
static @_value @_word(const char *word) {
    const @_value made = {2, 0.0, word};
    return made;
}""",
    "size": """\
static @_value @_size(@_value v) {
    if (v.kind == 2) {
        v.kind = 0;
    }
    v.number = v.number < 0.0 ? -v.number : v.number;
    return v;
}""",
    "true": """\
static int @_true(@_value v) {
    return v.kind == 0 ? 2 : v.kind == 1 ? v.number != 0.0 : v.word[0] != '\\0';
}""",
    "not": """\
static int @_not(int a) {
    return a == 2 ? 2 : !a;
}""",
    "and": """\
static int @_and(int a, int b) {
    return a == 0 || b == 0 ? 0 : a == 2 || b == 2 ? 2 : 1;
}""",
    "or": """\
static int @_or(int a, int b) {
    return a == 1 || b == 1 ? 1 : a == 2 || b == 2 ? 2 : 0;
}""",
    "compare": """\
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
}""",
}


def helpers(guards: str) -> str:
    """Functions that the guards call, and no other: a compiler warns of what nobody calls."""
    needed = {"known"} if "_known(" in guards else set()
    needed |= {name for name in _FUNCTIONS if f"@_{name}(" in guards}
    return "\n\n".join(text for name, text in _FUNCTIONS.items() if name in needed)
