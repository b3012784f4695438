/* NAME.h of a dialogue; `dialogue.py` writes the sizes and names. */
#define $name vending
#define $n_states 3
#define $n_events 3
#define $n_slots 2
#define $word 8
#define $states
#define $events
#define $slots

/* lines header */
/* The dialogue $name: a state table with intents as events. Made by `edgewright language dialogue c`. */
#ifndef @@_H
#define @@_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define @@_STATES $n_states
#define @@_EVENTS $n_events
#define @@_SLOTS $n_slots
/* Bytes of a word that a slot holds, with the one that ends it; a longer one leaves its slot unknown. */
#define @@_WORD $word

$states

/* Event 0 is every event that no step names, an utterance out of scope among them where no step names it. */
$events

$slots

/* Kinds of what is done; a slot that is forgotten is not told. */
#define @@_DO_SAY 0
#define @@_DO_EVENT 1
#define @@_DO_ALARM 2
#define @@_DO_COMMAND 3
#define @@_DO_FORGET 4

typedef struct {
    int state;
    double since; /* seconds at which the state was entered */
    double now;
    int begun;
    unsigned char kinds[@@_SLOTS]; /* 0 unknown, 1 a number, 2 a word */
    double numbers[@@_SLOTS];
    char words[@@_SLOTS][@@_WORD];
} @_machine;

/* A slot that was heard: its number, and a word, or a number where `word` is a null pointer. */
typedef struct {
    int slot;
    double number;
    const char *word;
} @_slot;

/* Called for each thing that is done: its kind, its text, and the number of the step in the table, from 0. */
typedef void (*@_act)(void *context, const @_machine *m, int kind, const char *text, int step);

void @_init(@_machine *m);
/* Each gives the number of steps that were taken. Time is in seconds and never goes back. */
int @_begin(@_machine *m, double time, @_act act, void *context);
int @_push(@_machine *m, int event, const @_slot *slots, int count, double time, @_act act, void *context);
int @_tick(@_machine *m, double time, @_act act, void *context);
/* Seconds at which something happens without a word; below zero where nothing will. */
double @_due(const @_machine *m);
int @_over(const @_machine *m);
/* Writes `text` with its slots into `out`, cut to `size` bytes with the one that ends it; gives the whole length. */
size_t @_render(const @_machine *m, const char *text, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
