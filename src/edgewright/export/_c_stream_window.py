"""Windows cut of rows in C: as `core.windows.Windower` has them, in one buffer."""

from __future__ import annotations

# Leaves a function as long as the next window has not begun.
SKIP = ("    if (context->skip > 0) {", "        --context->skip;", "        return 0;", "    }")


def fill_code(channels: int, samples: int, step: int, row: str) -> list[str]:
    """Return lines that take a row, and leave the function with 0 as long as no window is complete.

    Args:
        channels: of a window.
        samples: of a window.
        step: rows from one window to the next.
        row: the C name of the row.
    """
    lines = (
        ["    if (context->skip > 0) {", "        --context->skip;", "        return 0;", "    }"]
        if step > samples
        else []
    )
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
