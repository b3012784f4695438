"""Reading the runs that are compared: their records, and configurations of records that do not carry one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.errors import OptionFormatError, RunError, UnknownNameError
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.trace import Trace
from edgewright.pipeline.config import checked, with_changes
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import INDEX, remembered
from edgewright.trace.compare import Comparison, Entry, compare
from edgewright.trace.journal import read_journal
from edgewright.trace.modes.calculating import alone, knobs
from edgewright.trace.page_model import read_trace
from edgewright.training.losses import sample_gain
from edgewright.training.metrics import paired_gain


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
        raise RunError("the folder of a run", got, str(path), _neighbours(folder))
    if not (folder / "trace.json").is_file():
        raise RunError("the folder of a finished run", "no trace.json in it", str(path), _inside(folder))
    return folder, read_trace(folder / "trace.json")


def compare_places(places: Sequence[Path]) -> Comparison:
    """Compare the runs that lie at two places or more.

    Raises:
        InputError: fewer than two, or no run at one of them.
    """
    if len(places) < 2:
        raise RunError("two runs or more", str(len(places)), "edgewright compare", "Pass their folders")
    runs = [read_run(path) for path in places]
    labels = _labels([folder for folder, _ in runs])
    entries = [
        Entry(label=label, folder=str(folder), trace=trace, config=settings_of(folder, trace))
        for label, (folder, trace) in zip(labels, runs, strict=True)
    ]
    return compare(entries, paired_gain, sample_gain)


def _labels(folders: Sequence[Path]) -> list[str]:
    """Return names of the folders; with their parent's where two are alike, numbered where even these are."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [f"{folder.resolve().parent.name}/{folder.resolve().name}" for folder in folders]
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, 1)]


def _neighbours(folder: Path) -> str:
    return _inside(folder.parent) if folder.parent.is_dir() else "Check the path"


def _inside(folder: Path) -> str:
    """Which runs lie in a folder, the first few."""
    try:
        names = sorted(entry.parent.name for entry in folder.glob("*/trace.json"))
    except OSError:
        names = []
    if not names:
        return "Give the folder of a finished run"
    more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
    return f"Runs there: {', '.join(names[:8])}{more}"


@dataclass(frozen=True)
class WhatIf:
    """The new run, and both side by side."""

    result: RunResult
    comparison: Comparison


def what_if(
    path: Path,
    changes: Sequence[str],
    *,
    data: str | None = None,
    out: Path | None = None,
    listener: Listener | None = None,
) -> WhatIf:
    """Run a run again with something changed; a comparison over data sizes and the fit on all samples are left out.

    Args:
        path: folder of the run.
        changes: `features=3` (a short name) or `training.epochs=5` (any key) each.
        data: where the data lie now; as the run remembers it when None.
        out: folder of runs; the one the run lies in when None.
        listener: hears the new run.

    Raises:
        UnknownNameError: for a short name this run does not have, with the known ones.
        InputError: for a value that does not fit, a change that changes nothing, or a run without its configuration.
    """
    folder, trace = read_run(path)
    if trace.state != "finished":
        raise RunError("a finished run", f"one that is {trace.state}", str(path), "Run the pipeline to its end")
    tables = settings_of(folder, trace)
    if tables is None:
        raise RunError("a run with its configuration", "none", str(path), "Run the pipeline again")
    was = msgspec.structs.replace(checked(alone(tables), f"the configuration of {path}"), refit=False)
    config = with_changes(was, wanted(tables, changes))
    if config == was:
        raise OptionFormatError("a change", "what the run has already", " ".join(f"--set {text}" for text in changes))
    message = " ".join(f"--set {text}" for text in changes)
    result = run_pipeline(
        config,
        data=data or remembered(folder).data_location(),
        out=out or folder.resolve().parent,
        listener=listener,
        command=f"edgewright learn {path} --mode what-if {message}",
    )
    return WhatIf(result, compare_places([folder, result.folder]))


def wanted(tables: object, changes: Sequence[str]) -> tuple[str, ...]:
    """Return the changes with short names replaced by the keys they stand for.

    Raises:
        UnknownNameError: a name that is neither a short one of this run nor a key.
        InputError: a change that is not NAME=VALUE.
    """
    known = knobs(tables if isinstance(tables, dict) else {})
    keys = {field.name for field in msgspec.structs.fields(PipelineConfig)}
    variants: list[str] = []
    for change in changes:
        name, equals, value = change.partition("=")
        name = name.strip()
        if not equals or not name:
            raise OptionFormatError("NAME=VALUE", repr(change), "--set", "For example: --set epochs=5")
        if name in known:
            variants += known[name].sets(value)
        elif name.split(".")[0] in keys:
            variants.append(change)
        else:
            raise UnknownNameError(
                "change", name, {*known, *(f"{key}.…" for key in ("training", "model", "split"))}, "--set"
            )
    return tuple(variants)
