"""The files of the app around a module: what the model takes and gives, and which sensors of a phone give that."""

from __future__ import annotations

import hashlib
import html
import json
import re
from importlib import resources
from typing import Any

from edgewright.export.contract import Subject
from edgewright.export.web.module import MODULE
from edgewright.schema.data import Column

# Samples a second from which one column is a sound.
_SOUND = 4000
# Fields of a form at most.
_FIELDS = 64
_QUANTITIES = {"acceleration": "acc(?:el(?:eration|erometer)?)?", "rotation": "gyro(?:scope)?|rot(?:ation)?"}
# A column that is called by its axis alone is known by its unit.
_UNITS = {"acceleration": ("g", "m/s²", "m/s2", "m/s^2"), "rotation": ("rad/s", "deg/s", "°/s")}
_PLAIN = ("app.js", "model.js", "sensors.js", "style.css", "icon.svg")
_SOUNDS = ("microphone.js", "samples.js")


def app_files(subject: Subject, module: bytes) -> dict[str, bytes]:
    """Return every file of the app by name, the module among them.

    Args:
        subject: what is exported.
        module: `compile_wasm` of its C.
    """
    about = about_of(subject)
    files = {name: template(name).encode() for name in _PLAIN}
    if about["sensor"] == "microphone":
        files |= {name: template(name).encode() for name in _SOUNDS}
    title = html.escape(subject.name)
    files["index.html"] = template("index.html").replace("@TITLE@", title).encode()
    files["manifest.webmanifest"] = _json(
        {
            "name": subject.name, "short_name": subject.name[:12], "start_url": "./", "display": "standalone",
            "background_color": "#ffffff", "theme_color": "#0b5cad",
            "icons": [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}],
        }
    )  # fmt: skip
    files["model.json"] = _json(about)
    files[MODULE] = module
    digest = hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()[:16]
    worker = template("worker.js").replace("@VERSION@", f"{subject.word} {digest}")
    files["worker.js"] = worker.replace("@FILES@", json.dumps(["./", *sorted(files)])).encode()
    return files


def about_of(subject: Subject) -> dict[str, Any]:
    """Return what the app must know of a model: columns, classes, rate, and the sensor that gives its rows."""
    stream, shape = subject.stream, subject.graph.inputs[0].shape
    rate = stream.window.rate if stream is not None and stream.window is not None else None
    columns = list(subject.columns) if stream is not None or len(shape) == 1 else []
    if not columns and len(shape) == 1:
        columns = [Column(name=str(i)) for i in range(shape[0])]
    seen = [sensed(column) for column in columns]
    # A phone has one sensor of a kind: columns of two places of the body are none of it.
    motion = bool(rate) and bool(seen) and None not in seen and len(set(seen)) == len(seen)
    sound = rate is not None and rate >= _SOUND and len(columns) == 1
    return {
        "name": subject.name,
        "labels": list(subject.graph.labels),
        "columns": [{"name": c.name, "unit": c.unit, "minimum": c.minimum, "maximum": c.maximum} for c in columns],
        "rate": rate,
        "stream": stream is not None,
        "rows": len(shape) == 1 and len(columns) <= _FIELDS,
        "sensor": "motion" if motion else "microphone" if sound else "",
        "motion": seen if motion else [],
    }


def sensed(column: Column) -> tuple[str, str, str] | None:
    """Return quantity, axis and unit of a column that a phone's motion sensors give; None for another one."""
    unit = column.unit.lower()
    for quantity, words in _QUANTITIES.items():
        named = f"(?:{words}){'?' if unit in _UNITS[quantity] else ''}"
        if match := re.fullmatch(rf"(?:\w+_)?{named}[_ .-]?([xyz])", column.name.lower()):
            short = "g" if quantity == "acceleration" and unit == "g" else "rad" if unit.startswith("rad") else unit
            return quantity, match[1], short
    return None


def template(name: str) -> str:
    """Return a file of the app as it lies in `export/web/app`."""
    return (resources.files("edgewright.export.web") / "app" / name).read_text(encoding="utf-8")


def _json(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
