"""Windows cut of rows in C: as `core.windows.Windower` has them, in one buffer or as frames of each."""

from __future__ import annotations

from edgewright.export.c99_graph.frames import Grid

# Leaves a function as long as the next window has not begun.
SKIP = ("    if (context->skip > 0) {", "        --context->skip;", "        return 0;", "    }")


def fill_code(channels: int, samples: int, step: int, row: str, *, fill_start: bool = False) -> list[str]:
    """Return lines that take a row, and leave the function with 0 as long as no window is complete.

    Args:
        channels: of a window.
        samples: of a window.
        step: rows from one window to the next.
        row: the C name of the row.
        fill_start: copies come before the first row, which `filled` below 0 says.
    """
    lines = [*SKIP] if step > samples else []
    if fill_start:
        lines += [
            "    if (context->filled < 0) {",
            f"        for (context->filled = 0; context->filled < {samples - 1}; ++context->filled) {{",
            f"            for (int i = 0; i < {channels}; ++i) {{",
            f"                context->window[{samples} * i + context->filled] = {row}[i];",
            "            }",
            "        }",
            "    }",
        ]
    return [
        *lines,
        f"    for (int i = 0; i < {channels}; ++i) {{",
        f"        context->window[{samples} * i + context->filled] = {row}[i];",
        "    }",
        f"    if (++context->filled < {samples}) {{",
        "        return 0;",
        "    }",
    ]


def slide_code(channels: int, samples: int, step: int) -> list[str]:
    """Return rows that the next window has, too, move to its beginning: once a step, no other window is held."""
    kept = samples - step
    if kept <= 0:
        made = ["    context->filled = 0;"]
        return [*made, f"    context->skip = {-kept};"] if kept else made
    # Sample by sample: compilers would call the library for a loop over neighbours.
    to = f"context->window[{samples} * i + context->filled]"
    return [
        f"    for (context->filled = 0; context->filled < {kept}; ++context->filled) {{",
        f"        for (int i = 0; i < {channels}; ++i) {{",
        f"            {to} = {to.replace(']', f' + {step}]')};",
        "        }",
        "    }",
    ]


def frames_state(grid: Grid, step: int) -> list[str]:
    """Return the fields of windows of which only frames are kept."""
    windows = grid.windows(step)
    return [
        "    int place; /* of the next row in the line */",
        "    int there, inside; /* rows up to now that are finite, and in range; at most a window */",
        "    int due, left; /* rows from the last frame or window that was complete to the next, and those to come */",
        f"    int rows_of[{windows}], frames_of[{windows}]; /* of each open window; below 0 before it begins */",
        "    float line[2 * @@_FRAME]; /* the last rows, twice, so that they lie in a row somewhere */",
        f"    float frames[{windows}][@@_FRAMES * @@_FRAME_VALUES];",
    ]


def frames_code(grid: Grid, step: int) -> list[str]:
    """Return lines that take a row of one number, and leave the function as long as no window is complete."""
    windows = grid.windows(step)
    return [
        "    int complete = -1;",
        "    context->line[context->place] = context->line[context->place + @@_FRAME] = sample[0];",
        "    context->place = context->place + 1 < @@_FRAME ? context->place + 1 : 0;",
        f"    context->there += context->there < {grid.samples};",
        "    context->there = sample[0] - sample[0] == 0.0f ? context->there : 0;",
        f"    context->inside += context->inside < {grid.samples};",
        "    context->inside = @@_OUTSIDE(sample[0]) ? 0 : context->inside;",
        "    if (--context->left > 0) {",
        "        return 0;",
        "    }",
        f"    for (int w = 0, due = context->due; w < {windows}; ++w) {{",
        "        int wait;",
        "        context->rows_of[w] += due;",
        "        if (context->rows_of[w] == @@_FRAME + @@_HOP * context->frames_of[w]) {",
        "            @_frame(&context->model, context->line + context->place,",
        "                    context->frames[w] + @@_FRAME_VALUES * context->frames_of[w]++);",
        "        }",
        f"        if (context->rows_of[w] == {grid.samples}) {{",
        "            complete = w;",
        f"            context->rows_of[w] = {grid.samples - windows * step};",
        "            context->frames_of[w] = 0;",
        "        }",
        "        wait = context->frames_of[w] < @@_FRAMES ? @@_FRAME + @@_HOP * context->frames_of[w]",
        f"            : {grid.samples};",
        "        wait -= context->rows_of[w];",
        "        context->left = w == 0 || wait < context->left ? wait : context->left;",
        "    }",
        "    context->due = context->left;",
        "    if (complete < 0) {",
        "        return 0;",
        "    }",
        "    (void)@_framed(&context->model, context->frames[complete], context->there,",
        f"        context->inside < {grid.samples} ? @@_OUT_OF_RANGE : 0u, &answer);",
    ]


def frames_clear(grid: Grid, step: int) -> list[str]:
    """Return lines that begin the first window with the next row."""
    return [
        "    context->place = context->there = context->inside = 0;",
        "    context->due = context->left = @@_FRAME;",
        f"    for (int w = 0; w < {grid.windows(step)}; ++w) {{",
        f"        context->rows_of[w] = -{step} * w;",
        "        context->frames_of[w] = 0;",
        "    }",
    ]
