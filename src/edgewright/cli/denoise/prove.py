"""`edgewright denoise prove`: windows and streams, Python, ONNX, .tflite and C, to the first stage that differs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgewright.schema.errors import CheckFailedError


@click.command("prove", epilog="Example: edgewright denoise prove voice.denoiser --wav noisy.wav")
@click.argument("model", metavar="DENOISER", type=click.Path(path_type=Path))
@click.option("--wav", type=click.Path(path_type=Path), help="Sound to prove with. [default: drawn noise]")
@click.option("--device", default="", metavar="PROFILE", help="Also run the C of the window on this emulated core.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def command(model: Path, wav: Path | None, device: str, as_json: bool) -> None:
    """Show that every form of a denoiser tells the same noise.

    The window form in all engines that are here, the stream in Python pushed in uneven pieces, and the stream in C by
    each compiler. Int8 forms that round as the file says must agree byte by byte. Exit code 1 where they do not.
    """
    import msgspec

    from edgewright.cli.interrupt import loading
    from edgewright.cli.show import Terminal

    with loading():
        import numpy as np

        from edgewright.graph.denoising import read_denoiser
        from edgewright.pipeline.denoise_prove import drawn_windows, prove_denoiser
        from edgewright.runtime.riff import read_wav
        from edgewright.schema.errors import InputError
        from edgewright.trace.proof_view import print_proof, told

    made = read_denoiser(model)
    signals, source = drawn_windows(made), "drawn noise of changing loudness"
    if wav is not None:
        if not wav.is_file():
            raise InputError("a WAV file", "no such file", str(wav))
        values = read_wav(wav.read_bytes(), str(wav)).values
        count = len(values) // made.spec.window
        if not count or values.shape[1] != len(made.spec.columns):
            raise InputError(f"{made.spec.window:,} samples of {len(made.spec.columns)} channels at least",
                             f"{len(values):,} of {values.shape[1]}", str(wav))  # fmt: skip
        cut = values[: count * made.spec.window].reshape(count, made.spec.window, -1)
        signals, source = np.ascontiguousarray(cut.transpose(0, 2, 1)), str(wav)
    record = prove_denoiser(made, signals, source, place=str(model), device=device)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
        sys.stdout.buffer.flush()
    else:
        print_proof(record, Terminal())
    if record.breaks is not None:
        raise CheckFailedError(f"the forms of {record.name} part at stage {told(record.breaks, record.broken)}")


COMMAND = command
