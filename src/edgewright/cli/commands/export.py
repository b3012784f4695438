"""`edgewright export`: one form of a model as the files a device or another tool takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli import export_files
from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import sample_shape
from edgewright.core.catalogue import names
from edgewright.core.errors import CheckFailedError, InvalidNameError, OptionError
from edgewright.core.formatting import amount, some_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.core.records.trace import DeviceRecord
    from edgewright.export.contract import Subject

_TARGETS = names("edgewright.export.targets")


@dataclass(frozen=True, kw_only=True)
class ExportOptions(export_files.OutOptions):
    """Options of the command."""

    model: Path = argument(metavar="RUN|PACKAGE|MODEL.onnx|MODEL.tflite|MODEL.language|FORECASTER|DENOISER|DETECTOR")
    target: str = option("--to", required=True, metavar="TARGET", help=f"One of {', '.join(_TARGETS)}.")
    form: str = option(metavar="NAME", help="Form of a package: float or int8; its default form by default.")
    device: str = option(
        metavar="PROFILE",
        help="Write C for this device and estimate what the model needs there; exits with 1 if it does not fit.",
    )
    rounding: str | None = option(
        type=click.Choice(["litert", "tflm"]), help="Kernels whose int8 results to match bit by bit. [default: litert]"
    )
    shape: str | None = option(metavar="N,N,...", help="Shape of one sample, for an ONNX model with dynamic axes.")
    missing: float | None = option(
        metavar="VALUE",
        help="Value that stands for a missing one in boosted trees, as XGBoost's missing=-999; nan if there is none.",
    )
    slots: Path | None = option(
        metavar="KEY.pub",
        help="Write C whose weights can be replaced on the board, signed with this key (edgewright fleet weights).",
    )
    systems: str = option(
        "--system",
        metavar="NAME,...",
        help="Systems that --to native builds for, as linux-aarch64,windows-amd64; all it knows by default.",
    )


@declare(example="runs/activity --to c99 --device cortex-m4 --out firmware", json="Print what was written as JSON.")
def command(options: ExportOptions) -> Result:
    """Export a model for a device or another tool.

    A run or a package is exported in its own form; an imported model is converted first, or refused with the name of
    the unsupported operator. Prints the files with their sizes, and the shapes and units of inputs and outputs.
    """
    path, target, slots = options.model, options.target, options.slots
    settings = {
        f"--{name}": getattr(options, name) for name in ("slots", "form", "device", "rounding", "shape", "missing")
    }
    kind = export_files.kind_of(path)
    if slots is not None and (target != "c99" or kind in ("forecaster", "restorer", "detector")):
        raise OptionError("--slots with --to c99 and a run, package or model", target, str(path), "Omit --slots")
    if options.systems and target != "native":
        raise OptionError("--system with --to native", target, str(path), "Omit --system")
    if kind == "forecaster":
        return export_files.export_forecaster(path, target, options)
    if kind == "detector":
        return export_files.export_detector(path, target, options)
    if kind == "restorer":
        return export_files.export_restorer(path, target, options.form, options)
    if kind:
        return export_files.export_language(path, target, settings, options)
    return _export_graph(options)


def _export_graph(options: ExportOptions) -> Result:
    with loading():
        from edgewright.export.contract import find_target, read_subject
        from edgewright.export.slots import slot_files
        from edgewright.pipeline.cost import SETS
        from edgewright.profiles.catalogue import load_profile
        from edgewright.profiles.footprint import estimate
        from edgewright.workflows.estimation import estimate_subject

    target, slots = options.target, options.slots
    chosen = find_target(target)
    profile = load_profile(options.device) if options.device else None
    if profile is not None and profile.instruction_set in SETS and target != "verilog":
        raise OptionError(
            "--to verilog for an FPGA", f"--to {target}", f"--device {options.device}",
            "Use --to verilog, or the profile of a microcontroller",
        )  # fmt: skip
    rounding: Any = options.rounding  # one of two words, which click has checked
    shape = sample_shape(options.shape)
    subject = read_subject(options.model, form=options.form, rounding=rounding, shape=shape, missing=options.missing)
    if "/" in options.name:
        raise InvalidNameError("a plain name for the files", repr(options.name), "--name")
    if options.name:
        subject = replace(subject, name=options.name)
    if options.systems:
        subject = replace(subject, systems=tuple(system.strip() for system in options.systems.split(",")))
    if profile is not None:
        subject = replace(subject, core=profile.core, flash=profile.flash.value)
    if slots is None:
        files = chosen.files(subject)
    else:
        from edgewright.fleet.protocol.keys import read_public  # of the extra `device`

        files = slot_files(subject, bytes.fromhex(str(read_public(slots).keyval["public"])))
    if profile is not None and slots is not None:
        # Code that reads its weights from a slot is portable.
        profile = msgspec.structs.replace(profile, core="", estimated_as=profile.estimated_as or profile.core)
    estimated = None if profile is None else estimate_subject(subject, profile, compiled=False, whole=slots is not None)
    fit, failure = None, None
    if profile is not None and estimated is not None:
        fit = estimate(profile, estimated.footprint, deadline_us=estimated.limits.latency_us or 0.0)
    if estimated is not None and estimated.over:
        text = f"{subject.name} on {estimated.device}: {'; '.join(estimated.over)}"
        failure = CheckFailedError(text, "; ".join(estimated.helps))
    note = chosen.notes(subject)
    result = export_files.write_export(
        options, files, f"{target} {subject.name}", {**_record(subject, target, fit), "note": note},
        title="\n".join(_title(subject)), notes=[note] if note else [], hashed=True,
    )  # fmt: skip
    return replace(result, text=[*(result.text or ()), *([] if fit is None else _fit_lines(fit))], failure=failure)


def _record(subject: Subject, target: str, fit: DeviceRecord | None) -> dict[str, Any]:
    """Return what is exported, as JSON has it."""
    source = subject.graph.inputs[0]
    columns = [{"name": c.name, "unit": c.unit, "minimum": c.minimum, "maximum": c.maximum} for c in subject.columns]
    return {
        "name": subject.name,
        "target": target,
        "form": subject.form,
        "rounding": subject.rounding if subject.form == "int8" else "",
        "input": {"shape": list(source.shape), "dtype": source.dtype, "columns": columns},
        "outputs": [{"name": v.name, "shape": list(v.shape), "dtype": v.dtype} for v in subject.graph.outputs],
        "labels": list(subject.graph.labels),
        "files": (),
        "device": None if fit is None else msgspec.to_builtins(fit),
    }


def _title(subject: Subject) -> Iterator[str]:
    """Yield the name of the model, and its inputs and outputs with shapes and units."""
    yield f"{subject.name}: {subject.form}{f', rounded as {subject.rounding}' if subject.form == 'int8' else ''}"
    source = subject.graph.inputs[0]
    columns = some_of([f"{c.name} [{c.unit}]" if c.unit else c.name for c in subject.columns], 12)
    yield f"  in   {source.dtype} {_axes(source.shape)}{f': {columns}' if columns else ''}"
    for value in subject.graph.outputs:
        labels = ", ".join(subject.graph.labels) if value.name == "label" else ""
        yield f"  out  {value.name}: {value.dtype} {_axes(value.shape)}{f', one of {labels}' if labels else ''}"


def _fit_lines(fit: DeviceRecord) -> Iterator[str]:
    yield f"{fit.profile}: {fit.description}"
    for row in fit.rows:
        limit = f" of {amount(row.available, row.unit)}" if row.available > 0 else ""
        span = f" ({amount(row.low, row.unit)} to {amount(row.high, row.unit)})"
        yield f"  {row.name}: {amount(row.used, row.unit)}{span}{limit}, {row.how}"
    yield from (f"  {note}" for note in fit.notes)


def _axes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) if shape else "a number"
