"""Detectors beside a model in the C of a stream: which can be said, and how their anomalies become events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.export.c99_code.text import template_comment
from edgewright.export.c99_detectors._source import Form, detector_form, form_files
from edgewright.monitor.detector_stream import DetectorFile, Watch, parse_detector
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
        return self.form.window is not None and not self.form.own_windows


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
    watchers: list[Watcher] = []
    files: dict[str, str] = {}
    refused: dict[str, str] = {}
    for text, content in sorted(detectors.items()):
        prefix = _prefix(name, text, [known.prefix for known in watchers])
        try:
            file = parse_detector(content, f"detector {text}")
            # Refuses arrays that do not go together.
            Watch(file)
            watcher = _watcher(text, prefix, file, window, tuple(columns))
            files |= form_files(watcher.form, prefix)
        except EdgewrightError as error:
            refused[text] = " ".join(str(error).split())
            continue
        watchers.append(watcher)
    return Watchers(tuple(watchers), files, refused)


def _prefix(name: str, text: str, used: Sequence[str]) -> str:
    """Return a prefix of at most 36 letters, so that a network of its own has a name, too."""
    word = f"{name[:18]}_{re.sub(r'[^A-Za-z0-9_]', '_', text)[:14]}"
    return next(w for w in (word, *(f"{word}_{n}" for n in range(2, len(used) + 3))) if w not in used)


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
        own_windows=not (same and whole and window is not None and window.samples > 1),
    )
    return Watcher(text, prefix, form, tuple(columns.index(column) for column in own), whole)


def note_lines(watchers: Watchers) -> list[str]:
    """Return lines of the header's comment."""
    lines = []
    for index, watcher in enumerate(watchers.all):
        form = watcher.form
        over = template_comment(", ".join(form.columns))
        each = f"windows of {form.window.samples} rows" if form.window is not None else "rows"
        limit = f"{np.float32(form.threshold):.9g}"
        name = template_comment(watcher.name)
        lines.append(f"Detector {index}, {name}: {form.kind} over {over}, {each}, odd from {limit} on.")
    return lines + [
        template_comment(f"Not in this code: detector {name}: {why}") for name, why in watchers.refused.items()
    ]


def watch_functions(watchers: Sequence[Watcher]) -> str:
    """Return functions @_watch, of a row, and @_watch_window, of a window of the model, each where one needs it."""
    of_rows = [(n, w) for n, w in enumerate(watchers) if not w.given]
    of_windows = [(n, w) for n, w in enumerate(watchers) if w.given]
    blocks = [_watch("watch", "sample", of_rows)] if of_rows else []
    return "\n\n".join([*blocks, *([_watch("watch_window", "window", of_windows)] if of_windows else [])])


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
