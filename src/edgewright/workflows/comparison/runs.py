"""Reading the runs that are compared: their records, and configurations of records that do not carry one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgewright.pipeline.store import INDEX
from edgewright.schema.comparison import Comparison
from edgewright.schema.errors import InputError
from edgewright.schema.trace import Trace
from edgewright.trace.compare import Entry, compare
from edgewright.trace.partial import read_journal
from edgewright.trace.record import read_trace
from edgewright.training.metrics import paired_gain
from edgewright.training.sample_tests import sample_gain


def settings_of(folder: Path, trace: Trace) -> Mapping[str, Any] | None:
    """Return the configuration of a run from its record, else from its stored pipeline; None without both."""
    if trace.config:
        return trace.config
    try:
        config = msgspec.json.decode((folder / "pipeline" / INDEX).read_bytes())["config"]
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return None
    return config if isinstance(config, dict) else None


def read_run(path: Path) -> tuple[Path, Trace]:
    """Read the folder and record of a run, from its folder, its `trace.json` or the journal of an unfinished run.

    Raises:
        InputError: no run lies there.
    """
    if path.suffix == ".jsonl" and path.is_file():
        return path, read_journal(path)
    folder = path.parent if path.name == "trace.json" else path
    if not folder.is_dir():
        got = "a file" if folder.exists() else "no such folder"
        raise InputError("the folder of a run", got, str(path), _beside(folder))
    if not (folder / "trace.json").is_file():
        raise InputError("the folder of a finished run", "no trace.json in it", str(path), _inside(folder))
    return folder, read_trace(folder / "trace.json")


def compare_places(places: Sequence[Path]) -> Comparison:
    """Compare the runs that lie at two places or more.

    Raises:
        InputError: fewer than two, or no run at one of them.
    """
    if len(places) < 2:
        raise InputError("two runs or more", str(len(places)), "edgewright compare", "Pass their folders")
    found = [read_run(place) for place in places]
    labels = _labels([folder for folder, _ in found])
    entries = [
        Entry(label=label, folder=str(folder), trace=trace, config=settings_of(folder, trace))
        for label, (folder, trace) in zip(labels, found, strict=True)
    ]
    return compare(entries, paired_gain, sample_gain)


def _labels(folders: Sequence[Path]) -> list[str]:
    """Return names of the folders; with their parent's where two are alike, numbered where even these are."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [f"{folder.resolve().parent.name}/{folder.resolve().name}" for folder in folders]
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, 1)]


def _beside(folder: Path) -> str:
    return _inside(folder.parent) if folder.parent.is_dir() else "Check the path"


def _inside(folder: Path) -> str:
    """Which runs lie in a folder, the first few."""
    try:
        found = sorted(entry.parent.name for entry in folder.glob("*/trace.json"))
    except OSError:
        found = []
    if not found:
        return "Give the folder of a finished run"
    more = f" and {len(found) - 8:,} more" if len(found) > 8 else ""
    return f"Runs there: {', '.join(found[:8])}{more}"
