"""Detectors beside a model in the C of a stream: which can be said, and how their anomalies become events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import EdgewrightError, ExportError
from edgewright.core.records.package import WindowSpec
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, identifier, number, template_comment
from edgewright.export.c99_detectors._source import Form, detector_form, form_files
from edgewright.monitor.detector_stream import DetectorFile, Watch, parse_detector
from edgewright.monitor.forecaster import HIGHEST, LOWEST, NARROWEST, ForecasterFile, anchors, paces


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
        raise ExportError(f"a detector of the columns {', '.join(columns)}", f"one of {', '.join(absent)}", text)
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


C = parts(__file__, "forecast.c")
_H = parts(__file__, "forecast.h")
HEADER = _H["title"] + guarded("@@_FORECAST_H", "<stdint.h>", _H["header"])


def write_forecaster_c99(forecaster: ForecasterFile, *, name: str) -> dict[str, str]:
    """Return a forecaster as a header and a source file; it answers as `Forecaster` does, in float32.

    Args:
        forecaster: as read from its file.
        name: of the files, and prefix of every name in them.

    Returns:
        File name -> text: NAME_forecast.h and NAME_forecast.c.

    Raises:
        InputError: for a name that C does not take.
    """
    spec, model = forecaster.spec, forecaster.spec.model
    levels = max(len(spec.levels), 1)
    tables = _tables(forecaster)
    flash, ram = memory_of(forecaster)
    header = filled(HEADER, **{
        "column": template_comment(spec.column), "name": template_comment(spec.name),
        "lags": tables["lags"].size, "horizon": spec.horizon,
        "held": max(model.reach, 1), "parts": len(model.parts),
        "anchors": tables["anchors"].size, "waiting": int(tables["anchors"].sum()),
        "steps": "    float steps[@@_FORECAST_HORIZON];\n" if model.difference else "",
        "ram": ram, "flash": flash, "levels": levels,
        "told": ", ".join(f"{level:g} %" for level in spec.levels) or "none was requested: both are the forecast",
        "libm": "; exp and log are the library's" if model.scale == "log" else "",
    })  # fmt: skip
    kinds = {key: "int32_t" if table.dtype == np.int32 else "float" for key, table in tables.items()}
    blocks = [
        f"static const {kinds[key]} @_{key}[{table.size}] = {{\n{entries(table)}\n}};"
        for key, table in tables.items()
        if table.size
    ]
    files = {f"{identifier(name)}_forecast.h": header, f"{name}_forecast.c": _source(forecaster, "\n\n".join(blocks))}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in files.items()}


def memory_of(forecaster: ForecasterFile) -> tuple[int, int]:
    """Return bytes of its tables and of its static memory, as the header tells them."""
    model, tables = forecaster.spec.model, _tables(forecaster)
    numbers = max(model.reach, 1) + forecaster.spec.horizon * (len(model.parts) + model.difference) + 4
    # Of each anchor a slot and its scales; of each forecast that waits its value and its widths.
    numbers += tables["anchors"].size + tables["within"].size
    numbers += int(tables["anchors"].sum()) * (1 + max(len(forecaster.spec.levels), 1))
    return sum(table.nbytes for table in tables.values()), 4 * numbers


def _tables(forecaster: ForecasterFile) -> dict[str, NDArray[np.generic]]:
    """Return constants by name, as they are stored; where there is no interval, one of the width 0."""
    spec, model = forecaster.spec, forecaster.spec.model
    parts, none = model.parts, not spec.levels
    within, beyond = paces(spec.levels or (100.0,), spec.horizon)
    tables: dict[str, NDArray[np.generic]] = {
        "start": np.asarray(forecaster.state, np.float32),
        "weights": np.asarray([w for part in parts for w in part.weights], np.float32),
        "lags": np.asarray([lag for part in parts for lag in part.lags], np.int32),
        "from": np.cumsum([0, *(len(part.lags) for part in parts)]).astype(np.int32),
        "bias": np.asarray([part.bias for part in parts], np.float32),
        "share": np.asarray([part.share for part in parts], np.float32),
        "widths": np.zeros(spec.horizon, np.float32)
        if none
        else np.maximum(np.asarray(forecaster.widths, np.float32), np.float32(NARROWEST)).ravel(),
        "anchors": anchors(spec.horizon).astype(np.int32), "within": within.ravel(), "beyond": beyond.ravel(),
    }  # fmt: skip
    if not model.reach:
        del tables["from"]
    return tables


def _source(forecaster: ForecasterFile, tables: str) -> str:
    """Return its text, with @ for the prefix of names.

    Args:
        forecaster: the forecaster.
        tables: definitions of the constants.
    """
    model = forecaster.spec.model
    reach, logs = model.reach, model.scale == "log"
    centre, spread = _double(model.centre), _double(model.spread)
    unscaled = f"(double)u * {spread} + {centre}"
    fresh = "u - context->level" if model.difference else "u"
    sums = {"reach": reach, "array": "steps" if model.difference else "path[part]"}
    return filled(C["source"], **{
        "tables": tables, "reach": reach,
        "copy": f"    memcpy(context->ring, @_start, {reach}u * sizeof *@_start);\n" if reach else "",
        "parts": len(model.parts),
        "sum": filled(C["sum"], **sums) if reach else "    (void)ahead;\n",
        "unused": "" if reach else "    (void)context;\n",
        "add": "    z = level + z;\n" if model.difference else "    (void)level;\n",
        "low": number(model.low), "high": number(model.high),
        "back": f"    const double level = {unscaled};\n    return exp(level < 700.0 ? level : 700.0);"
        if logs
        else f"    return {unscaled};",
        "positive": " && value > 0.0" if logs else "", "taken": "log(value)" if logs else "value",
        "centre": centre, "spread": spread,
        "keep": f"    context->ring[context->next] = {fresh};\n    context->next = (context->next + 1u) % {reach}u;\n"
        if reach
        else "",
        "remember": "            context->steps[h] = u - level;\n" if model.difference else "",
        "anchors": len(anchors(forecaster.spec.horizon)), "lowest": number(LOWEST), "highest": number(HIGHEST),
    })  # fmt: skip


def _double(value: float) -> str:
    """Return a float64 constant that reads back as the same bits."""
    text = repr(float(value))
    return f"({text})" if text.startswith("-") else text
