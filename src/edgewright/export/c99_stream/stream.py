"""A stream of rows as C99: windows, the model, and decisions as `core.decision.Decider` makes them, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.export.c99_code.text import identifier, number, template_comment
from edgewright.export.c99_graph.frames import grid_in
from edgewright.export.c99_stream.decide import Layout, decide_code, layout_of
from edgewright.export.c99_stream.detectors import (
    EVENT,
    NEXT,
    TIME,
    Watcher,
    Watchers,
    push_code,
    timed,
    told_of,
    watch_code,
)
from edgewright.export.c99_stream.window import SKIP, fill_code, frames_clear, frames_code, frames_state, slide_code
from edgewright.export.contract import Stream

_NOBODY = Watchers((), {}, {})
# Bytes that wait of an anomaly until it is asked for: score, channel, and whether there is one.
_TOLD = 12
_ADAPT = '#include "@_adapt.h"\n'


def write_stream_c99(
    stream: Stream,
    shape: Sequence[int],
    outputs: int,
    *,
    name: str,
    columns: Sequence[str] = (),
    watchers: Watchers = _NOBODY,
    turned: bool = False,
    header: str = "",
) -> dict[str, str]:
    """Return the code around a model that `write_c99` wrote under the same name.

    Args:
        stream: how rows become windows and answers become decisions.
        shape: of one sample: (columns,), or (channels, samples) where the stream has windows.
        outputs: probabilities or numbers the model gives.
        name: of the model's files, and prefix of every name in them.
        columns: names of the channels, for the header.
        watchers: detectors of the same rows, whose anomalies are events, too.
        turned: whether NAME_adapt.c swaps and mirrors the axes of a window before the model.
        header: NAME.h of the model, which says whether it takes a window frame by frame; else windows are kept.

    Returns:
        File name -> text: NAME_stream.h and NAME_stream.c, and the files of the detectors.

    Raises:
        InputError: for a name that C does not take, windows of another shape than the model's, a decision that is
            none of the model's, or a refractory time for rows whose rate is not known.
    """
    filled = stream.window is not None and stream.window.fill_start
    whole = turned or filled or any(watcher.given for watcher in watchers.all)
    layout = layout_of(identifier(name), stream, tuple(shape), outputs, None if whole else grid_in(header))
    made = {
        f"{name}_stream.h": _header(layout, stream, columns, watchers),
        f"{name}_stream.c": _source(layout, watchers.all, turned=turned),
    }
    return {
        **{file: text.replace("@@", name.upper()).replace("@", name) for file, text in made.items()},
        **watchers.files,
    }


def _header(at: Layout, stream: Stream, columns: Sequence[str], watchers: Watchers) -> str:
    found = len(watchers.all)
    also = " and of the detectors" if found else ""
    what = f"{at.channels} numbers ({template_comment(', '.join(columns))})" if columns else f"{at.channels} numbers"
    rate = stream.window.rate if stream.window is not None else None
    pace = f", {rate:.9g} rows a second" if rate else ""
    cut = f"Windows of {at.samples} rows, one every {at.step}{pace}" if at.samples > 1 else "Every row is answered"
    begin = ["A first row, and one after a gap, has copies of it before it and completes a window."]
    lines = [
        *_GUARD,
        *(f'#include "{watcher.prefix}_detect.h"' for watcher in watchers.all),
        *_OPEN,
        "/*",
        f" * Rows in, events out. A row is {what}; what is not finite is missing.",
        f" * {cut}. {'Each answer is an event.' if not at.classes else ''}".rstrip(),
        *(f" * {line}" for line in begin if at.fill_start),
        *_how(at, stream),
        *told_of(watchers),
        " *",
        f" * Memory: {at.ram + _TOLD * found} bytes of RAM besides those of @.h{also}, in a context, no heap.",
        " */",
        f"#define @@_CHANNELS {at.channels}",
        *([f"#define @@_WINDOW {at.samples}", f"#define @@_STEP {at.step}"] if at.samples > 1 else []),
        *(_KINDS if at.classes else ["#define @@_VALUE 1"]),
        *(["/* A detector calls it odd. */", "#define @@_ANOMALY 3", f"#define @@_DETECTORS {found}"] if found else []),
        "",
        *_state(at, watchers.all),
        "",
        "typedef struct {",
        "    int kind;",
        *(
            ["    int label;        /* as in @.h */", "    float confidence; /* averaged probability of the label */"]
            if at.classes
            else ["    float value;"]
        ),
        "    uint32_t row;     /* number of the last row it rests on, from 0; lost ones are counted */",
        "    unsigned flags;   /* of that window's answer, as @_predict gives them */",
        *(EVENT if found else []),
        "} @_event;",
        "",
        "/* Call it first. A later call forgets everything. */",
        "void @_init(@_stream_context *context);",
        "/* Takes the next row; 1 and an event, or 0 and the event untouched. */",
        "int @_push(@_stream_context *context, const float sample[@@_CHANNELS], @_event *event);",
        *(NEXT if found else []),
        *(TIME if timed(watchers.all) else []),
        "/* Call if rows are missing here, with 0 if unknown how many: the window and the mean restart. */",
        "void @_gap(@_stream_context *context, uint32_t rows);",
        *(_MEANS if at.classes else []),
        *_FLAGS,
        *_CLOSE,
    ]
    return "\n".join(lines)


_GUARD = ("#ifndef @@_STREAM_H", "#define @@_STREAM_H", "", '#include "@.h"')
_OPEN = ("", "#include <stdint.h>", "", "#ifdef __cplusplus", 'extern "C" {', "#endif", "")
_CLOSE = ("", "#ifdef __cplusplus", "}", "#endif", "", "#endif", "")
_KINDS = (
    "/* The decided label changed; or it changed to one of the alarms. */",
    "#define @@_DECISION 1",
    "#define @@_ALARM 2",
)
_MEANS = (
    "/* The averaged probabilities after the last window, by label. */",
    "const float *@_means(const @_stream_context *context);",
)
_FLAGS = (
    "/* Flags of the last window's answer: one that is MISSING or OUT_OF_RANGE decides nothing and is no event. */",
    "unsigned @_flags(const @_stream_context *context);",
)


def _how(at: Layout, stream: Stream) -> list[str]:
    """Return what is decided, in words."""
    if not at.classes:
        return []
    spec, labels = stream.decision, stream.labels
    mean = f"the mean of the last {at.smoothing} answers" if at.smoothing > 1 else "each answer"
    row = (
        f"{at.debounce} windows in a row that choose the same label decide" if at.debounce > 1 else "the choice decides"
    )
    lines = [f"A window chooses by {mean}; {row}."]
    limits = [f"{template_comment(label)} {spec.thresholds[label]:.9g}" for label in labels if label in spec.thresholds]
    if at.threshold or limits:
        limits.append(f"{at.threshold:.9g} for the others" if limits else f"{at.threshold:.9g}")
        lines.append(f"Thresholds: {', '.join(limits)}.")
    if at.alarms:
        names = ", ".join(template_comment(labels[place]) for place in at.alarms)
        lines.append(f"Alarms: {names}{f'; {at.quiet} rows or more between two of one label' if at.quiet else ''}.")
    return [f" * {line}" for line in lines]


def _source(at: Layout, watchers: Sequence[Watcher], *, turned: bool) -> str:
    blocks = [
        f'#include "@_stream.h"\n{_ADAPT if turned else ""}\n#include <float.h>\n#include <string.h>',
        *_tables(at),
        *([decide_code(at)] if at.classes else []),
        *watch_code(watchers),
        _push_code(at, watchers, turned=turned),
        *push_code(watchers, bool(at.classes)),
        _gap_code(at, watchers),
        _init_code(at, watchers),
        *(
            ["const float *@_means(const @_stream_context *context) {\n    return context->means;\n}"]
            if at.classes
            else []
        ),
    ]
    blocks.append("unsigned @_flags(const @_stream_context *context) {\n    return context->flags;\n}")
    return "\n\n".join(blocks) + "\n"


def _state(at: Layout, watchers: Sequence[Watcher]) -> list[str]:
    """Return what is remembered, and the memory of the model."""
    # Arrays come last: what lies near the beginning is reached by shorter instructions.
    fields = ["    uint32_t rows; /* that came or were lost */", "    unsigned flags; /* of the last answer */"]
    arrays: list[str] = []
    if at.grid is not None:
        arrays += frames_state(at.grid, at.step)
    elif at.samples > 1:
        fields.append(f"    int filled; /* rows of the window{'; -1 before the first row' if at.fill_start else ''} */")
        arrays.append(f"    float window[{at.channels * at.samples}];")
    if at.step > at.samples and at.grid is None:
        fields.append("    int skip; /* rows up to the next window */")
    if at.classes:
        fields += [
            "    int candidate, decided; /* places of labels counted from 1; 0 for none */",
            "    int row; /* windows in a row that chose the candidate */",
            f"    float means[{at.classes}];",
        ]
    if at.smoothing > 1 and at.classes:
        fields.append("    int first, many; /* of the answers kept */")
        arrays.append(f"    float last[{at.smoothing}][{at.classes}];")
    if at.quiet:
        fields.append(f"    uint32_t quiet[{len(at.alarms)}]; /* rows without another alarm */")
    if watchers:
        text = f"    }} told[{len(watchers)}];"
        fields += ["    struct {", "        float score;", "        int channel, odd;", text]
    arrays += [f"    {w.prefix}_detect_context detector{n};" for n, w in enumerate(watchers)]
    return [
        "/* One stream: its state, and the memory of its model. */",
        *("typedef struct {", *fields, *arrays, "    @_context model;", "} @_stream_context;"),
    ]


def _tables(at: Layout) -> list[str]:
    tables = []
    if at.own:
        tables.append(_table("float", "own", [number(v).strip("()") for v in at.own], "0 for none of its own"))
    if len(at.alarms) > 1 or (at.alarms and at.quiet):
        tables.append(_table("int", "alarms", [str(place) for place in at.alarms], "places of labels"))
    return tables


def _table(kind: str, name: str, words: Sequence[str], text: str) -> str:
    return f"/* {text} */\nstatic const {kind} @_{name}[{len(words)}] = {{{', '.join(words)}}};"


def _push_code(at: Layout, watchers: Sequence[Watcher], *, turned: bool) -> str:
    """Return what the model says of a row: all there is to push without detectors."""
    name = "static int @_answered" if watchers else "int @_push"
    lines = [
        f"{name}(@_stream_context *context, const float sample[@@_CHANNELS], @_event *event) {{",
        "    const uint32_t row = context->rows++;",
    ]
    lines.append("    @_answer answer;")
    if at.quiet:
        lines += [
            f"    for (int i = 0; i < {len(at.alarms)}; ++i) {{",
            "        if (context->quiet[i] > 0u) {",
            "            --context->quiet[i];",
            "        }",
            "    }",
        ]
    if at.grid is not None:
        lines += frames_code(at.grid, at.step)
    elif at.samples > 1:
        lines += [
            *fill_code(at.channels, at.samples, at.step, "sample", fill_start=at.fill_start),
            *(["    @_adapt_before(context->window);"] if turned else []),
            "    (void)@_predict(&context->model, context->window, &answer);",
            *(["    @_adapt_after(context->window);"] if turned else []),
            *(["    @_watch_window(context, context->window);"] if any(w.given for w in watchers) else []),
            *slide_code(at.channels, at.samples, at.step),
        ]
    else:
        if at.step > at.samples:
            lines += SKIP
        lines.append("    (void)@_predict(&context->model, sample, &answer);")
        if at.step > at.samples:
            lines.append(f"    context->skip = {at.step - at.samples};")
    lines.append("    context->flags = answer.flags;")
    if at.classes:
        lines.append("    return @_decide(context, &answer, row, event);")
    else:
        lines += ["    event->kind = @@_VALUE;", "    event->value = answer.prediction;", *_TAIL]
    return "\n".join([*lines, "}"])


_TAIL = ("    event->row = row;", "    event->flags = answer.flags;", "    return 1;")


def _init_code(at: Layout, watchers: Sequence[Watcher]) -> str:
    """Return the first state, number by number: nothing reads the long arrays before they are set."""
    lines = ["    context->rows = 0u;", "    context->flags = 0u;"]
    lines += _cleared(at)
    if at.classes:
        lines += ["    context->decided = 0;", *(["    context->first = 0;"] if at.smoothing > 1 else [])]
        lines += [f"    for (int i = 0; i < {at.classes}; ++i) {{", "        context->means[i] = 0.0f;", "    }"]
        lines.append("    @_forget(context);")
    if at.quiet:
        lines += [f"    for (int i = 0; i < {len(at.alarms)}; ++i) {{", "        context->quiet[i] = 0u;", "    }"]
    lines += ["    memset(context->told, 0, sizeof context->told);"] if watchers else []
    lines += [f"    {w.prefix}_detect_init(&context->detector{n});" for n, w in enumerate(watchers)]
    return "\n".join(["void @_init(@_stream_context *context) {", *lines, "}"])


def _cleared(at: Layout) -> list[str]:
    """Return lines that begin a window with the next row."""
    if at.grid is not None:
        return frames_clear(at.grid, at.step)
    filled = [f"    context->filled = {-1 if at.fill_start else 0};"] if at.samples > 1 else []
    return [*filled, *(["    context->skip = 0;"] if at.step > at.samples else [])]


def _gap_code(at: Layout, watchers: Sequence[Watcher]) -> str:
    lines = ["void @_gap(@_stream_context *context, uint32_t rows) {", "    context->rows += rows;"]
    if at.quiet:
        lines += [
            f"    for (int i = 0; i < {len(at.alarms)}; ++i) {{",
            "        context->quiet[i] -= context->quiet[i] < rows ? context->quiet[i] : rows;",
            "    }",
        ]
    lines += _cleared(at)
    lines += ["    @_forget(context);"] if at.classes else []
    lines += [f"    {w.prefix}_detect_gap(&context->detector{n});" for n, w in enumerate(watchers) if w.form.cuts]
    return "\n".join([*lines, "}"])
