"""Decisions over successive answers as C99, step by step as `core.decision.Decider` has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgewright.core.decision import SLACK, check_decision, own_thresholds
from edgewright.export.c99_code.text import number
from edgewright.export.c99_graph.frames import Grid
from edgewright.export.contract import Stream
from edgewright.schema.errors import InputError

_MOST_ROWS = 2**31 - 1


@dataclass(frozen=True)
class Layout:
    """Numbers of one stream.

    Attributes:
        name: prefix of all names.
        channels, samples, step: of a window; one row of columns has samples and step of 1.
        classes: probabilities of an answer; 0 for a model that gives a number.
        outputs: numbers the model gives; 1 for two classes of one sigmoid.
        smoothing, debounce: windows.
        threshold: float32.
        own: by class, 0 for none.
        alarms: places of the labels.
        quiet: rows after an alarm without another of the same label.
        grid: frames that are worked out as they come; None where a window is kept.
        fill_start: copies of the first row come before it.
    """

    name: str
    channels: int
    samples: int
    step: int
    classes: int
    outputs: int
    smoothing: int
    debounce: int
    threshold: float
    own: tuple[float, ...]
    alarms: tuple[int, ...]
    quiet: int
    grid: Grid | None = None
    fill_start: bool = False

    @property
    def ram(self) -> int:
        """Bytes of the state; every member takes a multiple of four."""
        window = self.channels * self.samples + 1 if self.samples > 1 else 0
        if self.grid is not None:
            window = self.grid.memory(self.step) // 4 - (self.step > self.samples)
        decision = (self.classes + 3) if self.classes else 0
        kept = self.smoothing * self.classes + 2 if self.smoothing > 1 else 0
        return 4 * (2 + window + (self.step > self.samples) + decision + kept + (len(self.alarms) if self.quiet else 0))


def layout_of(name: str, stream: Stream, shape: tuple[int, ...], outputs: int, grid: Grid | None = None) -> Layout:
    """Return the numbers of a stream, with the frames of its model where it takes them as they come."""
    spec, labels, window = stream.decision, stream.labels, stream.window
    check_decision(spec, labels)
    samples, step = (1, 1) if window is None else (window.samples, window.step)
    wanted = shape[:1] if window is None else (*shape[:1], samples)
    if not 1 <= min(samples, step) <= max(samples, step) <= _MOST_ROWS:
        raise InputError(f"windows and steps of 1 to {_MOST_ROWS} rows", f"{samples} and {step}", f"model {name}")
    if not shape or tuple(shape) != wanted:
        raise InputError(f"samples of shape {wanted}, as the stream has them", f"{shape}", f"model {name}")
    if labels and outputs not in (len(labels), 1 if len(labels) == 2 else len(labels)):
        raise InputError(f"a probability for each of {len(labels)} labels", str(outputs), f"model {name}")
    if not labels and outputs != 1:
        raise InputError("one number, or probabilities of labels", f"{outputs} numbers", f"model {name}")
    return Layout(
        name=name,
        channels=shape[0],
        samples=samples,
        step=step,
        classes=len(labels),
        outputs=outputs,
        smoothing=spec.smoothing,
        debounce=spec.debounce,
        threshold=float(np.float32(spec.threshold)),
        own=tuple(float(v) for v in own_thresholds(spec, labels)) if spec.thresholds else (),
        alarms=tuple(place for place, label in enumerate(labels) if label in spec.alarms),
        quiet=_quiet(stream) if spec.alarms else 0,
        grid=grid if grid is not None and grid.pays(step) else None,
        fill_start=window is not None and window.fill_start and samples > 1,
    )


def _quiet(stream: Stream) -> int:
    """Return rows of the refractory time: so many rows after an alarm it is over, as `Decider` counts seconds."""
    seconds = stream.decision.refractory - SLACK
    if seconds <= 0:
        return 0
    rate = None if stream.window is None else stream.window.rate
    if rate is None or not 0 < rate < math.inf:
        raise InputError(
            "a rate of the rows, in which the refractory time is counted", "none", "decision.refractory",
            "Set it to 0, or give the run a rate",
        )  # fmt: skip
    rows = math.ceil(seconds * rate)
    if rows > _MOST_ROWS:
        raise InputError(f"at most {_MOST_ROWS} rows", f"{rows}", "decision.refractory")
    return rows


def decide_code(at: Layout) -> str:
    """Return functions @_forget and @_decide, which takes the answer to a window and fills in the event."""
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
