"""`edgewright detect model`: the network of a detector, for `edgewright export`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from edgewright.cli.options import FILE, refuse_existing
from edgewright.schema.errors import InputError


@click.command("model", epilog="Example: edgewright detect model pump.detector --out pump.onnx")
@click.argument("file", metavar="FILE.detector|PACKAGE", type=click.Path(path_type=Path))
@click.option("--out", type=FILE, required=True, help="FILE.onnx.")
@click.option("--force", is_flag=True, help="Replace a file of this name.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(file: Path, out: Path, force: bool, as_json: bool) -> None:
    """Write the int8 network of an autoencoder as ONNX, for `edgewright export FILE.onnx --to c99`."""
    import numpy as np

    from edgewright.cli.detect._rows import opened
    from edgewright.core.files import write_atomic

    detector = opened(file)
    if "model" not in detector.learnt:
        raise InputError("a detector with a network (autoencoder)", repr(detector.spec.kind), str(file))
    refuse_existing(out, force)
    data = np.asarray(detector.learnt["model"], np.uint8).tobytes()
    write_atomic(out, data)
    if as_json:
        click.echo(msgspec.json.encode({"file": str(out), "bytes": len(data)}).decode())
        return
    click.echo(f"wrote {click.format_filename(str(out))}, {len(data):,} bytes")
    click.echo(f"  Next: edgewright export {click.format_filename(str(out))} --to c99 --out firmware")
