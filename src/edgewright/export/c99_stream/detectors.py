"""Detectors beside a model in the C of a stream: which can be said, and how their anomalies become events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.export.c99_code.text import number, template_comment
from edgewright.export.c99_detectors._form import Form
from edgewright.export.c99_detectors._source import detector_form, form_files
from edgewright.monitor.detector_file import DetectorFile, parse_detector
from edgewright.monitor.detector_stream import Watch
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.package import WindowSpec


@dataclass(frozen=True)
class Watcher:
    """A detector at work in a stream.

    Attributes:
        name: of the detector, as the package has it.
        prefix: of its names in C.
        form: as it is written.
        places: of its channels among those of the stream.
        whole: whether these are all of the stream's, in order.
    """

    name: str
    prefix: str
    form: Form
    places: tuple[int, ...]
    whole: bool

    @property
    def given(self) -> bool:
        """Whether it sees the windows that the model has, and holds none of its own."""
        return self.form.window is not None and not self.form.held


@dataclass(frozen=True)
class Watchers:
    """The detectors of a package.

    Attributes:
        all: those that are written, in the order of their names.
        files: their code, by file name.
        refused: why the others are not, by name.
    """

    all: tuple[Watcher, ...]
    files: dict[str, str]
    refused: dict[str, str]


def watchers_of(
    detectors: Mapping[str, bytes], window: WindowSpec | None, *, name: str, columns: Sequence[str]
) -> Watchers:
    """Write what can be written; one that C cannot say does not keep the others from it.

    Args:
        detectors: their files, by name.
        window: of the model; detectors of the same windows share its memory.
        name: prefix of the model's names.
        columns: of a row.
    """
    made: list[Watcher] = []
    files: dict[str, str] = {}
    refused: dict[str, str] = {}
    for text, content in sorted(detectors.items()):
        prefix = _prefix(name, text, [known.prefix for known in made])
        try:
            file = parse_detector(content, f"detector {text}")
            # Refuses arrays that do not go together.
            Watch(file)
            watcher = _watcher(text, prefix, file, window, tuple(columns))
            files |= form_files(watcher.form, prefix)
        except EdgewrightError as error:
            refused[text] = " ".join(str(error).split())
            continue
        made.append(watcher)
    return Watchers(tuple(made), files, refused)


def _prefix(name: str, text: str, taken: Sequence[str]) -> str:
    """Return a prefix of at most 36 letters, so that a network of its own has a name, too."""
    word = f"{name[:18]}_{re.sub(r'[^A-Za-z0-9_]', '_', text)[:14]}"
    return next(w for w in (word, *(f"{word}_{n}" for n in range(2, len(taken) + 3))) if w not in taken)


def _watcher(
    text: str, prefix: str, file: DetectorFile, window: WindowSpec | None, columns: tuple[str, ...]
) -> Watcher:
    spec = file.spec
    own = tuple(column.name for column in spec.columns)
    absent = [column for column in own if column not in columns]
    if absent:
        raise InputError(f"a detector of the columns {', '.join(columns)}", f"one of {', '.join(absent)}", text)
    whole, cut = own == columns, spec.window
    same = cut is not None and window is not None and (cut.samples, cut.step) == (window.samples, window.step)
    same = same and window is not None and not window.fill_start
    form = detector_form(
        spec.kind,
        file.learnt,
        columns=own,
        threshold=spec.threshold.value,
        refractory=spec.refractory,
        window=cut,
        held=not (same and whole and window is not None and window.samples > 1),
    )
    return Watcher(text, prefix, form, tuple(columns.index(column) for column in own), whole)


def told_of(watchers: Watchers) -> list[str]:
    """Return lines of the header's comment."""
    lines = []
    for index, watcher in enumerate(watchers.all):
        form = watcher.form
        over = template_comment(", ".join(form.columns))
        each = f"windows of {form.window.samples} rows" if form.window is not None else "rows"
        limit = f"{np.float32(form.threshold):.9g}"
        name = template_comment(watcher.name)
        lines.append(f" * Detector {index}, {name}: {form.kind} over {over}, {each}, odd from {limit} on.")
    for name, why in watchers.refused.items():
        text = template_comment(f"Not in this code: detector {name}: {why}")
        lines.append(f" * {text}")
    return lines


EVENT = (
    "    float score;      /* of an anomaly, which has no label (-1) or value (0); 0 for other events */",
    "    float threshold;  /* that the score reached */",
    "    int channel;      /* the most anomalous one, from 0; -1 if none, and for other events */",
    "    int detector;     /* that raised it, from 0; -1 for other events */",
)
NEXT = (
    "/* Other events of the row that was pushed last: 1 and the next one, or 0 and the event untouched. */",
    "int @_next(@_stream_context *context, @_event *event);",
)
TIME = (
    "/* Sets the time of the rows that follow, in microseconds since 1970, until the next call; unknown at first. */",
    "void @_time(@_stream_context *context, int64_t microseconds);",
)


def timed(watchers: Sequence[Watcher]) -> bool:
    """Return whether one of them asks for the time of a row."""
    return any(watcher.form.score.season for watcher in watchers)


def watch_code(watchers: Sequence[Watcher]) -> list[str]:
    """Return functions @_watch, of a row, and @_watch_window, of a window of the model, each where one needs it."""
    if not watchers:
        return []
    rows = [(n, w) for n, w in enumerate(watchers) if not w.given]
    windows = [(n, w) for n, w in enumerate(watchers) if w.given]
    blocks = [_KEEP]
    blocks += [_watch("watch", "sample", rows)] if rows else []
    blocks += [_watch("watch_window", "window", windows)] if windows else []
    thresholds = ", ".join(number(w.form.threshold).strip("()") for w in watchers)
    blocks.append(f"static const float @_limits[{len(watchers)}] = {{{thresholds}}};")
    return blocks


def push_code(watchers: Sequence[Watcher], classes: bool) -> list[str]:
    """Functions @_next, @_push around @_answered and, where a detector asks for it, @_time; nothing without detectors.

    Args:
        watchers: detectors of the stream.
        classes: whether the model gives labels.
    """
    if not watchers:
        return []
    other = "event->label = -1;\n            event->confidence = 0.0f;" if classes else "event->value = 0.0f;"
    rows = any(not w.given for w in watchers)
    push = [
        "int @_push(@_stream_context *context, const float sample[@@_CHANNELS], @_event *event) {",
        "    memset(context->told, 0, sizeof context->told);",
        *(["    @_watch(context, sample);"] if rows else []),
        "    if (@_answered(context, sample, event)) {",
        "        event->score = 0.0f;",
        "        event->threshold = 0.0f;",
        "        event->channel = -1;",
        "        event->detector = -1;",
        "        return 1;",
        "    }",
        "    return @_next(context, event);",
        "}",
    ]
    blocks = [_NEXT.replace("$N", str(len(watchers))).replace("$OTHER", other), "\n".join(push)]
    if timed(watchers):
        calls = [
            f"    {w.prefix}_detect_time(&context->detector{n}, microseconds);"
            for n, w in enumerate(watchers)
            if w.form.score.season
        ]
        blocks.append("\n".join(["void @_time(@_stream_context *context, int64_t microseconds) {", *calls, "}"]))
    return blocks


_KEEP = """\
static void @_keep(@_stream_context *context, int detector, float score, int channel) {
    context->told[detector].odd = 1;
    context->told[detector].score = score;
    context->told[detector].channel = channel;
}"""
_NEXT = """\
int @_next(@_stream_context *context, @_event *event) {
    for (int i = 0; i < $N; ++i) {
        if (context->told[i].odd) {
            context->told[i].odd = 0;
            event->kind = @@_ANOMALY;
            $OTHER
            event->row = context->rows - 1u;
            event->flags = 0u;
            event->score = context->told[i].score;
            event->threshold = @_limits[i];
            event->channel = context->told[i].channel;
            event->detector = i;
            return 1;
        }
    }
    return 0;
}"""


def _watch(function: str, argument: str, watchers: Sequence[tuple[int, Watcher]]) -> str:
    lines = [f"static void @_{function}(@_stream_context *context, const float *{argument}) {{"]
    for index, watcher in watchers:
        seen, channel = argument, "anomaly.channel"
        call = f"{watcher.prefix}_detect{'_window' if watcher.given else ''}"
        lines += ["    {", f"        {watcher.prefix}_anomaly anomaly;"]
        if not watcher.whole:
            seen, count = "seen", len(watcher.places)
            lines.append(
                f"        const float seen[{count}] = {{{', '.join(f'{argument}[{n}]' for n in watcher.places)}}};"
            )
            lines.append(f"        static const int places[{count}] = {{{', '.join(map(str, watcher.places))}}};")
            channel = "anomaly.channel < 0 ? -1 : places[anomaly.channel]"
        lines += [
            f"        if ({call}(&context->detector{index}, {seen}, &anomaly)) {{",
            f"            @_keep(context, {index}, anomaly.score, {channel});",
            "        }",
            "    }",
        ]
    return "\n".join([*lines, "}"])
