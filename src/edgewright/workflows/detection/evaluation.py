"""A fitted detector against labelled rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.monitor.detector_file import DetectorFile
from edgewright.schema.errors import InputError
from edgewright.workflows.detection.events import Counts, bootstrap, exposure, f1, interval, rate, share
from edgewright.workflows.detection.fit import scored
from edgewright.workflows.detection.rows import read_watched
from edgewright.workflows.detection.threshold import counted, events_of


def judge(
    detector: DetectorFile, data: str, *, target: str = "", normal: tuple[str, ...] = (), kind: str = ""
) -> dict[str, Any]:
    """Events found, their share among what was raised, false alarms a day, each with an interval of 95 %.

    What finds an event and what is false is said by `detect_events.count`; an event raised several times counts once,
    so that F1 is the harmonic mean of recall and precision.

    Args:
        detector: as read.
        data: file, folder or run folder.
        target: column with labels.
        normal: labels that are normal.
        kind: source or public set; judged by the path when empty.

    Raises:
        InputError: rows that cannot be read, or none that is labelled odd.
    """
    spec = detector.spec
    window = (spec.window.samples, spec.window.step) if spec.window else None
    watched = read_watched(
        data, kind=kind, target=target, time=spec.time, normal=normal, window=window,
        columns=tuple(column.name for column in spec.columns),
    )  # fmt: skip
    if not watched.labelled:
        raise InputError(
            "rows labelled odd", "none", data, "Name the column with --target, the normal label by --normal"
        )
    parts: list[Counts] = []
    right = np.zeros(4, np.int64)
    for stretch in watched.stretches:
        odd = scored(spec.kind, detector.learnt, stretch) >= spec.threshold.value
        events = events_of(stretch)
        right += [(odd & events).sum(), (odd & ~events).sum(), (~odd & events).sum(), (~events).sum()]
        parts += counted(odd, events, spec.refractory)
    total = sum(parts, Counts())
    days, per = exposure(total.calm, watched.per_second)
    return {
        "kind": spec.kind, "threshold": spec.threshold.value, "rows": sum(len(s.values) for s in watched.stretches),
        "judged": "windows" if spec.window else "rows",
        "events": total.found + total.missed, "found": total.found, "alarms": total.alarms, "false": total.false,
        "recall": _three(share(total.found, total.found + total.missed)),
        "precision": _three(share(total.found, total.found + total.false)),
        "f1": _three((total.f1, *interval(bootstrap(parts)))),
        "false_alarms": {**_three(rate(total.false, days)), "per": per},
        "row_f1": f1(int(right[0]), int(right[1]), int(right[2])),
        "row_false": float(right[1] / right[3]) if right[3] else 0.0,
    }  # fmt: skip


def _three(values: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("value", "low", "high"), values, strict=True))
