"""`edgewright detect model`: the network of a detector, for `edgewright export`."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import FILE, refuse_existing
from edgewright.schema.errors import InputError


@declare(example="pump.detector --out pump.onnx")
def command(
    *,
    file: Path = argument(metavar="FILE.detector|PACKAGE"),
    out: Path = option(type=FILE, required=True, help="FILE.onnx."),
    force: bool = option(help="Replace a file of this name."),
) -> Result:
    """Write the int8 network of an autoencoder as ONNX, for `edgewright export FILE.onnx --to c99`."""
    import numpy as np

    from edgewright.cli.commands.detect._rows import opened
    from edgewright.core.files import write_atomic

    detector = opened(file)
    if "model" not in detector.learnt:
        raise InputError("a detector with a network (autoencoder)", repr(detector.spec.kind), str(file))
    refuse_existing(out, force)
    data = np.asarray(detector.learnt["model"], np.uint8).tobytes()
    write_atomic(out, data)
    return Result(
        {"file": str(out), "bytes": len(data)},
        [
            f"wrote {click.format_filename(str(out))}, {len(data):,} bytes",
            f"  Next: edgewright export {click.format_filename(str(out))} --to c99 --out firmware",
        ],
        compact=True,
    )
