"""`edgewright prove`: the same raw rows through every form, stage by stage, to the first that differs."""

from __future__ import annotations

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import completed
from edgewright.cli.output import print_json
from edgewright.schema.errors import CheckFailedError


@click.command("prove", epilog="Example: edgewright prove runs/activity --json")
@click.argument("place", metavar="RUN|PACKAGE|MODEL|DETECTOR|FORECASTER|DENOISER|LANGUAGE")
@click.option("--data", metavar="FILE", help="Rows to prove with; the run's own test samples by default.")
@click.option(
    "--with",
    "given",
    multiple=True,
    metavar="PATH",
    help=(
        "Also prove this file or folder as it is: generated C, a folder of Verilog, .wasm, .tflite, .onnx, .edge, a "
        "compiled extension; may be repeated."
    ),
)
@click.option(
    "--rows", type=click.IntRange(min=1), default=1000, show_default=True, help="Largest number of rows or windows."
)
@click.option(
    "--device",
    default="",
    metavar="PROFILE",
    shell_complete=completed,
    help="Also run the C code on this emulated processor, or the Verilog of this FPGA in a simulator.",
)
@click.option(
    "--serial",
    default="",
    metavar="PORT[@BAUD]",
    help="Also run the model on a board with the exported library: a serial port, or tcp:HOST:PORT.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def command(
    place: str, data: str | None, given: tuple[str, ...], rows: int, device: str, serial: str, as_json: bool
) -> None:
    """Prove that every form of a pipeline gives the same answers.

    The same raw rows go through Python, float and int8 ONNX, .tflite, compiled C and the extension, as far as they
    exist here: through every model in the run folder, byte for byte as stored, and as a stream through the agent and
    the C code of a package. Detectors, forecasters, denoisers (--data sound.wav) and language models (--data with one
    utterance per line) are proven with their own rows. Every pair gets a verdict; the first stage that differs is named
    with the row and the values. Exits with 1 if a tolerance is exceeded, or if a model could not be run.
    """
    from edgewright.cli.listeners import Terminal

    with loading():
        from edgewright.trace.proof_view import print_proof, told
        from edgewright.workflows.proof.workflow import prove_place

    record = prove_place(place, data=data, rows=rows, device=device, given=given, serial=serial)
    if as_json:
        print_json(record)
    else:
        print_proof(record, Terminal())
    if record.breaks is not None:
        raise CheckFailedError(f"the forms of {record.name} differ at stage {told(record.breaks, record.broken)}")
    if record.failed:
        reasons = {form.name: form.reason for part in (record, *record.parts) for form in part.absent}
        reasons |= {file.name: file.not_proven for file in record.files}
        raise CheckFailedError(f"{record.failed[0]} was not proven: {reasons[record.failed[0]]}")
    if not record.passed:
        raise CheckFailedError(f"{record.name} needs two forms to compare, but only {len(record.forms)} ran here")
