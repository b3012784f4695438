"""A fitted detector as C99: rows or windows in, anomalies out, with the channel to blame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ExportError
from edgewright.core.integer.network import rounding_of
from edgewright.core.records.network import Graph
from edgewright.core.records.package import WindowSpec
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.parts import filled, named, parts
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_code.text import TYPES, entries, identifier, number, smallest, template_comment
from edgewright.export.c99_detectors import Learnt, Score, write_score
from edgewright.export.contract import Subject
from edgewright.monitor.detector_stream import FEATURES, MOST_SEEN

MAX_ROWS = 2**31 - 1
_BYTES = {"uint16_t": 2, "uint32_t": 4}


@dataclass(frozen=True)
class Form:
    """A detector as it is written.

    Attributes:
        kind: of the detector.
        score: its code.
        columns: channels in the order of a row.
        threshold: a score from here on is odd.
        refractory: rows, or windows, after an anomaly in which no other is told; below 1 this share of the rows seen.
        window: whose features the detector sees; None for rows.
        own_windows: whether the code cuts the windows itself; it is else given whole ones.
    """

    kind: str
    score: Score
    columns: tuple[str, ...]
    threshold: float
    refractory: float
    window: WindowSpec | None
    own_windows: bool

    @property
    def channels(self) -> int:
        """Numbers of a row."""
        return len(self.columns)

    @property
    def seen(self) -> int:
        """Numbers the detector looks at: a row, or a window's features."""
        return self.channels * (1 if self.window is None else len(FEATURES))

    @property
    def cuts(self) -> bool:
        """Whether rows come in and windows are cut of them."""
        return self.window is not None and self.own_windows

    def fields(self) -> list[str]:
        """Return members of the state; those of two bytes come last, so that nothing lies between."""
        score, window = self.score, self.window
        lines = ["uint32_t rows;", f"uint32_t {'quiet' if self.refractory else 'odd'};"]
        if window is not None and self.own_windows:
            lines += [f"float window[{self.channels * window.samples}];", "int filled;"]
            lines += ["int skip;"] if window.step > window.samples else []
        lines += ["uint32_t part;"] if score.season else []
        lines.append(f"float parts[{self.seen}];")
        lines += [f"float {name}[{count}];" for name, count in score.state.items()]
        lines += [f"uint32_t {name};" for name in score.counts]
        lines += ["@_net_context net;"] if score.network is not None else []
        whole = sorted(score.whole.items(), key=lambda item: -_BYTES[item[1][0]])
        return lines + [f"{kind} {name}[{count}];" for name, (kind, count) in whole]

    @property
    def ram(self) -> int:
        """Bytes of the state."""
        score, window = self.score, self.window
        words = 2 + self.seen + sum(score.state.values()) + len(score.counts) + (score.season is not None)
        if window is not None and self.own_windows:
            words += self.channels * window.samples + 1 + (window.step > window.samples)
        whole = sum(_BYTES[kind] * count for kind, count in score.whole.values())
        return 4 * words + -(-whole // 4) * 4

    def tables(self) -> dict[str, NDArray[np.generic]]:
        """Return constants as they are stored."""
        tables = {**self.score.tables, **{f"begin_{name}": t for name, t in self.score.begin.items()}}
        return {name: t if t.dtype.kind == "f" else smallest(t) for name, t in tables.items()}


def checked(form: Form) -> Form:
    """Return the same, if it can be.

    Raises:
        InputError: no columns, a threshold or a count that is none, or windows of no size.
    """
    if not np.isfinite(np.float32(form.threshold)) or not 0 <= form.refractory <= MAX_ROWS or not form.columns:
        raise ExportError(
            "columns, a threshold and rows from 0 on",
            f"{form.channels}, {form.threshold:g} and {form.refractory}",
            "detector in C",
        )
    window = form.window
    if window is not None and 0 < form.refractory < 1:
        raise ExportError("a number of windows without another alarm", f"{form.refractory:g}", "detector in C")
    if window is not None and not 1 <= min(window.samples, window.step) <= max(window.samples, window.step) <= MAX_ROWS:
        raise ExportError(
            f"windows and steps of 1 to {MAX_ROWS} rows", f"{window.samples} and {window.step}", "detector"
        )
    return form


def write_detector_c99(
    kind: str,
    learnt: Learnt,
    *,
    name: str,
    columns: Sequence[str],
    threshold: float,
    refractory: float = 0,
    window: WindowSpec | None = None,
    own_windows: bool = True,
) -> dict[str, str]:
    """Return a detector of `monitor/detectors` as a header and a source file, in float32.

    Args:
        kind: of the detector.
        learnt: what it learnt.
        name: of the files, and prefix of every name in them.
        columns: channels in the order of a row.
        threshold: a score from here on is odd.
        refractory: rows (windows) after an anomaly in which no other is told, below 1 a share of the rows seen; with 0,
            a run of odd rows is one.
        window: whose features the detector sees; None for rows.
        own_windows: whether the code cuts the windows of rows; it is else given whole ones, as where a model has them.

    Returns:
        File name -> text: NAME_detect.h and NAME_detect.c; NAME_net.h and NAME_net.c of a detector with a network.

    Raises:
        InputError: for a name that C does not take, a threshold or a count that is none, or what the code cannot hold.
        UnknownNameError: for a detector that has no form in C, listing those that have.
    """
    form = detector_form(
        kind,
        learnt,
        columns=columns,
        threshold=threshold,
        refractory=refractory,
        window=window,
        own_windows=own_windows,
    )
    return form_files(form, name)


def detector_form(
    kind: str,
    learnt: Learnt,
    *,
    columns: Sequence[str],
    threshold: float,
    refractory: float = 0,
    window: WindowSpec | None = None,
    own_windows: bool = True,
) -> Form:
    """Return what is written, as `write_detector_c99` takes it.

    Raises:
        InputError: a threshold or a count that is none, or what the code cannot hold.
        UnknownNameError: for a detector that has no form in C, listing those that have.
    """
    score = write_score(kind, learnt)
    return checked(Form(kind, score, tuple(columns), threshold, refractory, window, own_windows))


def form_files(form: Form, name: str) -> dict[str, str]:
    """Return its files, as `write_detector_c99` gives them.

    Raises:
        InputError: for a name that C does not take, or a network that it cannot hold.
        UnknownNameError: for an operator of the network that has no C form.
    """
    sizes = _sizes(form)
    texts = {
        f"{identifier(name)}_detect.h": filled(parts(__file__, "detector.h")["header"], **sizes, **_header(form)),
        f"{name}_detect.c": filled(parts(__file__, "detector.c")["source"], **sizes, **_code(form)),
    }
    network = {} if form.score.network is None else _network(form.score.network, f"{name}_net")
    return {**named(texts, name), **network}


def _network(graph: Graph, name: str) -> dict[str, str]:
    """Return the network of a detector, as of any model: integers where it has them, else floats."""
    return write_c99(graph, CodeOptions(name), Subject(name, graph, rounding_of(graph)).integers)


def _sizes(form: Form) -> dict[str, object]:
    """Return the numbers that header and source are written with."""
    samples, step = (0, 0) if form.window is None else (form.window.samples, form.window.step)
    return {
        "channels": form.channels, "windows": form.window is not None, "own_windows": form.own_windows,
        "samples": samples, "step": step, "timed": form.score.season is not None,
    }  # fmt: skip


def _header(form: Form) -> dict[str, object]:
    """Return what the header says besides the numbers."""
    each, rows = "row" if form.window is None else "window", form.window is None or form.own_windows
    text = f"{int(form.refractory)} {each}s"
    if form.refractory < 1:
        text = f"{100 * form.refractory:g} % of the rows seen (of {MOST_SEEN:,} at most)"
    network = form.score.network is not None
    return {
        "given": "Rows" if rows else "Windows", "each": "row" if rows else "window", "kind": form.kind,
        "columns": template_comment(", ".join(form.columns)), "threshold": f"{np.float32(form.threshold):.9g}",
        "pause": f"{text} or more between two" if form.refractory else f"a run of odd {each}s is one",
        "ram": form.ram, "besides": " besides those of @_net.h" if network else "", "network": network,
        "flash": sum(table.nbytes for table in form.tables().values()),
        "members": "\n".join(f"    {field}" for field in form.fields()),
        "unknown": _UNKNOWN.get(form.kind, "rows count as of the first part"),
    }  # fmt: skip


_UNKNOWN = {"own_past": "the time of day then takes no part", "robust": "a row then counts as of the first part"}


def _code(form: Form) -> dict[str, object]:
    """Return what the source says besides the numbers."""
    score, samples, step = form.score, *((0, 0) if form.window is None else (form.window.samples, form.window.step))
    tables = [
        f"static const {TYPES[stored.dtype.name]} @_{name}[{stored.size}] = {{\n{entries(stored)}\n}};"
        for name, stored in form.tables().items()
    ]
    season, slots = score.season or (0, 0)
    return {
        "constants": bool(tables), "tables": "\n\n".join(tables), "helped": bool(score.helpers),
        "helpers": score.helpers, "bounds": any("@_bounded(" in line for line in score.lines),
        "score": "\n".join(f"    {line}" for line in score.lines), "seen": form.seen,
        "threshold": number(form.threshold), "quiet": form.refractory > 0, "pause": _pause(form.refractory),
        "features": len(FEATURES), "kept": max(0, samples - step), "skipped": max(0, step - samples),
        "season": season, "slots": slots,
        "begin": "".join(f"    memcpy(context->{n}, @_begin_{n}, sizeof @_begin_{n});\n" for n in score.begin),
    }  # fmt: skip


def _pause(refractory: float) -> str:
    """Return the rows after an alarm in which no other is raised (`monitor.detector_stream.pause`)."""
    if refractory >= 1:
        return f"{int(refractory)}u"
    return f"(context->rows < {MOST_SEEN}u ? context->rows : {MOST_SEEN}u) * {round(1000 * refractory)}u / 1000u"
