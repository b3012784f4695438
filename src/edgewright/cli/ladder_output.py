"""A ladder on the terminal: a row a rung with its interval as a bar, its price, and what it says."""

from __future__ import annotations

import shutil
import textwrap

from edgewright.core.formatting import bytes_text, microseconds_text
from edgewright.schema.ladder import LadderRecord, RungRecord
from edgewright.schema.trace import Interval
from edgewright.search.ladder.model_comparison import change, figure, taken

_TITLE, _BAR = 18, 20
_SAID = 2


def ladder_lines(record: LadderRecord) -> list[str]:
    """Return the whole record as lines."""
    lines = [*_head(record), ""]
    low, high = _range(record)
    scale = f"{figure(low)}{'':{max(1, _BAR - len(figure(low)) - len(figure(high)))}}{figure(high)}"
    lines.append(f"  {'rung':<{_TITLE}} {'score':<8} {scale:<{_BAR}}  {'flash':>8} {'RAM':>8} {'latency':>9}")
    for rung in record.rungs:
        lines += _rung(rung, record, low, high)
    lines += ["", *_wrapped(record.verdict, ""), *_wrapped(record.stopped, ""), *_wrapped(record.power, "")]
    return lines


def _head(record: LadderRecord) -> list[str]:
    what = f"{record.name}: {record.samples:,} samples"
    if record.classes:
        what += f", {len(record.classes)} classes"
    less = "" if record.higher else " (less is better)"
    kept = "single rows" if record.kept == "row" else f"{record.units:,} whole {record.kept}s"
    lines = [
        f"{what}; {record.folds} folds of {kept}; device {record.profile}",
        *_wrapped(f"metric: {record.metric_title}{less}; {record.metric_why}", ""),
    ]
    if record.held:
        lines.append(f"held out: {', '.join(record.held)}")
    for note in record.notes:
        lines += _wrapped(f"! {note}", "")
    return lines


def _range(record: LadderRecord) -> tuple[float, float]:
    """Return what the bars span: all scores with their intervals."""
    scores = [rung.score for rung in record.rungs if rung.score]
    if not scores:
        return 0.0, 1.0
    low, high = min(s.low for s in scores), max(s.high for s in scores)
    return (low, high) if high > low else (low, low + 1.0)


def bar(score: Interval, low: float, high: float) -> str:
    """Return an interval as a line with its figure on it."""

    def place(value: float) -> int:
        return round((min(max(value, low), high) - low) / (high - low) * (_BAR - 1))

    cells = [" "] * _BAR
    for cell in range(place(score.low), place(score.high) + 1):
        cells[cell] = "-"
    cells[place(score.value)] = "o"
    return "".join(cells)


def _rung(rung: RungRecord, record: LadderRecord, low: float, high: float) -> list[str]:
    mark = ">" if rung.chosen else "+" if rung.climbed else " "
    if rung.score is None:
        return [f"{mark} {rung.title:<{_TITLE}} {rung.left_out}"]
    price = "".join(
        f" {text:>{width}}"
        for text, width in (
            (bytes_text(rung.footprint.flash.value), 8), (bytes_text(rung.footprint.ram.value), 8),
            (microseconds_text(rung.footprint.latency_us.value) if rung.footprint.latency_us else "unknown", 9),
        )
    ) if rung.footprint else f" {rung.unpriced[:26]}"  # fmt: skip
    lines = [f"{mark} {rung.title:<{_TITLE}} {figure(rung.score.value):<8} {bar(rung.score, low, high)} {price}"]
    if rung.gain is not None:
        before = next((r.title for r in record.rungs if r.name == rung.against), rung.against)
        lines.append(f"    {change(rung)} over {before}: {rung.why or taken(rung)}")
    return lines + _wrapped(rung.says, "    ", _SAID)


def _wrapped(text: str, indent: str, maximum: int | None = None) -> list[str]:
    width = max(60, min(110, shutil.get_terminal_size().columns))
    lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
    if maximum is not None and len(lines) > maximum:
        return [*lines[: maximum - 1], lines[maximum - 1][: width - 4] + " ..."]
    return lines
