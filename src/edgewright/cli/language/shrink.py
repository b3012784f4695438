"""`edgewright language shrink`: a sentence encoder in int8, a quarter of its bytes."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.output import print_json


@click.command("shrink", epilog="Example: edgewright language shrink all-MiniLM-L6-v2 --out minilm-int8")
@click.argument("encoder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New directory.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(encoder: Path, out: Path, as_json: bool) -> None:
    """Write the sentence encoder of DIR with int8 weights, for use with --teacher and --encoder.

    Reports how close its vectors are to those of the original encoder, on a few sentences.
    """
    with loading():
        from edgewright.language.embedding import load
        from edgewright.language.embedding.quantise import write_int8

    whole = load(encoder)
    size = write_int8(encoder, out)
    texts = [f"{start} the {thing}" for start in ("turn on", "where is", "how do I clean", "I would like to buy")
             for thing in ("light", "battery", "red car", "soup of the day", "heater upstairs")]  # fmt: skip
    near = (whole.encode(texts) * load(out).encode(texts)).sum(axis=1)
    record = {"directory": str(out), "bytes": size, "from_bytes": whole.bytes, "cosine_mean": float(near.mean()),
            "cosine_least": float(near.min())}  # fmt: skip
    if as_json:
        print_json(record)
        return
    click.echo(f"wrote {click.format_filename(str(out))}, {size / 1e6:.1f} MB of {whole.bytes / 1e6:.1f}")
    click.echo(f"  cosine to the whole encoder {near.mean():.3f}, at least {near.min():.3f}, on {len(texts)} sentences")
