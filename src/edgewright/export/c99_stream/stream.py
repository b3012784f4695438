"""A stream of rows as C99: windows, the model, and decisions as `core.decision.Decider` makes them, to the bit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.core.prediction.decision import SLACK, check_decision, own_thresholds
from edgewright.export.c99_code.parts import filled, named, parts
from edgewright.export.c99_code.text import identifier, number, template_comment
from edgewright.export.c99_graph.frames import Grid, grid_in
from edgewright.export.c99_stream.detectors import Watchers, note_lines, watch_functions
from edgewright.export.contract import Stream
from edgewright.schema.errors import InputError

_MOST_ROWS = 2**31 - 1
_NOBODY = Watchers((), {}, {})
# Bytes that wait of an anomaly until it is asked for: score, channel, and whether there is one.
_ANOMALY_BYTES = 12


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
        full_mean: a mean of fewer answers than `smoothing` decides nothing.
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
    full_mean: bool = False
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
        alarms=tuple(index for index, label in enumerate(labels) if label in spec.alarms),
        quiet=_quiet(stream) if spec.alarms else 0,
        grid=grid if grid is not None and grid.pays(step) else None,
        full_mean=spec.full_mean is True and spec.smoothing > 1,
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
    has_start = stream.window is not None and stream.window.fill_start
    whole = turned or has_start or any(watcher.given for watcher in watchers.all)
    layout = layout_of(identifier(name), stream, tuple(shape), outputs, None if whole else grid_in(header))
    sizes = _sizes(layout, watchers)
    words, code = _header(layout, stream, columns, watchers), _code(layout, watchers)
    texts = {
        f"{name}_stream.h": filled(parts(__file__, "stream.h")["header"], **sizes, **words),
        f"{name}_stream.c": filled(parts(__file__, "stream.c")["source"], **sizes, **code, turned=turned),
    }
    return {**named(texts, name), **watchers.files}


def _sizes(at: Layout, watchers: Watchers) -> dict[str, object]:
    """Return the numbers that header and source are written with."""
    return {
        "channels": at.channels, "samples": at.samples, "step": at.step, "skipped": max(0, at.step - at.samples),
        "classes": at.classes, "smoothing": at.smoothing, "full": at.full_mean, "alarms": len(at.alarms),
        "quiet": at.quiet, "fill_start": at.fill_start, "frames": at.grid is not None,
        "windows": 0 if at.grid is None else at.grid.windows(at.step), "detectors": len(watchers.all),
        "timed": any(watcher.form.score.season for watcher in watchers.all),
    }  # fmt: skip


def _header(at: Layout, stream: Stream, columns: Sequence[str], watchers: Watchers) -> dict[str, object]:
    """Return what the header says besides the numbers."""
    numbers = f"{at.channels} numbers ({template_comment(', '.join(columns))})" if columns else f"{at.channels} numbers"
    rate = stream.window.rate if stream.window is not None else None
    pace = f", {rate:.9g} rows a second" if rate else ""
    cut = f"Windows of {at.samples} rows, one every {at.step}{pace}" if at.samples > 1 else "Every row is answered"
    notes = note_lines(watchers)
    return {
        "row": numbers, "how": "\n * ".join(_how(at, stream)), "notes": len(notes), "note": "\n * ".join(notes),
        "cut": cut,
        "ram": at.ram + _ANOMALY_BYTES * len(watchers.all), "also": " and of the detectors" if watchers.all else "",
        "window": at.channels * at.samples,
        "includes": "\n".join(f'#include "{watcher.prefix}_detect.h"' for watcher in watchers.all),
        "members": "\n".join(f"    {w.prefix}_detect_context detector{n};" for n, w in enumerate(watchers.all)),
    }  # fmt: skip


def _how(at: Layout, stream: Stream) -> list[str]:
    """Return what is decided, in words."""
    if not at.classes:
        return []
    spec, labels = stream.decision, stream.labels
    mean = f"the mean of the last {at.smoothing} answers" if at.smoothing > 1 else "each answer"
    mean += ", never of fewer" if at.full_mean else ""
    row = (
        f"{at.debounce} windows in a row that choose the same label decide" if at.debounce > 1 else "the choice decides"
    )
    lines = [f"A window chooses by {mean}; {row}."]
    limits = [f"{template_comment(label)} {spec.thresholds[label]:.9g}" for label in labels if label in spec.thresholds]
    if at.threshold or limits:
        limits.append(f"{at.threshold:.9g} for the others" if limits else f"{at.threshold:.9g}")
        lines.append(f"Thresholds: {', '.join(limits)}.")
    if at.alarms:
        names = ", ".join(template_comment(labels[index]) for index in at.alarms)
        lines.append(f"Alarms: {names}{f'; {at.quiet} rows or more between two of one label' if at.quiet else ''}.")
    return lines


def _code(at: Layout, watchers: Watchers) -> dict[str, object]:
    """Return what the source says besides the numbers."""
    two = at.classes == 2 and at.outputs == 1
    numbered = list(enumerate(watchers.all))
    given = [watcher.given for watcher in watchers.all]
    return {
        "value": "(i == 0 ? 1.0f - answer->probabilities[0] : answer->probabilities[0])" if two
        else "answer->probabilities[i]",
        "debounce": at.debounce, "threshold": number(at.threshold), "own": bool(at.own),
        "own_thresholds": _constants(at.own), "alarm_labels": ", ".join(map(str, at.alarms)),
        "first_alarm": at.alarms[0] if at.alarms else 0, "kept": max(0, at.samples - at.step), "newest": at.samples - 1,
        "begin": -1 if at.fill_start else 0,
        "rewind": 0 if at.grid is None else at.samples - at.grid.windows(at.step) * at.step,
        "row_detectors": given.count(False), "window_detectors": given.count(True),
        "watched": watch_functions(watchers.all), "limits": _constants(w.form.threshold for w in watchers.all),
        "times": "\n".join(
            f"    {w.prefix}_detect_time(&context->detector{n}, microseconds);"
            for n, w in numbered if w.form.score.season
        ),
        "gaps": "".join(f"    {w.prefix}_detect_gap(&context->detector{n});\n" for n, w in numbered if w.form.cuts),
        "begins": "".join(f"    {w.prefix}_detect_init(&context->detector{n});\n" for n, w in numbered),
    }  # fmt: skip


def _constants(values: Iterable[float]) -> str:
    return ", ".join(number(value).strip("()") for value in values)
