"""Decisions over successive answers as C99, step by step as `core.decision.Decider` has them."""

from __future__ import annotations

from edgewright.export._c_stream_layout import Layout
from edgewright.export._c_text import number


def decide_code(at: Layout) -> str:
    """Functions @_forget and @_decide, which takes the answer to a window and fills in the event."""
    forget = ["static void @_forget(@_stream_context *context) {"]
    forget += ["    context->many = 0;"] if at.smoothing > 1 else []
    forget += ["    context->candidate = 0;", "    context->row = 0;", "}"]
    return "\n".join([*forget, "", *_mean(at), "", *_choose(at), "", *(_alarm(at) if at.alarms else []), *_event(at)])


def _mean(at: Layout) -> list[str]:
    """Step 1: 0 where an answer is not finite."""
    two = at.classes == 2 and at.outputs == 1
    value = (
        "(i == 0 ? 1.0f - answer->probabilities[0] : answer->probabilities[0])" if two else "answer->probabilities[i]"
    )
    lines = [
        "/* Averages the last answers, the oldest first; 0 where this one is not finite. */",
        "static int @_average(@_stream_context *context, const @_answer *answer) {",
        f"    for (int i = 0; i < {at.classes}; ++i) {{",
        f"        const float p = {value};",
        "        if (!(p >= -FLT_MAX && p <= FLT_MAX)) {",
        "            return 0;",
        "        }",
        "    }",
    ]
    if at.smoothing == 1:
        lines += [
            f"    for (int i = 0; i < {at.classes}; ++i) {{",
            f"        context->means[i] = {value};",
            "    }",
        ]
    if at.smoothing > 1:
        n = at.smoothing
        lines += [
            f"    const int place = (context->first + context->many) % {n};",
            f"    for (int i = 0; i < {at.classes}; ++i) {{",
            f"        context->last[place][i] = {value};",
            "    }",
            f"    if (context->many < {n}) {{",
            "        ++context->many;",
            "    } else {",
            f"        context->first = (context->first + 1) % {n};",
            "    }",
            f"    for (int i = 0; i < {at.classes}; ++i) {{",
            "        float sum = context->last[context->first][i];",
            "        for (int k = 1; k < context->many; ++k) {",
            f"            sum += context->last[(context->first + k) % {n}][i];",
            "        }",
            "        context->means[i] = sum / (float)context->many;",
            "    }",
        ]
    return [*lines, "    return 1;", "}"]


def _choose(at: Layout) -> list[str]:
    """Step 2."""
    lines = [
        "/* The label that counts, from 1; 0 for none. */",
        "static int @_choose(@_stream_context *context) {",
        "    int best = 0;",
    ]
    if at.own:
        lines += [
            "    float most = 0.0f;",
            f"    for (int i = 0; i < {at.classes}; ++i) {{",
            "        if (@_own[i] > 0.0f && context->means[i] >= @_own[i]) {",
            "            const float share = context->means[i] / @_own[i];",
            "            if (share > most) {",
            "                most = share;",
            "                best = i + 1;",
            "            }",
            "        }",
            "    }",
            "    if (best > 0) {",
            "        return best;",
            "    }",
        ]
    lines += [
        f"    for (int i = 1; i < {at.classes}; ++i) {{",
        "        if (context->means[i] > context->means[best]) {",
        "            best = i;",
        "        }",
        "    }",
    ]
    allowed = f"context->means[best] >= {number(at.threshold)}"
    return [*lines, f"    return {f'!(@_own[best] > 0.0f) && {allowed}' if at.own else allowed} ? best + 1 : 0;", "}"]


def _alarm(at: Layout) -> list[str]:
    """Step 4."""
    taken = "@_stream_context *context, " if at.quiet else ""
    lines = [f"static int @_alarm({taken}int label) {{"]
    if len(at.alarms) == 1 and not at.quiet:
        return [*lines, f"    return label == {at.alarms[0]};", "}", ""]
    lines += [f"    for (int i = 0; i < {len(at.alarms)}; ++i) {{"]
    if at.quiet:
        lines += [
            "        if (@_alarms[i] == label && context->quiet[i] == 0u) {",
            f"            context->quiet[i] = {at.quiet}u;",
        ]
    else:
        lines.append("        if (@_alarms[i] == label) {")
    return [*lines, "            return 1;", "        }", "    }", "    return 0;", "}", ""]


def _event(at: Layout) -> list[str]:
    given = f"@_alarm({'context, ' if at.quiet else ''}label - 1)"
    kind = f"{given} ? @@_ALARM : @@_DECISION" if at.alarms else "@@_DECISION"
    return [
        "static int @_decide(@_stream_context *context, const @_answer *answer, uint32_t row, @_event *event) {",
        "    /* A window with a value that its sensor cannot give, or without an answer, decides nothing, and nothing",
        "     * is averaged over it. */",
        "    if ((answer->flags & (@@_OUT_OF_RANGE | @@_MISSING)) != 0u || !@_average(context, answer)) {",
        "        @_forget(context);",
        "        return 0;",
        "    }",
        "    const int label = @_choose(context);",
        "    if (label == 0) {",
        "        context->candidate = 0;",
        "        context->row = 0;",
        "        return 0;",
        "    }",
        f"    const int longer = context->row < {at.debounce} ? context->row + 1 : {at.debounce};",
        "    context->row = label != context->candidate ? 1 : longer;",
        "    context->candidate = label;",
        f"    if (context->row < {at.debounce} || label == context->decided) {{",
        "        return 0;",
        "    }",
        "    context->decided = label;",
        f"    event->kind = {kind};",
        "    event->label = label - 1;",
        "    event->confidence = context->means[label - 1];",
        "    event->row = row;",
        "    event->flags = answer->flags;",
        "    return 1;",
        "}",
    ]
