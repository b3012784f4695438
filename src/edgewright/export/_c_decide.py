"""Decisions over successive answers as C99, step by step as `runtime.decide.Decider` has them."""

from __future__ import annotations

from edgewright.export._c_stream_layout import Layout
from edgewright.export._c_text import number


def decide_code(at: Layout) -> str:
    """Functions @_forget and @_decide, which takes the answer to a window and fills in the event."""
    forget = ["static void @_forget(void) {"]
    forget += ["    @_now.many = 0;"] if at.smoothing > 1 else []
    forget += ["    @_now.candidate = 0;", "    @_now.row = 0;", "}"]
    return "\n".join([*forget, "", *_mean(at), "", *_choose(at), "", *(_alarm(at) if at.alarms else []), *_event(at)])


def _mean(at: Layout) -> list[str]:
    """Step 1: 0 where an answer is not finite."""
    two = at.classes == 2 and at.outputs == 1
    value = (
        "(i == 0 ? 1.0f - answer->probabilities[0] : answer->probabilities[0])" if two else "answer->probabilities[i]"
    )
    lines = [
        "/* Averages the last answers, the oldest first; 0 where this one is not finite. */",
        "static int @_average(const @_answer *answer) {",
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
            f"        @_now.means[i] = {value};",
            "    }",
        ]
    if at.smoothing > 1:
        n = at.smoothing
        lines += [
            f"    const int place = (@_now.first + @_now.many) % {n};",
            f"    for (int i = 0; i < {at.classes}; ++i) {{",
            f"        @_now.last[place][i] = {value};",
            "    }",
            f"    if (@_now.many < {n}) {{",
            "        ++@_now.many;",
            "    } else {",
            f"        @_now.first = (@_now.first + 1) % {n};",
            "    }",
            f"    for (int i = 0; i < {at.classes}; ++i) {{",
            "        float sum = @_now.last[@_now.first][i];",
            "        for (int k = 1; k < @_now.many; ++k) {",
            f"            sum += @_now.last[(@_now.first + k) % {n}][i];",
            "        }",
            "        @_now.means[i] = sum / (float)@_now.many;",
            "    }",
        ]
    return [*lines, "    return 1;", "}"]


def _choose(at: Layout) -> list[str]:
    """Step 2."""
    lines = ["/* The label that counts, from 1; 0 for none. */", "static int @_choose(void) {", "    int best = 0;"]
    if at.own:
        lines += [
            "    float most = 0.0f;",
            f"    for (int i = 0; i < {at.classes}; ++i) {{",
            "        if (@_own[i] > 0.0f && @_now.means[i] >= @_own[i]) {",
            "            const float share = @_now.means[i] / @_own[i];",
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
        "        if (@_now.means[i] > @_now.means[best]) {",
        "            best = i;",
        "        }",
        "    }",
    ]
    allowed = f"@_now.means[best] >= {number(at.threshold)}"
    return [*lines, f"    return {f'!(@_own[best] > 0.0f) && {allowed}' if at.own else allowed} ? best + 1 : 0;", "}"]


def _alarm(at: Layout) -> list[str]:
    """Step 4."""
    lines = ["static int @_alarm(int label) {"]
    if len(at.alarms) == 1 and not at.quiet:
        return [*lines, f"    return label == {at.alarms[0]};", "}", ""]
    lines += [f"    for (int i = 0; i < {len(at.alarms)}; ++i) {{"]
    if at.quiet:
        lines += [
            "        if (@_alarms[i] == label && @_now.quiet[i] == 0u) {",
            f"            @_now.quiet[i] = {at.quiet}u;",
        ]
    else:
        lines.append("        if (@_alarms[i] == label) {")
    return [*lines, "            return 1;", "        }", "    }", "    return 0;", "}", ""]


def _event(at: Layout) -> list[str]:
    kind = "@_alarm(label - 1) ? @@_ALARM : @@_DECISION" if at.alarms else "@@_DECISION"
    return [
        "static int @_decide(const @_answer *answer, uint32_t row, @_event *event) {",
        "    /* A window with a value that its sensor cannot give decides nothing, and nothing is averaged over it. */",
        "    if ((answer->flags & @@_OUT_OF_RANGE) != 0u || !@_average(answer)) {",
        "        @_forget();",
        "        return 0;",
        "    }",
        "    const int label = @_choose();",
        "    if (label == 0) {",
        "        @_now.candidate = 0;",
        "        @_now.row = 0;",
        "        return 0;",
        "    }",
        f"    @_now.row = label != @_now.candidate ? 1 : @_now.row < {at.debounce} ? @_now.row + 1 : {at.debounce};",
        "    @_now.candidate = label;",
        f"    if (@_now.row < {at.debounce} || label == @_now.decided) {{",
        "        return 0;",
        "    }",
        "    @_now.decided = label;",
        f"    event->kind = {kind};",
        "    event->label = label - 1;",
        "    event->confidence = @_now.means[label - 1];",
        "    event->row = row;",
        "    event->flags = answer->flags;",
        "    return 1;",
        "}",
    ]
