"""A detector's file or the one in a package, and CSV rows judged by it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from edgewright.cli.command import BadRows
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.monitor.detector_stream import DetectorFile


def opened(path: Path) -> DetectorFile:
    """Return the detector of a file, or the only one of a package or run folder.

    Raises:
        InputError: no detector, or more than one in a package.
    """
    from edgewright.core.package import read_package
    from edgewright.core.predictor import package_path
    from edgewright.monitor.detector_stream import IN_PACKAGE, detectors_in, parse_detector, read_detector

    if not path.is_dir() and path.suffix != ".edge":
        return read_detector(path)
    package = package_path(path)
    inside = detectors_in(read_package(package).files)
    detectors = {IN_PACKAGE.format(name=name): inside[name] for name in sorted(inside)}
    if len(detectors) != 1:
        do = "Add one with: edgewright detect fit ROWS --package PACKAGE --into NEW.edge" if not detectors else ""
        raise InputError("one detector in the package", ", ".join(detectors) or "none", str(package), do)
    ((name, content),) = detectors.items()
    return parse_detector(content, f"{package.name}, {name}")


def answers(detector: DetectorFile, source: Path | TextIO, name: str) -> Iterator[dict[str, Any]]:
    """One answer a row or window, as JSON knows it.

    Raises:
        InputError: a column that is not there, a time that is none, or rows at another rate than those it learnt from.
    """
    import numpy as np

    from edgewright.core.clocks.rates import RateGuard
    from edgewright.core.clocks.reader import ClockReader, refuse_missing
    from edgewright.core.clocks.units import unit_spelled
    from edgewright.core.csv.rows import iter_csv
    from edgewright.monitor.detector_stream import Watch
    from edgewright.monitor.detectors import kind

    spec = detector.spec
    wanted = [column.name for column in spec.columns]
    text = [spec.time] if spec.time else []
    watch, lines, seen = Watch(detector), [0], 0
    clock: ClockReader | None = None
    # Rows that are judged alone may come at any rate.
    alone = spec.window is None and kind(spec.kind).windows
    guard, last = RateGuard(None if alone else spec.rate, spec.time, name), math.nan
    report = None if isinstance(source, Path) else BadRows()
    for chunk in iter_csv(
        source, name=name, time_columns=text, only_columns=[*wanted, *text], report=report, trained=spec.columns
    ):
        absent = [c for c in [*wanted, *text] if c not in (*chunk.names, *chunk.text)]
        if absent:
            raise InputError(f"the columns {', '.join([*wanted, *text])}", f"no {', '.join(absent)}", name)
        values = chunk.values[:, [chunk.names.index(c) for c in wanted]]
        if spec.time:
            location = lambda row, lines=chunk.lines: f"{name} line {int(lines[row])}"  # noqa: E731
            clock = clock or ClockReader(
                spec.time, unit_spelled(chunk.header.units.get(spec.time, "")) or spec.time_unit
            )
            time = clock.seconds(chunk.text[spec.time].tolist())
            refuse_missing(time, chunk.text[spec.time], spec.time, location)
            guard.push(np.diff(time, prepend=last))
            last = float(time[-1]) if len(time) else last
        else:
            time = np.arange(seen, seen + len(values)) / spec.rate if spec.rate else np.full(len(values), np.nan)
        lines = list(chunk.lines)
        for scored_row in watch.push(values, time):
            answer: dict[str, Any] = {"place": f"line {int(lines[scored_row.row - seen])}"}
            if not math.isnan(scored_row.time):
                answer["time"] = scored_row.time
            answer["score"] = None if math.isnan(scored_row.score) else float(f"{scored_row.score:.6g}")
            answer.update(odd=scored_row.odd, alarm=scored_row.alarm)
            answer["channel"] = wanted[scored_row.channel] if scored_row.channel >= 0 else None
            yield answer
        seen += len(values)
