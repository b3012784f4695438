"""`edgewright export`: one form of a model as the files a device or another tool takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.schema.errors import CheckFailedError, InputError

if TYPE_CHECKING:
    from edgewright.export.contract import Subject
    from edgewright.schema.trace import DeviceRecord

_TARGETS = "edgewright.export"


def shape_of(text: str | None) -> tuple[int, ...] | None:
    """Lengths of a sample as `--shape` has them; None where it is left out."""
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 0 < int(part) < 1 << 24 for part in parts):
        raise InputError("lengths separated by commas, such as 100,3", repr(text), "--shape")
    return tuple(int(part) for part in parts)


@click.command("export", epilog="Example: edgewright export runs/activity --to c99 --device cortex-m4 --out firmware")
@click.argument(
    "place",
    metavar="RUN|PACKAGE|MODEL.onnx|MODEL.tflite|MODEL.language|FORECASTER|DENOISER",
    type=click.Path(path_type=Path),
)
@click.option("--to", "target", required=True, metavar="TARGET", help="onnx, tflite, c99 or extension.")
@click.option("--form", default="", metavar="NAME", help="float or int8 of a package; its default when left out.")
@click.option("--device", default="", metavar="PROFILE", help="Say what it takes of this device; exit code 1 if more.")
@click.option("--rounding", type=click.Choice(["litert", "tflm"]), help="Kernels that int8 equals. [default: litert]")
@click.option("--shape", metavar="N,N,...", help="Shape of one sample, for an ONNX model that leaves its axes open.")
@click.option("--slots", type=click.Path(path_type=Path), metavar="KEY.pub",
              help="C whose weights boards can replace, signed with this key (edgewright fleet weights).")  # fmt: skip
@click.option("--name", default="", help="Name of the files; the model's own when left out.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("exported"), show_default=True, help="Folder.")
@click.option("--force", is_flag=True, help="Replace files of these names.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    place: Path,
    target: str,
    form: str,
    device: str,
    rounding: Any,  # noqa: ANN401 - one of two words, which click has checked
    shape: str | None,
    slots: Path | None,
    name: str,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Write a model for a device or another tool.

    A run or a package gives its own form; a model from elsewhere is brought into the dialect first, or refused naming
    the operator. Prints the files with their bytes, and what goes in and comes out with shapes and units.
    """
    from dataclasses import replace

    from edgewright.cli.denoise._export import export_denoiser, is_denoiser_file
    from edgewright.cli.forecasting._export import export_forecaster, is_forecaster_file
    from edgewright.cli.interrupt import loading

    if slots is not None and (target != "c99" or is_forecaster_file(place) or is_denoiser_file(place)):
        raise InputError("--slots with --to c99 and a run, package or model", target, str(place), "Leave --slots out")
    if is_forecaster_file(place):
        export_forecaster(place, target, out, name=name, force=force, as_json=as_json)
        return
    if is_denoiser_file(place):
        export_denoiser(place, target, out, form=form, name=name, force=force, as_json=as_json)
        return
    with loading():
        from edgewright.core import catalogue
        from edgewright.export.subject import read_subject
        from edgewright.export.write import write_files
        from edgewright.profiles.catalogue import load_profile

    if place.suffix == ".language":
        from edgewright.cli.language._export import export_language

        options = {"--slots": slots, "--form": form, "--device": device, "--rounding": rounding, "--shape": shape}
        export_language(place, target, options, name=name, out=out, force=force, as_json=as_json)
        return
    chosen = catalogue.find(_TARGETS, target, "TARGET", "export target")
    profile = load_profile(device) if device else None
    subject = read_subject(place, form=form, rounding=rounding, shape=shape_of(shape))
    if name:
        subject = replace(subject, name=name)
    made = chosen.files(subject) if slots is None else _slotted(subject, slots)
    fit = None if profile is None else _estimate(profile, subject)
    written = write_files(out, made, force=force)
    _say({**_told(subject, target, written, fit), "note": chosen.told(subject)}, subject, fit, as_json)
    over = [] if fit is None else [row.name for row in fit.rows if 0 < row.available < row.low]
    if over:
        raise CheckFailedError(f"{subject.name} is beyond the {' and '.join(over)} of {device}")


def _say(told: dict[str, Any], subject: Subject, fit: DeviceRecord | None, as_json: bool) -> None:
    if not as_json:
        _print(told, subject, fit)
        return
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(told), indent=1).decode())


def _slotted(subject: Subject, key: Path) -> dict[str, bytes]:
    """C that reads its constants from a slot of flash."""
    from edgewright.export.slots import slot_files
    from edgewright.fleet.protocol.keys.files import read_public

    return slot_files(subject, bytes.fromhex(str(read_public(key).keyval["public"])))


def _estimate(profile: Any, subject: Subject) -> DeviceRecord:  # noqa: ANN401 - a profile
    """The exported form against the profile."""
    from edgewright.pipeline.footprint import form_footprint
    from edgewright.profiles.estimate import estimate

    return estimate(profile, form_footprint(profile, subject.graph))


def _told(subject: Subject, target: str, written: dict[Path, bytes], fit: DeviceRecord | None) -> dict[str, Any]:
    """What was written, as JSON has it."""
    import hashlib

    import msgspec

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


def _print(told: dict[str, Any], subject: Subject, fit: DeviceRecord | None) -> None:
    rounding = f", rounded as {subject.rounding}" if told["rounding"] else ""
    click.echo(f"{subject.name}: {subject.form}{rounding}")
    source = subject.graph.inputs[0]
    columns = ", ".join(f"{c.name} [{c.unit}]" if c.unit else c.name for c in subject.columns[:12])
    more = f" and {len(subject.columns) - 12} more" if len(subject.columns) > 12 else ""
    click.echo(f"  in   {source.dtype} {_axes(source.shape)}{f': {columns}{more}' if columns else ''}")
    for value in subject.graph.outputs:
        names = ", ".join(subject.graph.labels) if value.name == "label" else ""
        click.echo(f"  out  {value.name}: {value.dtype} {_axes(value.shape)}{f', one of {names}' if names else ''}")
    for file in told["files"]:
        click.echo(f"  wrote {click.format_filename(file['path'])}, {file['bytes']:,} bytes")
    if told["note"]:
        click.echo(f"  {told['note']}")
    if fit is None:
        return
    from edgewright.trace.words import amount

    click.echo(f"{fit.profile}: {fit.description}")
    for row in fit.rows:
        limit = f" of {amount(row.available, row.unit)}" if row.available > 0 else ""
        span = f" ({amount(row.low, row.unit)} to {amount(row.high, row.unit)})"
        click.echo(f"  {row.name}: {amount(row.used, row.unit)}{span}{limit}, {row.how}")
    for note in fit.notes:
        click.echo(f"  {note}")


def _axes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) if shape else "a number"


COMMAND = command
