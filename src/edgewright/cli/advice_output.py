"""An advice on the terminal, and its folder."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from edgewright.core.formatting import bytes_text, shorten
from edgewright.pipeline.folder import new_run_folder
from edgewright.schema.advice import Advice
from edgewright.schema.trace_flow import encode_record
from edgewright.search.advise.document import (
    advice_page,
    battery_text,
    computing_text,
    latency_text,
    markdown,
    title_of,
)
from edgewright.search.advise.placement import dollars, joules
from edgewright.search.ladder.model_comparison import change, figure
from edgewright.trace.readiness import NO_MODEL

_WIDE = 100
# Characters of what a rule list says that are shown; the record has all.
_SAID = 280


def advice_lines(record: Advice) -> list[str]:
    """Return the summary."""
    lines = [title_of(record), "", "1 frame", *_points([f"{record.frame.task}", *record.frame.why])]
    needed = [one.name for one in record.frame.capabilities if one.needed]
    lines += _points([f"needed of zero-shot, reasoning, retrieval, generation: {', '.join(needed) or 'none'}"])
    lines += _points([f"left out: {name}: {why}" for name, why in record.frame.left_out])
    requested = ", ".join(need.text for need in record.needs) or "none named"
    lines += ["", f"2 constraints (needs: {requested}; link {record.radio}; modelled)", *_places(record)]
    lines += ["", "3 what exists"]
    lines += _points([f"{one.name}: {shorten(one.what, _SAID, ' ...')}{' - ' + one.measured if one.measured else ''}"
                      for one in record.existing] or ["no known solution for this data"])  # fmt: skip
    lines += ["", "4 and 5 measured", *_measured(record)]
    lines += _points([f"more data: {record.curve_note}"] if record.curve_note else [])
    lines += ["", "decision", *_points([f"{record.choice}: {record.choice_why}"])]
    if record.choice == NO_MODEL:
        return [*lines, "", "go on with", *(f"  {one}" for one in record.commands)]
    lines += _points([f"on the {record.place}: {record.place_why}", *(f"NOT MET: {one}" for one in record.unmet)])
    lines += ["", "what it will cost", *(f"  {name:<22} {value}" for name, value in record.costs)]
    lines += ["", "what would change it", *_points([f"{one.when}: {one.then}" for one in record.flips])]
    lines += ["", "notes", *_points(record.notes)] if record.notes else []
    return [*lines, "", "go on with", *(f"  {one}" for one in record.commands)]


def _points(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in textwrap.wrap(
        text, _WIDE, initial_indent="  - ", subsequent_indent="    ", break_long_words=False
    )]  # fmt: skip


def _places(record: Advice) -> list[str]:
    rows = (
        ("sent a day", [bytes_text(p.bytes_day) for p in record.places]),
        ("radio a day", [joules(p.radio_j_day) for p in record.places]),
        ("computing a day", [computing_text(p) for p in record.places]),
        ("battery", [battery_text(p, record.battery) for p in record.places]),
        ("latency", [latency_text(p) for p in record.places]),
        ("silent a day", [f"{p.silent_hours_day:.2g} h" for p in record.places]),
        ("cost a year", [dollars(p.cost_year) for p in record.places]),
        ("leaves the device", ["readings" if p.leaves != "answers" else "answers" for p in record.places]),
        ("needs missed", [str(len(p.misses)) for p in record.places]),
    )
    names = [("> " if p.name == record.place else "  ") + p.name for p in record.places]
    lines = [f"  {'':<18}" + "".join(f"{name:<18}" for name in names)]
    lines += [f"  {name:<18}" + "".join(f"  {cell:<16}" for cell in cells) for name, cells in rows]
    return [line.rstrip() for line in lines]


def _measured(record: Advice) -> list[str]:
    ladder = record.ladder
    if ladder is None:
        return [f"    {name:<32} {value}" for name, value in record.measured]
    kept = "single rows" if ladder.kept == "row" else f"{ladder.units:,} whole {ladder.kept}s"
    lines = [f"  {ladder.metric_title}, {ladder.folds} folds of {kept}"]
    for rung in ladder.rungs:
        mark = ">" if rung.title == record.choice else "+" if rung.climbed else " "
        if rung.score is None:
            lines.append(f"  {mark} {rung.title:<14} {rung.left_out}")
            continue
        flash = bytes_text(rung.footprint.flash.value) if rung.footprint else "-"
        lines.append(f"  {mark} {rung.title:<14} {figure(rung.score.value):<8} {change(rung):<42} {flash:>9}".rstrip())
    return lines + _points([ladder.stopped, *([ladder.power] if ladder.power else [])])


def stored(out: Path | None, record: Advice) -> Path:
    """Write record, Markdown and page into a new folder; a number is added to its name where it is taken."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", record.name).strip("-.")[:40] or "data"
    parent, folder = (Path("advice"), name) if out is None else (out.parent, out.name)
    with new_run_folder(parent, folder) as location:
        (location.work / "advice.json").write_bytes(encode_record(record))
        (location.work / "advice.md").write_text(markdown(record), encoding="utf-8")
        (location.work / "advice.html").write_text(advice_page(record), encoding="utf-8")
    return location.final
