"""`edgewright language export`: a model as files for a device."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.export_files import OutOptions


@declare(example="drinks.language --to c99 --out firmware/src", json="Print what was written as JSON.")
def command(
    options: OutOptions,
    model: Path = argument(metavar="MODEL"),
    target: str = option("--to", required=True, metavar="TARGET", help="c99, tflite, onnx or another target."),
    form: str = option(metavar="NAME", help="float or int8 of a network. [default: int8]"),
    rounding: str | None = option(
        type=click.Choice(["litert", "tflm"]), help="Kernels whose int8 results to match bit by bit. [default: litert]"
    ),
) -> Result:
    """Export MODEL for a device, as `edgewright export` does: as C99, or its network for an interpreter.

    --to tflite and --to onnx write the network from hashed words to intents, and C code that computes its input. A
    model of `language train-text` becomes C alone.
    """
    from edgewright.cli.export_files import export_language, export_text, is_text_model

    if is_text_model(model):
        return export_text(model, target, form or rounding or "", options)
    return export_language(model, target, {"--form": form, "--rounding": rounding}, options)
