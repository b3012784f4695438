"""`edgewright language export`: a model as files for a device."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import completed


@click.command("export", epilog="Example: edgewright language export drinks.language --to c99 --out firmware/src")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--to", "target", required=True, metavar="TARGET", help="c99, tflite, onnx or another target.",
              shell_complete=completed)  # fmt: skip
@click.option("--form", default="", metavar="NAME", help="float or int8 of a network. [default: int8]")
@click.option(
    "--rounding",
    type=click.Choice(["litert", "tflm"]),
    help="Kernels whose int8 results to match bit by bit. [default: litert]",
)
@click.option("--name", default="", help="Name of the files; the model's own by default.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("exported"), show_default=True, help="Output folder."
)
@click.option("--force", is_flag=True, help="Replace existing files, and remove older ones of this export.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    model: Path, target: str, form: str, rounding: str | None, name: str, out: Path, force: bool, as_json: bool
) -> None:
    """Export MODEL for a device, as `edgewright export` does: as C99, or its network for an interpreter.

    --to tflite and --to onnx write the network from hashed words to intents, and C code that computes its input. A
    model of `language train-text` becomes C alone.
    """
    from edgewright.cli.export_files import export_language, export_text, is_text_model

    if is_text_model(model):
        export_text(model, target, form or rounding or "", name=name, out=out, force=force, as_json=as_json)
        return
    options = {"--form": form, "--rounding": rounding}
    export_language(model, target, options, name=name, out=out, force=force, as_json=as_json)
