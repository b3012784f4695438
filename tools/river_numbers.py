"""Makes tests/fixtures/river_drift.json: what River's ADWIN and Page-Hinkley say to series that are drawn here.

River is a test oracle only. Run it in an environment of its own: python -m venv V && V/bin/pip install river &&
V/bin/python tools/river_numbers.py
"""

from __future__ import annotations

import importlib
import json
import random
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "river_drift.json"


def series(name: str) -> list[float]:
    """Return a series of values from 0 to 1, the same on every machine."""
    draw = random.Random(name)  # noqa: S311 - no secret
    if name == "step":
        return [(0.3 if i < 400 else 0.7) + draw.uniform(-0.2, 0.2) for i in range(900)]
    if name == "bits":
        return [float(draw.random() < (0.2 if i < 600 else 0.5)) for i in range(1200)]
    if name == "ramp":
        return [min(1.0, max(0.0, 0.2 + 0.6 * i / 1500 + draw.uniform(-0.2, 0.2))) for i in range(1500)]
    return [draw.random() for _ in range(2000)]


def main() -> None:
    """Write the numbers."""
    river = importlib.import_module("river")
    drift = importlib.import_module("river.drift")
    numbers: dict[str, object] = {"river": river.__version__}
    for name in ("step", "bits", "ramp", "calm"):
        adwin, page = drift.ADWIN(), drift.PageHinkley(threshold=5.0)
        cuts: list[list[float]] = []
        changes: list[int] = []
        for index, value in enumerate(series(name)):
            adwin.update(value)
            page.update(value)
            if adwin.drift_detected:
                cuts.append([index, adwin.width, adwin.estimation])
            if page.drift_detected:
                changes.append(index)
        numbers[name] = {"adwin": cuts, "page_hinkley": changes, "width": adwin.width, "mean": adwin.estimation}
    TARGET.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
