"""What if: one thing changed in a finished run, run again beside it, and the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.pipeline.config import checked, with_changes
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.provenance import remembered
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.schema.comparison import Comparison
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.trace.possible_changes import alone, knobs
from edgewright.workflows.comparison.runs import compare_places, read_run, settings_of


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
        raise InputError("a finished run", f"one that is {trace.state}", str(path), "Run the pipeline to its end")
    tables = settings_of(folder, trace)
    if tables is None:
        raise InputError("a run with its configuration", "none", str(path), "Run the pipeline again")
    was = msgspec.structs.replace(checked(alone(tables), f"the configuration of {path}"), refit=False)
    config = with_changes(was, wanted(tables, changes))
    if config == was:
        raise InputError("a change", "what the run has already", " ".join(f"--set {text}" for text in changes))
    message = " ".join(f"--set {text}" for text in changes)
    result = run_pipeline(
        config,
        data=data or remembered(folder).place(),
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
    made: list[str] = []
    for change in changes:
        name, equals, value = change.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError("NAME=VALUE", repr(change), "--set", "For example: --set epochs=5")
        if name in known:
            made += known[name].sets(value)
        elif name.split(".")[0] in keys:
            made.append(change)
        else:
            raise UnknownNameError(
                "change", name, {*known, *(f"{key}.…" for key in ("training", "model", "split"))}, "--set"
            )
    return tuple(made)
