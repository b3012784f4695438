"""`edgewright prove`: the same raw rows through every form, stage by stage, to the first that differs."""

from __future__ import annotations

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.core.errors import CheckFailedError


@declare(example="runs/activity --json")
def command(
    model: str = argument(metavar="RUN|PACKAGE|MODEL|DETECTOR|FORECASTER|DENOISER|LANGUAGE"),
    data: str | None = option(metavar="FILE", help="Rows to prove with; the run's own test samples by default."),
    given: tuple[str, ...] = option(
        "--with",
        metavar="PATH",
        help="Also prove this file or folder as it is: generated C, a folder of Verilog, .wasm, .tflite, .onnx, .edge, "
        "a compiled extension; may be repeated.",
    ),
    rows: int = option(type=click.IntRange(min=1), default=1000, help="Largest number of rows or windows."),
    device: str = option(
        metavar="PROFILE",
        help="Also run the C code on this emulated processor, or the Verilog of this FPGA in a simulator.",
    ),
    serial: str = option(
        metavar="PORT[@BAUD]",
        help="Also run the model on a board with the exported library: a serial port, or tcp:HOST:PORT.",
    ),
) -> Result:
    """Prove that every form of a pipeline gives the same answers.

    The same raw rows go through Python, float and int8 ONNX, .tflite, compiled C and the extension, as far as they
    exist here: through every model in the run folder, byte for byte as stored, and as a stream through the agent and
    the C code of a package. Detectors, forecasters, denoisers (--data sound.wav) and language models (--data with one
    utterance per line) are proven with their own rows. Every pair gets a verdict; the first stage that differs is named
    with the row and the values. Exits with 1 if a tolerance is exceeded, or if a model could not be run.
    """
    with loading():
        from edgewright.trace.page import Terminal, page_of
        from edgewright.trace.views.proof import difference_text, proof_parts
        from edgewright.workflows.proof.workflow import prove_place

    record = prove_place(model, data=data, rows=rows, device=device, given=given, serial=serial)
    reason = ""
    if record.breaks is not None:
        reason = f"the forms of {record.name} differ at stage {difference_text(record.breaks, record.broken)}"
    elif record.failed:
        absent = [form for part in (record, *record.parts) for form in part.absent]
        reasons = {f.name: f"it stops at stage {f.stage}: {f.reason}" if f.stage else f.reason for f in absent}
        reasons |= {file.name: file.not_proven for file in record.files}
        reason = f"{record.failed[0]} was not proven: {reasons[record.failed[0]]}"
    elif not record.passed:
        reason = f"{record.name} needs two forms to compare, but only {len(record.forms)} ran here"
    return Result(
        record, proof_parts(record, page_of(Terminal())), failure=CheckFailedError(reason) if reason else None
    )
