"""A denoiser's file under `edgewright export`."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.schema.errors import InputError

_LOOKED_AT = 1 << 24


def is_denoiser_file(place: Path) -> bool:
    """Whether this is the file of a denoiser rather than a package or a model."""
    from edgewright.graph.denoising import is_denoiser

    try:
        return place.is_file() and place.stat().st_size < _LOOKED_AT and is_denoiser(place.read_bytes())
    except OSError:
        return False


def export_denoiser(place: Path, target: str, out: Path, *, form: str, name: str, force: bool, as_json: bool) -> None:
    """Writes it and says what was written: c99 is the stream, onnx and tflite are the window form.

    Raises:
        InputError: another target, or a form that c99 does not have.
    """
    import re

    import msgspec

    from edgewright.core import catalogue
    from edgewright.core.onnx.reader import read_onnx
    from edgewright.export.c99_denoiser import write_denoiser_c99
    from edgewright.export.contract import Subject, Target
    from edgewright.export.write import write_files
    from edgewright.graph.denoising import read_denoiser

    made = read_denoiser(place)
    spec = made.spec
    word = name or re.sub(r"\W", "_", spec.name)
    if form not in ("", "int8", "float") or (form == "float" and target == "c99"):
        raise InputError("int8, or float for onnx and tflite", repr(form), "--form")
    if target not in ("c99", "onnx", "tflite"):
        raise InputError("--to c99, onnx or tflite for a denoiser", repr(target), str(place))
    if target == "c99":
        code = write_denoiser_c99(made, name=word)
        files = {file: text.encode() for file, text in code.files.items()}
        note = (f"{word}_step takes {spec.hop} samples and gives {spec.hop}, {spec.delay} samples late; "
                f"{code.ram:,} bytes of RAM, {code.constants:,} of constants")  # fmt: skip
    else:
        graph = read_onnx(made.float_model if form == "float" else made.int8_model)
        chosen: Target = catalogue.find("edgewright.export", target, "TARGET", "export target")
        subject = Subject(word, graph, spec.rounding)
        files = chosen.files(subject)
        note = (f"the window form: {len(spec.columns)} x {spec.window} in and out, {spec.delay} samples late, from a "
                f"state of zeros; {chosen.told(subject)}").rstrip("; ")  # fmt: skip
    written = write_files(out, files, force=force)
    told = [{"path": str(path), "bytes": len(data)} for path, data in written.items()]
    if as_json:
        answer = {"name": spec.name, "target": target, "form": form or "int8", "files": told, "note": note}
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=1).decode())
        return
    click.echo(f"{spec.name}: {form or 'int8'}, {spec.rate:g} samples a second of {', '.join(spec.columns)}")
    for path, data in written.items():
        click.echo(f"  wrote {click.format_filename(str(path))}, {len(data):,} bytes")
    click.echo(f"  {note}")
