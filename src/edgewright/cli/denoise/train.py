"""`edgewright denoise train`: a denoiser from clean signals and noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.denoise._options import data_options, decibels, read_clean
from edgewright.cli.interrupt import loading
from edgewright.cli.options import listed, refuse_existing
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError

_EXAMPLE = "Example: edgewright denoise train voices --noise white --noise pink --snr 0:20 --out voice.denoiser"


@click.command("train", epilog=_EXAMPLE)
@click.argument("clean", metavar="CLEAN")
@data_options
@click.option("--noise", multiple=True, required=True, metavar="KIND|WAV|FOLDER",
              help="Kind of noise, such as white or hum, or recorded noise; may be repeated.")  # fmt: skip
@click.option("--snr", default="0:20", show_default=True, metavar="LOW:HIGH", help="Signal to noise in decibels.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="FILE.denoiser.")
@click.option("--hold-out", default="", metavar="A,B", help="People or recordings that are left out. [default: drawn]")
@click.option("--set", "sizes", multiple=True, metavar="KEY=N", help="Size: hop, delay (frames), filters, blocks, "
              "kernel, first; may be repeated.")  # fmt: skip
@click.option("--windows", type=click.IntRange(16, 200_000), default=4000, show_default=True, help="Noisy windows.")
@click.option("--epochs", type=click.IntRange(1, 1000), default=20, show_default=True, help="Passes over them.")
@click.option("--rounding", type=click.Choice(["litert", "tflm"]), default="litert", help="Kernels that int8 equals.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is drawn.")
@click.option("--force", is_flag=True, help="Replace the file.")
@click.option("--json", "as_json", is_flag=True, help="Print what was trained as JSON.")
def command(clean: str, noise: tuple[str, ...], snr: str, out: Path, hold_out: str, sizes: tuple[str, ...],
            windows: int, epochs: int, rounding: Any, seed: int, force: bool, as_json: bool, **named: object) -> None:  # noqa: ANN401 - a word  # fmt: skip
    """Train a denoiser on CLEAN (a file, a folder, or --kind of a public set) with noise mixed in.

    People (or recordings, where nobody is named) stand on one side only: some train, some validate, and a quarter is
    left out for `denoise score`. The noisy signals are synthetic and are kept nowhere. The file holds the float and
    the int8 network, runs with the base install, and goes to firmware by `edgewright export FILE --to c99`.
    """
    from edgewright.cli.denoise._show import print_epochs, print_trained, told

    refuse_existing(out, force)
    span, config = decibels(snr), _config(sizes)
    with loading():
        from edgewright.training.backend import prepare

        prepare()

        from edgewright.core.toml_tables import convert_table
        from edgewright.graph.denoising import write_denoiser
        from edgewright.models.denoiser import DenoiserConfig
        from edgewright.workflows.denoising.training import DenoiserRequest, train_denoiser

    request = DenoiserRequest(
        noise=noise, snr=span, config=convert_table(config, DenoiserConfig, "--set"), windows=windows, epochs=epochs,
        hold_out=listed(hold_out), seed=seed,
        name=out.name.split(".")[0] or "denoiser", rounding=rounding,
    )  # fmt: skip
    made = train_denoiser(read_clean(clean, named), request, None if as_json else print_epochs(epochs))
    size = write_denoiser(out, made.file)
    if as_json:
        print_json(told(made, out, size))
        return
    print_trained(made, out, size)


def _config(sizes: tuple[str, ...]) -> dict[str, object]:
    made: dict[str, object] = {}
    for size in sizes:
        key, sign, value = size.partition("=")
        if not sign or not value.isdecimal():
            raise InputError("KEY=N, such as filters=48", repr(size), "--set")
        made[key] = int(value)
    return made
