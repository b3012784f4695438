"""`edgewright export`: one form of a model as the files a device or another tool takes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option, sample_shape
from edgewright.cli.output import print_json
from edgewright.core.catalogue import names
from edgewright.schema.errors import CheckFailedError, InputError

if TYPE_CHECKING:
    from edgewright.export.contract import Subject
    from edgewright.schema.trace import DeviceRecord

_TARGETS = names("edgewright.export.targets")


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of the command."""

    place: Path = argument(metavar="RUN|PACKAGE|MODEL.onnx|MODEL.tflite|MODEL.language|FORECASTER|DENOISER")
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
    slots: Path | None = option(
        metavar="KEY.pub",
        help="Write C whose weights can be replaced on the board, signed with this key (edgewright fleet weights).",
    )
    systems: str = option(
        "--system",
        metavar="NAME,...",
        help="Systems that --to native builds for, as linux-aarch64,windows-amd64; all it knows by default.",
    )
    name: str = option(help="Name of the files; the model's own by default.")
    out: Path = option(default=Path("exported"), help="Output folder.")
    force: bool = option(help="Replace existing files, and remove older ones of this export.")
    as_json: bool = option("--json", help="Print what was written as JSON.")


@declare("export", epilog="Example: edgewright export runs/activity --to c99 --device cortex-m4 --out firmware")
def command(options: ExportOptions) -> None:
    """Export a model for a device or another tool.

    A run or a package is exported in its own form; an imported model is converted first, or refused with the name of
    the unsupported operator. Prints the files with their sizes, and the shapes and units of inputs and outputs.
    """
    from edgewright.cli import export_files

    path, target, out, slots = options.place, options.target, options.out, options.slots
    name, force, as_json = options.name, options.force, options.as_json
    kind = export_files.kind_of(path)
    if slots is not None and (target != "c99" or kind in ("forecaster", "denoiser")):
        raise InputError("--slots with --to c99 and a run, package or model", target, str(path), "Omit --slots")
    if options.systems and target != "native":
        raise InputError("--system with --to native", target, str(path), "Omit --system")
    if kind == "forecaster":
        export_files.export_forecaster(path, target, out, name=name, force=force, as_json=as_json)
        return
    if kind == "denoiser":
        export_files.export_denoiser(path, target, out, form=options.form, name=name, force=force, as_json=as_json)
        return
    if kind:
        others = {f"--{one}": getattr(options, one) for one in ("slots", "form", "device", "rounding", "shape")}
        export_files.export_language(path, target, others, name=name, out=out, force=force, as_json=as_json)
        return
    with loading():
        from edgewright.export.contract import find_target
        from edgewright.export.slots import slot_files
        from edgewright.export.subject import read_subject
        from edgewright.export.write import write_files
        from edgewright.pipeline.footprint import SETS
        from edgewright.profiles.catalogue import load_profile
        from edgewright.profiles.estimate import estimate
        from edgewright.workflows.estimation.workflow import estimate_subject

    chosen = find_target(target)
    profile = load_profile(options.device) if options.device else None
    if profile is not None and profile.instruction_set in SETS and target != "verilog":
        raise InputError(
            "--to verilog for an FPGA", f"--to {target}", f"--device {options.device}",
            "Use --to verilog, or the profile of a microcontroller",
        )  # fmt: skip
    rounding: Any = options.rounding  # one of two words, which click has checked
    subject = read_subject(path, form=options.form, rounding=rounding, shape=sample_shape(options.shape))
    if "/" in name:
        raise InputError("a plain name for the files", repr(name), "--name")
    if name:
        subject = replace(subject, name=name)
    if options.systems:
        subject = replace(subject, systems=tuple(one.strip() for one in options.systems.split(",")))
    if profile is not None:
        subject = replace(subject, core=profile.core, flash=profile.flash.value)
    if slots is None:
        made = chosen.files(subject)
    else:
        from edgewright.fleet.protocol.keys.files import read_public  # of the extra `device`

        made = slot_files(subject, bytes.fromhex(str(read_public(slots).keyval["public"])))
    if profile is not None and slots is not None:
        # Code that reads its weights from a slot is portable.
        profile = msgspec.structs.replace(profile, core="", estimated_as=profile.estimated_as or profile.core)
    found = None if profile is None else estimate_subject(subject, profile, compiled=False, whole=slots is not None)
    fit = None
    if profile is not None and found is not None:
        fit = estimate(profile, found.found, deadline_us=found.limits.latency_us or 0.0)
    written = write_files(out, made, f"{target} {subject.name}", force=force)
    record = {**_told(subject, target, written.files, fit), "note": chosen.notes(subject)}
    if as_json:
        print_json({**record, **export_files.earlier_files(written)})
    else:
        _print(record, subject, fit, export_files.earlier_lines(written))
    if found is not None and found.over:
        raise CheckFailedError(f"{subject.name} on {found.device}: {'; '.join(found.over)}", "; ".join(found.helps))


def _told(subject: Subject, target: str, written: dict[Path, bytes], fit: DeviceRecord | None) -> dict[str, Any]:
    """Return what was written, as JSON has it."""
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
        "files": [
            {"path": str(path), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for path, data in written.items()
        ],
        "device": None if fit is None else msgspec.to_builtins(fit),
    }


def _print(record: dict[str, Any], subject: Subject, fit: DeviceRecord | None, earlier: list[str]) -> None:
    rounding = f", rounded as {subject.rounding}" if record["rounding"] else ""
    click.echo(f"{subject.name}: {subject.form}{rounding}")
    source = subject.graph.inputs[0]
    columns = ", ".join(f"{c.name} [{c.unit}]" if c.unit else c.name for c in subject.columns[:12])
    more = f" and {len(subject.columns) - 12} more" if len(subject.columns) > 12 else ""
    click.echo(f"  in   {source.dtype} {_axes(source.shape)}{f': {columns}{more}' if columns else ''}")
    for value in subject.graph.outputs:
        names = ", ".join(subject.graph.labels) if value.name == "label" else ""
        click.echo(f"  out  {value.name}: {value.dtype} {_axes(value.shape)}{f', one of {names}' if names else ''}")
    for file in record["files"]:
        click.echo(f"  wrote {click.format_filename(file['path'])}, {file['bytes']:,} bytes")
    for line in [*earlier, *filter(None, [record["note"]])]:
        click.echo(f"  {line}")
    if fit is None:
        return
    from edgewright.core.formatting import amount

    click.echo(f"{fit.profile}: {fit.description}")
    for row in fit.rows:
        limit = f" of {amount(row.available, row.unit)}" if row.available > 0 else ""
        span = f" ({amount(row.low, row.unit)} to {amount(row.high, row.unit)})"
        click.echo(f"  {row.name}: {amount(row.used, row.unit)}{span}{limit}, {row.how}")
    for note in fit.notes:
        click.echo(f"  {note}")


def _axes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) if shape else "a number"
